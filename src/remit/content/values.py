"""Every text in a message that a model or a tool could read, with its place.

The walk knows nothing of methods: it takes any decoded JSON value (parameters, a result, an error,
a tool definition) and leaves nothing out, because text hides where nobody looks (``_meta``,
``structuredContent``, enum values, keys, ``error.data``). Places are JSON pointers (RFC 6901).
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from remit.content import _names_beside as beside
from remit.content._blobs import open_blob

What = Literal["text", "key", "number", "blob", "joined"]

MAX_PIECES = 20_000
MAX_VISITS = 200_000
"""Values that are looked at: one that says nothing costs time, too."""
MAX_DEPTH = 64
LONG_PATH = 256
MIN_NUMBER = 4
"""Digits a number needs to be worth reading: no id of a person or a card is shorter."""

_TEXT_TYPES = frozenset({
    "application/json", "application/xml", "application/javascript", "application/x-javascript",
    "application/ecmascript", "application/yaml", "application/x-yaml", "application/toml",
    "application/sql", "application/graphql", "application/x-sh",
    "application/x-www-form-urlencoded",
    "application/x-ndjson", "application/jsonl", "application/rtf", "application/x-pem-file",
    "image/svg+xml", "message/rfc822",
})  # fmt: skip


class Piece(msgspec.Struct, frozen=True):
    """One text.

    Attributes:
        path: JSON pointer of its value; of a key, the pointer of the value below it.
        text: what is read.
        what: a string, a key, a number, a decoded blob, or adjacent text blocks as one.
        key: the nearest key above it, which is what detectors of ids look at.
        names: what else it is called, by its neighbours.
    """

    path: str
    text: str
    what: What
    key: str = ""
    names: tuple[str, ...] = ()


class Walk(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        pieces: every text, in the order of the value.
        opaque: pointers of bytes that are not text, or not all of them (pictures, audio).
        complete: false if a limit was reached: the rest was not read.
    """

    pieces: tuple[Piece, ...]
    opaque: tuple[str, ...] = ()
    complete: bool = True


def walk(value: Any, *, max_pieces: int = MAX_PIECES) -> Walk:
    """Every text of ``value``: strings and keys, numbers, blobs by type, adjacent text joined."""
    walker = _Walker(max_pieces)
    walker.walk(value, "", "", (), 0)
    return Walk(tuple(walker.pieces), tuple(walker.opaque), walker.complete)


def message(body: Mapping[str, Any], *, max_pieces: int = MAX_PIECES) -> Walk:
    """Every text of a JSON-RPC message, its envelope (``jsonrpc``, ``id``, ``method``) left out."""
    inside = {k: v for k, v in body.items() if k not in {"jsonrpc", "id", "method"}}
    return walk(inside, max_pieces=max_pieces)


def is_text(media_type: str) -> bool:
    """Whether bytes of ``media_type`` (RFC 9110, parameters allowed) are text."""
    bare = media_type.partition(";")[0].strip().lower()
    return bare.startswith("text/") or bare in _TEXT_TYPES or bare.endswith(("+json", "+xml"))


def blob_key(value: Mapping[str, Any]) -> str:
    """The key of ``value`` that holds base64 bytes (MCP ``blob`` and ``data``); else empty."""
    if isinstance(value.get("blob"), str):
        return "blob"
    if isinstance(value.get("data"), str) and (
        value.get("type") in {"image", "audio"} or isinstance(value.get("mimeType"), str)
    ):
        return "data"
    return ""


def runs_of_text(items: Sequence[Any]) -> Iterator[list[int]]:
    """Indexes of two or more text blocks that stand next to each other in a list of content."""
    group: list[int] = []
    for at, item in enumerate(items):
        if isinstance(item, Mapping) and isinstance(item.get("text"), str):
            group.append(at)
        else:
            if len(group) > 1:
                yield group
            group = []
    if len(group) > 1:
        yield group


def pointer(path: str, token: str | int) -> str:
    """``path`` and one more reference token (RFC 6901 section 3)."""
    return f"{path}/{str(token).replace('~', '~0').replace('/', '~1')}"


def cost(path: str) -> int:
    """What it costs to look at a value: long keys make long places of everything below them."""
    return 1 + len(path) // LONG_PATH


def number_text(value: Any) -> str:
    """The digits of a JSON number as they came; empty for what is short or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    try:
        text = str(getattr(value, "token", value))
    except ValueError:  # an integer of thousands of digits, which is nobody's id
        return ""
    return text if sum(c.isdigit() for c in text) >= MIN_NUMBER else ""


class _Walker:
    def __init__(self, room: int) -> None:
        self.pieces: list[Piece] = []
        self.opaque: list[str] = []
        self.complete = True
        self._room = room
        self._visits = MAX_VISITS

    def walk(self, value: Any, path: str, key: str, names: beside.Names, depth: int) -> None:
        self._visits -= cost(path)
        if isinstance(value, str):
            self._add(path, value, "text", key, names)
        elif isinstance(value, Mapping):
            self._object(value, path, key, names, depth)
        elif isinstance(value, list | tuple):
            self._array(value, path, key, names, depth)
        elif isinstance(value, bytes | bytearray):
            text = base64.b64encode(value).decode()
            self._blob(text, "", path, key, names, bare=True)
        else:
            self._add(path, number_text(value), "number", key, names)

    def _stops(self, depth: int) -> bool:
        if depth < MAX_DEPTH and self._visits > 0:
            return False
        self.complete = False
        return True

    def _object(
        self, value: Mapping[str, Any], path: str, above: str, names: beside.Names, depth: int
    ) -> None:
        if not value or self._stops(depth):
            return
        blob = blob_key(value)
        inside = beside.of_members(value, above, names)
        for name, below in value.items():
            if self._stops(depth):
                return
            key = str(name)
            place = pointer(path, key)
            self._add(place, key, "key", key)
            called = beside.of_member(key, inside)
            if blob and key == blob:
                media = value.get("mimeType")
                media = media if isinstance(media, str) else ""
                self._blob(below, media, place, key, called)
            else:
                self.walk(below, place, key, called, depth + 1)

    def _array(
        self, value: Sequence[Any], path: str, key: str, names: beside.Names, depth: int
    ) -> None:
        if not value or self._stops(depth):
            return
        named = beside.of_items(value)
        for at, below in enumerate(value):
            if self._stops(depth):
                return
            if not below:
                self._visits -= 1  # it says nothing, whatever it is
                continue
            called = (*names, named[at]) if at in named else names
            self.walk(below, pointer(path, at), key, called, depth + 1)
        for group in runs_of_text(value):
            text = "".join(value[at]["text"] for at in group)
            self._add(pointer(path, f"{group[0]}-{group[-1]}"), text, "joined", key)

    def _blob(
        self, text: str, media_type: str, path: str, key: str, names: beside.Names,
        *, bare: bool = False,
    ) -> None:  # fmt: skip
        blob = open_blob(text, is_text=is_text(media_type))
        if not blob.text:
            self.opaque.append(path)
        self._add(path, "\n".join(part.text for part in blob.parts), "blob", key, names)
        if blob.plain and not bare:
            self._add(path, text, "text", key, names)

    def _add(self, path: str, text: str, what: What, key: str, names: beside.Names = ()) -> None:
        if not text:
            return
        if len(self.pieces) >= self._room:
            self.complete = False
            return
        self.pieces.append(Piece(path, text, what, key, names))
