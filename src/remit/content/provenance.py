"""Where values come from: the user's words, trusted data, untrusted data, or nowhere that was seen.

Values are compared, not sessions: that a page was read says little, that the address to write to
stands only in that page says much. What was learnt from traces of attacks is built in:

1. Whole tokens. ``13`` is not in ``4138``.
2. Of a listing (a directory of members, channels, files) only its fields count as trusted, never
   its free text: whoever may write a description could put an address there.
3. A destination is judged by every address in it; a payload by whether anything in it is of
   untrusted origin.
4. A URL is the user's if the user named it, or its host and nothing was added that can carry data.

What this does not see: values that were rewritten (translated, summed, spelled out), values cut in
parts, and a choice between two trusted values that untrusted text made.
"""

import json
import re
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from remit.content._tokens import MAX_VALUE, Token, fold, host_of, quoted, typed, words
from remit.content.values import walk

Source = Literal["user", "trusted", "untrusted"]
Origin = Literal["user", "trusted", "untrusted", "unknown"]
Role = Literal["destination", "payload"]

SOURCES: tuple[Source, ...] = ("user", "trusted", "untrusted")
MAX_VALUES = 20_000
MAX_TEXT = 1 << 20
MAX_PHRASES = 100_000
MAX_TOKENS = 500
MAX_FIELD = 80
MAX_FIELD_WORDS = 8
MIN_PAYLOAD_WORD = 10
PHRASE = 6
"""Words in a row that a payload must share with untrusted text to have come from it."""

_WORST: dict[Origin, int] = {"user": 0, "trusted": 1, "unknown": 2, "untrusted": 3}
_FIELD = re.compile(rf"^\s*(?:-\s+)?(?:[\w .-]{{1,40}}:\s+)?(.{{1,{MAX_FIELD}}}?)\s*$")
_SENTENCE = re.compile(r"[.!?]\s")


class _Seen:
    """Values of one source, the oldest forgotten first."""

    def __init__(self) -> None:
        self.values: OrderedDict[str, None] = OrderedDict()
        self.hosts: OrderedDict[str, None] = OrderedDict()
        self.phrases: OrderedDict[int, None] = OrderedDict()
        self.forgot = False
        self._parts: list[str] = [" "]
        self._size = 0

    @property
    def text(self) -> str:
        """All words in order, with a space on both sides of each."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0]

    def add(self, text: str, *, field: bool) -> None:
        for token in typed(text):
            self._keep(self.values, token.text)
            if token.type == "url":
                self._keep(self.hosts, host_of(token.text))
        if not field:
            for token in quoted(text):
                self._keep(self.values, token.text)
        whole = words(text)
        self._keep(self.values, " ".join(whole))
        for phrase in _phrases(whole):
            self.phrases[phrase] = None
            if len(self.phrases) > MAX_PHRASES:
                self.phrases.popitem(last=False)
        joined = " ".join(whole) + " | "
        self._parts.append(joined)
        self._size += len(joined)
        if self._size > MAX_TEXT:
            self._parts = [" " + self.text[-(MAX_TEXT // 2) :].partition(" ")[2]]
            self._size = len(self._parts[0])
            self.forgot = True

    def has(self, form: str) -> bool:
        return bool(form) and (form in self.values or f" {form} " in self.text)

    def _keep(self, values: OrderedDict[str, None], form: str) -> None:
        if not form or len(form) > MAX_VALUE:
            return
        values[form] = None
        values.move_to_end(form)
        if len(values) > MAX_VALUES:
            values.popitem(last=False)
            self.forgot = True


class Provenance:
    """What one session has seen. Belongs to one thread; memory is bounded."""

    def __init__(self) -> None:
        self._seen: dict[Source, _Seen] = {source: _Seen() for source in SOURCES}

    def user(self, text: str) -> None:
        """The user's own words."""
        self._seen["user"].add(text, field=False)

    def result(self, value: Any, *, trusted: bool, listing: bool = False) -> None:
        """A result, decoded or as text.

        Args:
            value: any JSON value.
            trusted: whether its source is.
            listing: whether it is a directory: only its fields are trusted, its free text is not.
        """
        for text, field in _texts(value):
            if trusted and (field or not listing):
                self._seen["trusted"].add(text, field=field)
            else:
                self._seen["untrusted"].add(text, field=False)

    def origin(self, argument: Any, role: Role = "destination") -> Origin:
        """Where ``argument`` comes from; of several values the worst.

        ``unknown`` is worse than ``trusted``: nobody named it. ``untrusted`` is the worst.
        """
        worst: Origin = "user"
        seen_any = False
        for piece in walk(argument).pieces:
            if piece.what not in {"text", "number"} or not piece.text.strip():
                continue
            seen_any = True
            one = (
                self._destination(piece.text)
                if role == "destination"
                else self._payload(piece.text)
            )
            if _WORST[one] > _WORST[worst]:
                worst = one
        if not seen_any and isinstance(argument, int | float) and not isinstance(argument, bool):
            return self._destination(str(getattr(argument, "token", argument)))
        return worst

    def _destination(self, text: str) -> Origin:
        whole = self._of(" ".join(words(text)))
        if whole in {"user", "trusted"} and not _addresses(text):
            return whole
        tokens = _addresses(text) or [Token("word", " ".join(words(text)))]
        return max((self._token(t) for t in tokens), key=_WORST.__getitem__)

    def _payload(self, text: str) -> Origin:
        """Untrusted if an address, a rare word or a phrase in it stands only in untrusted data."""
        whole = self._of(" ".join(words(text)))
        if whole != "unknown":
            return whole
        tokens = list(islice(dict.fromkeys(typed(text)), MAX_TOKENS + 1))
        if len(tokens) > MAX_TOKENS:
            return "untrusted"
        origins = [self._token(t) for t in tokens]
        rare = [w for w in words(text) if len(w) >= MIN_PAYLOAD_WORD and any(map(str.isdigit, w))][
            :MAX_TOKENS
        ]
        origins += [self._of(w) for w in rare]
        copied = set(_phrases(words(text)))
        if copied & self._seen["untrusted"].phrases.keys():
            own = self._seen["user"].phrases.keys() | self._seen["trusted"].phrases.keys()
            if copied & self._seen["untrusted"].phrases.keys() - own:
                return "untrusted"
        if "untrusted" in origins:
            return "untrusted"
        return (
            "unknown"
            if "unknown" in origins or not origins
            else max(origins, key=_WORST.__getitem__)
        )

    def _token(self, token: Token) -> Origin:
        found = self._of(token.text)
        if token.type != "url" or found in {"user", "trusted"}:
            return found
        host = host_of(token.text)
        if host and not re.search(r"[?#]", token.text):
            for source in SOURCES:
                if host in self._seen[source].hosts and (source != "trusted" or host == token.text):
                    return source
        return "untrusted" if host in self._seen["untrusted"].hosts else found

    def _of(self, form: str) -> Origin:
        for source in SOURCES:
            if self._seen[source].has(form) or self._seen[source].has(fold(form)):
                return source
        # What was forgotten may have been this value.
        return "untrusted" if self._seen["untrusted"].forgot else "unknown"


def _addresses(text: str) -> list[Token]:
    found = (t for t in dict.fromkeys(typed(text)) if t.type in {"url", "email", "iban"})
    tokens = list(islice(found, MAX_TOKENS + 1))
    if len(tokens) > MAX_TOKENS:  # too many to look up: nobody named them all
        tokens.append(Token("word", ""))
    return tokens


def _phrases(row: list[str]) -> Iterator[int]:
    """A number for each phrase of six words."""
    for at in range(len(row) - PHRASE + 1):
        yield zlib.crc32(" ".join(row[at : at + PHRASE]).encode("utf-8", "surrogatepass"))


def _texts(value: Any) -> Iterator[tuple[str, bool]]:
    """Every text and whether it is a field: short, one line, no sentence."""
    if isinstance(value, str):
        decoded = _decoded(value)
        if decoded is None:
            yield from _lines(value)
            return
        value = decoded
    for piece in walk(value).pieces:
        if piece.what == "key":
            continue
        if piece.what == "text" and "\n" in piece.text:
            yield from _lines(piece.text)
        elif piece.what != "joined":
            yield piece.text, _is_field(piece.text)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Text as a listing of lines: ``- name`` and ``key: value`` are fields, the rest is not."""
    decoded = _decoded(text)
    if decoded is not None:
        yield from _texts(decoded)
        return
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match is not None and _is_field(match[1]):
            yield match[1], True
        elif line.strip():
            yield line, False
    if "\n" in text:
        yield text, False


def _is_field(text: str) -> bool:
    return (
        len(text) <= MAX_FIELD
        and "\n" not in text
        and _SENTENCE.search(text) is None
        and len(text.split()) <= MAX_FIELD_WORDS
    )


def _decoded(text: str) -> Any:
    if text[:1].strip() not in {"{", "["} or not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping | list) else None


def worst(origins: Iterable[Origin]) -> Origin:
    """The worst of several origins; ``user`` if there are none."""
    return max(origins, key=_WORST.__getitem__, default="user")
