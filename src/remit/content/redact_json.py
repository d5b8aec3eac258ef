"""Redaction in decoded JSON values: the shape stays, string leaves, keys and numbers are cleaned.

A leaf is read together with its key (``card: 4111…``), because many ids are ids only beside their
name. Adjacent text blocks are read as one text too, so that what is cut in two is found.
"""

import base64
import json
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from remit.content import _names_beside as beside
from remit.content._blobs import encoded, open_blob
from remit.content.base import Finding, Surroundings
from remit.content.redact import (
    Inspect,
    Style,
    Wanted,
    clean,
    everything,
    mark_for,
    patterns,
    spans,
)
from remit.content.values import (
    MAX_DEPTH,
    MAX_PIECES,
    blob_key,
    cost,
    is_text,
    number_text,
    pointer,
    runs_of_text,
)

MAX_KEY = 64
_SPAN = re.compile(r"\d+-\d+")
UNREAD = "[UNINSPECTED:value]"


def redact_value(
    value: Any,
    around: Surroundings,
    style: Style,
    *,
    wanted: Wanted = everything,
    inspector: Inspect = patterns,
    only: Collection[str] | None = None,
) -> Any:
    """``value`` rebuilt without what ``wanted`` findings point at.

    What lies deeper than 64 levels or after 20,000 texts is replaced by ``[UNINSPECTED:value]``.

    Args:
        value: any JSON value.
        around: see :func:`remit.content.redact.clean`, as for the next three.
        style: how values are replaced.
        wanted: which findings.
        inspector: who finds them.
        only: JSON pointers of the values to look at, and of everything below them; else all.
    """
    cleaner = _Cleaner(around, style, wanted, inspector, only)
    return cleaner.value(value, "", ("",), 0, inside=only is None)


class _Cleaner:
    def __init__(
        self, around: Surroundings, style: Style, wanted: Wanted, inspector: Inspect,
        only: Collection[str] | None,
    ) -> None:  # fmt: skip
        self._around = around
        self._style = style
        self._wanted = wanted
        self._inspect = inspector
        self._only = frozenset(_whole(path) for path in only or ())
        self._room = MAX_PIECES

    def value(
        self, value: Any, path: str, called: beside.Names, depth: int, *, inside: bool
    ) -> Any:
        """``called``: the nearest key above, then what neighbours call it."""
        self._room -= cost(path)
        if depth > MAX_DEPTH or self._room < 0:
            return UNREAD
        inside = inside or path in self._only
        if isinstance(value, Mapping):
            return self._object(value, path, called, depth, inside=inside)
        if isinstance(value, list | tuple):
            named = beside.of_items(value) if inside or self._only else {}
            cleaned = [
                self.value(
                    item, pointer(path, at), (*called, named[at]) if at in named else called,
                    depth + 1, inside=inside,
                )
                for at, item in enumerate(value)
            ]  # fmt: skip
            return self._joined(cleaned) if inside else cleaned
        if not inside:
            return value
        return self._leaf(value, called) if isinstance(value, str) else self._number(value, called)

    def _leaf(self, text: str, called: beside.Names) -> str:
        for name in called:
            text = self._beside(text, name)
        return self._clean(text)

    def _clean(self, text: str) -> str:
        return clean(
            text, self._around, self._style, wanted=self._wanted, inspector=self._inspect
        ).text

    def _found(self, text: str) -> list[Finding]:
        return [f for f in self._inspect(text, self._around) if self._wanted(f)]

    def _beside(self, text: str, called: str) -> str:
        """``text`` without what is something only because of its name."""
        name = called[:MAX_KEY]
        if not name or not text:
            return text
        skipped = beside.blank(text)
        prefix = f"{name}: "
        moved = skipped - len(prefix)
        found = [
            msgspec.structs.replace(f, start=max(f.start + moved, skipped), end=f.end + moved)
            for f in self._found(prefix + text[skipped:])
            if f.end > len(prefix)
        ]
        return _replace(text, found, self._style)

    def _object(
        self, value: Mapping[str, Any], path: str, called: beside.Names, depth: int, *, inside: bool
    ) -> dict[str, Any]:
        blob = blob_key(value)
        names = beside.of_members(value, called[0], called[1:])
        out: dict[str, Any] = {}
        for name, below in value.items():
            place = pointer(path, name)
            here = inside or place in self._only
            key = self._clean(name) if here else name
            below_called = (name, *beside.of_member(name, names))
            if here and blob and name == blob:
                cleaned: Any = self._blob(below, str(value.get("mimeType") or ""), below_called)
            else:
                cleaned = self.value(below, place, below_called, depth + 1, inside=inside)
            number = 2
            unique = key
            while unique in out:
                unique = f"{key}#{number}"
                number += 1
            out[unique] = cleaned
        return out

    def _number(self, value: Any, called: beside.Names) -> Any:
        text = number_text(value)
        if not text:
            return value
        found: list[Finding] = []
        for name in called:
            prefix = f"{name[:MAX_KEY]}: " if name else ""
            found += [f for f in self._found(prefix + text) if f.end > len(prefix)]
        found += self._found(text) if any(called) else []
        if not found:
            return value
        if self._style.form == "token" and self._style.vault is not None:
            token = self._style.vault.put(value, found[0].label)
            if token is not None:
                return token
        return mark_for(text, found[0], self._style)

    def _blob(self, text: str, media_type: str, called: beside.Names) -> str:
        """Base64 of what is left of the texts in it; what is text itself is cleaned as one."""
        blob = open_blob(text, is_text=is_text(media_type))
        if blob.data is not None:
            changed = encoded(blob.data, blob.parts, lambda part: self._leaf(part, called))
            if changed != blob.data:
                return base64.b64encode(changed).decode()
        return self._leaf(text, called) if blob.plain else text

    def _joined(self, items: list[Any]) -> list[Any]:
        for group in runs_of_text(items):
            texts = [items[at]["text"] for at in group]
            joined = "".join(texts)
            found = self._found(joined)
            for at, text in zip(group, _split(joined, texts, found, self._style), strict=True):
                items[at] = {**items[at], "text": text}
        return items


def _whole(path: str) -> str:
    """The list itself for a place that spans several of its items (``/content/0-2``)."""
    above, _, last = path.rpartition("/")
    return above if _SPAN.fullmatch(last) else path


def _replace(text: str, found: Sequence[Finding], style: Style) -> str:
    out: list[str] = []
    at = 0
    for start, end, finding in spans(text, found):
        out += (text[at:start], mark_for(text[start:end], finding, style))
        at = end
    return "".join([*out, text[at:]])


def _split(joined: str, texts: Sequence[str], found: Sequence[Finding], style: Style) -> list[str]:
    """The texts without what lies across their borders; the mark goes where it begins."""
    borders = [0]
    for text in texts:
        borders.append(borders[-1] + len(text))
    inner = set(borders[1:-1])
    cuts = [c for c in spans(joined, found) if any(c[0] < b < c[1] for b in inner)]
    out: list[str] = []
    for begin, end in pairwise(borders):
        part: list[str] = []
        at = begin
        for cut_begin, cut_end, finding in cuts:
            if cut_end <= begin or cut_begin >= end:
                continue
            part.append(joined[at : max(cut_begin, at)])
            if begin <= cut_begin:
                part.append(mark_for(joined[cut_begin:cut_end], finding, style))
            at = max(at, min(cut_end, end))
        part.append(joined[at:end])
        out.append("".join(part))
    return out


def redact_arguments(
    text: str,
    around: Surroundings,
    style: Style,
    *,
    wanted: Wanted = everything,
    inspector: Inspect = patterns,
) -> str | None:
    """JSON text (arguments of a call as models write them) decoded, cleaned and written anew.

    ``None`` if it is not JSON: what a tool would make of it is unknown.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cleaned = redact_value(value, around, style, wanted=wanted, inspector=inspector)
    return text if cleaned == value else json.dumps(cleaned, ensure_ascii=False)
