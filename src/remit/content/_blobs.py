"""Text in base64 bytes, whatever is said of their type.

A type may lie, and so may the shape: what stands where bytes belong can be a text like any other.
Bytes that are not text still hold some: a comment in a picture, the strings of a program.
"""

import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_OPAQUE = 4096
"""Letters of plain base64 beyond which they are not read as they stand: no secret is as long."""
MAX_TEXT = 64
"""The same where they say something: hardly a secret of that length happens to."""

_SPACE = dict.fromkeys(map(ord, " \t\r\n\v\f"))
_URL = str.maketrans("-_", "+/")
_STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_PRINTED = {
    "ascii": re.compile(rb"[\x20-\x7e\t\r\n]{16,}"),
    "utf-16-le": re.compile(rb"(?:[\x20-\x7e\t\r\n]\x00){16,}"),
    "utf-16-be": re.compile(rb"(?:\x00[\x20-\x7e\t\r\n]){16,}"),
}
_WIDE = ("utf-16-le", "utf-16-be")
_HEAD = 256
_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Part(NamedTuple):
    """``data[start:end]`` reads ``text``."""

    text: str
    start: int
    end: int
    encoding: str


class Blob(NamedTuple):
    """What stands where bytes belong.

    Attributes:
        data: the bytes; ``None`` if it is no base64.
        parts: the texts in them.
        text: whether all of them is text.
        plain: whether it has to be read as it stands, too.
    """

    data: bytes | None
    parts: tuple[Part, ...]
    text: bool
    plain: bool


def open_blob(text: str, *, is_text: bool) -> Blob:
    """Decode ``text``; ``is_text`` says that its type is one of text."""
    data = decoded(text)
    if data is None:
        return Blob(None, (), text=False, plain=True)
    parts = tuple(_parts(data, is_text=is_text))
    whole = len(parts) == 1 and parts[0].start == 0 and parts[0].end == len(data)
    most = MAX_TEXT if whole else MAX_OPAQUE
    plain = len(text) <= most or (not whole and _STANDARD.fullmatch(text) is None)
    return Blob(data, parts, whole, plain)


def decoded(text: str) -> bytes | None:
    """The bytes of base64 of either alphabet, wrapped or not, padded or not."""
    body = text.translate(_SPACE).rstrip("=").translate(_URL)
    if len(body) % 4 == 1:
        return None
    try:
        return binascii.a2b_base64(body + "=" * (-len(body) % 4), strict_mode=True)
    except ValueError:
        return None


def encoded(data: bytes, parts: tuple[Part, ...], change: Callable[[str], str]) -> bytes:
    """``data`` with its texts changed."""
    out: list[bytes] = []
    at = 0
    for part in sorted(parts, key=lambda p: p.start):
        new = change(part.text)
        if new == part.text or part.start < at:
            continue
        out += (data[at : part.start], new.encode(part.encoding, "replace"))
        at = part.end
    return b"".join((*out, data[at:]))


def _parts(data: bytes, *, is_text: bool) -> Iterator[Part]:
    size = len(data)
    wide = _wide(data)
    if wide:
        yield Part(data.decode(wide, "replace"), 0, size, wide)
        # What is written otherwise would be Chinese.
        rest = _stretches(data)
        yield from (p for p in rest if p.encoding != wide or p.start % 2)
        return
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        whole = ""
        if is_text:
            yield Part(data.decode("latin-1"), 0, size, "latin-1")
            return
    if whole and (is_text or "\0" not in whole):
        yield Part(whole, 0, size, "utf-8")
        return
    yield from _stretches(data)


def _stretches(data: bytes) -> Iterator[Part]:
    for encoding, pattern in _PRINTED.items():
        for match in pattern.finditer(data):
            yield Part(match[0].decode(encoding), match.start(), match.end(), encoding)


def _wide(data: bytes) -> str:
    """The kind of UTF-16 that all of ``data`` is; else empty."""
    marked = _BOMS.get(data[:2])
    head = data[: min(_HEAD, len(data) & ~1)]
    for encoding in (marked,) if marked else _WIDE:
        # Latin letters are enough of a sign; other scripts look like any other bytes.
        if not marked and head[encoding == "utf-16-le" :: 2].count(0) * 4 < len(head):
            continue
        text = head.decode(encoding, "replace").lstrip("\ufeff")
        if text and "\ufffd" not in text[:-1] and _is_text(text[:-1]):
            return encoding
    return ""


def _is_text(text: str) -> bool:
    return all(c.isprintable() or c in "\t\r\n" for c in text)
