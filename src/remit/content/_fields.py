"""The texts of a result, and which of them are fields: values that the service put there.

Whoever writes a text does not make fields. A field is a short value in a structure (decoded JSON, or
a text that is JSON or YAML), not below a key that holds free text; an id is one that only the
service gives out. In a plain listing a line that begins at the margin is one, of less worth.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from remit.content._tokens import fold
from remit.content.values import walk

Kind = Literal["id", "field", "line", "free"]

MAX_RESULT = 1 << 18
MAX_YAML = 1 << 16
MAX_BRACKETS = 1000
MAX_FIELD = 80
MAX_FIELD_WORDS = 8
MAX_LINE = 200
FREE = frozenset({
    "about", "abstract", "answer", "bio", "body", "caption", "comment", "comments", "content",
    "description", "detail", "details", "excerpt", "html", "info", "instructions", "markdown",
    "message", "messages", "note", "notes", "preview", "quote", "reason", "remark", "remarks",
    "reply", "review", "snippet", "subject", "summary", "text", "title", "topic",
})  # fmt: skip
"""Keys of free text: anybody who writes to somebody writes it."""

KEY = re.compile(r"[A-Za-z_][\w-]{0,40}")
"""Keys that are names; others may be values."""

_BLOCK = re.compile(r"(?:/content/\d+)?/text|")
_LINE = re.compile(rf"(?:-\s+)?(?:[\w .-]{{1,40}}:\s+)?(.{{1,{MAX_FIELD}}})")
_YAML = re.compile(r"\s*(?:- |[\w.-]{1,40}:\s)[^\n]*\n")
_ANCHOR = re.compile(r"(?:^|[\s,\[{:-])[&*]\S", re.MULTILINE)
_ID_KEY = re.compile(r"(?i)_?(?:[a-z0-9_]{1,40}_)?(?:id|uuid|guid)_?")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SENTENCE = re.compile(r"[.!?]\s")


class TooMuch(Exception):  # noqa: N818 - not an error: nobody reads on
    """A result is larger than what is read."""


def texts(value: Any) -> Iterator[tuple[str, Kind]]:
    """Every text of a result.

    Raises:
        TooMuch: after as much as is read.
    """
    room, yaml_room = MAX_RESULT, MAX_YAML
    walked = walk(value)
    for piece in walked.pieces:
        if piece.what == "joined" or (piece.what == "key" and KEY.fullmatch(piece.text)):
            continue
        room -= len(piece.text)
        if room < 0:
            raise TooMuch
        if piece.what == "key":
            yield piece.text, "free"
            continue
        if piece.what != "text" or _BLOCK.fullmatch(piece.path) is None:
            yield piece.text, _kind(piece.text, piece.key)
            continue
        decoded = _json(piece.text)
        if decoded is None and len(piece.text) <= yaml_room and _is_yaml(piece.text):
            yaml_room -= len(piece.text)
            decoded = _yaml(piece.text)
        if decoded is None:
            yield from _lines(piece.text)
        else:
            yield from _structure(decoded)
    if not walked.complete:
        raise TooMuch


def _structure(value: Any) -> Iterator[tuple[str, Kind]]:
    walked = walk(value)
    for piece in walked.pieces:
        if piece.what == "key":
            if not KEY.fullmatch(piece.text):
                yield piece.text, "free"
        elif piece.what != "joined":
            yield piece.text, _kind(piece.text, piece.key)
    if not walked.complete:
        raise TooMuch


def _lines(text: str) -> Iterator[tuple[str, Kind]]:
    """Text as a listing of lines: ``- name`` and ``key: value`` at the margin are fields."""
    for line in text.splitlines():
        bare = line.strip()
        match = _LINE.fullmatch(bare) if len(bare) <= MAX_LINE else None
        if match is not None and line[:1] == bare[:1] and is_field(match[1], ""):
            yield match[1], "line"
        elif bare:
            yield bare, "free"
    if "\n" in text:
        yield text, "free"


def _kind(text: str, key: str) -> Kind:
    if not is_field(text, key):
        return "free"
    return "id" if _ID_KEY.fullmatch(key) and _ID.fullmatch(text) else "field"


def is_field(text: str, key: str) -> bool:
    """Whether a value is short, of one line, no sentence, and not below a key of free text."""
    return (
        len(text) <= MAX_FIELD
        and "\n" not in text
        and fold(key) not in FREE
        and _SENTENCE.search(text) is None
        and len(text.split()) <= MAX_FIELD_WORDS
    )


def _json(text: str) -> Any:
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping | list) else None


def _is_yaml(text: str) -> bool:
    """Whether it looks like a listing, without what makes a small one large."""
    return (
        _YAML.match(text) is not None
        and text.count("[") + text.count("{") <= MAX_BRACKETS
        and _ANCHOR.search(text) is None
    )


def _yaml(text: str) -> Any:
    import yaml

    try:
        value = yaml.load(text, _yaml_loader())  # noqa: S506 - makes texts, lists, mappings
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping | list) else None


@functools.cache
def _yaml_loader() -> Any:
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)
