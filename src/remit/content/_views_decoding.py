"""What is left to decode of a text, and the text in bytes that were decoded.

Only printable text counts: hashes, keys and images say nothing.
"""

import zlib
from collections.abc import Iterator

import re2

from remit.content._re2 import searcher

MAX_PIECES = 4096
MAX_DECODED = 64 << 10
_MIN_BYTES = 8

_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_BYTES.max_mem = 64 << 20
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_PRINTED = re2.compile(rb"[\x20-\x7e\t\r\n]{12,}", _BYTES)
_WIDE = re2.compile(rb"(?:[\x20-\x7e\t\r\n]\x00){12,}", _BYTES)
_NEXT_PRINTED = searcher(_PRINTED)
_NEXT_WIDE = searcher(_WIDE)


class Decoding:
    """What is left to decode in one reading of a text, and what was decoded already."""

    __slots__ = ("left", "pieces", "seen", "spent")

    def __init__(self, left: int = MAX_DECODED) -> None:
        self.left = left
        self.pieces = MAX_PIECES + left // 128
        self.spent = False
        self.seen: set[bytes] = set()

    def take(self, text: str) -> str:
        """As much of ``text`` as there is room for."""
        if len(text) > self.left:
            self.spent = True
            text = text[: self.left]
        self.left -= len(text)
        return text


def of_bits(digits: bytes, width: int) -> bytes:
    """Digits of so many bits each as bytes; bits that make no whole byte are left out."""
    size, over = divmod(width * len(digits), 8)
    return (int(digits, 1 << width) >> over).to_bytes(size, "big") if digits else b""


def promising(head: bytes) -> bool:
    """Whether bytes may begin a text."""
    rest = head.translate(None, _PRINTABLE)
    if not rest:
        return True
    if len(rest) == head.count(0):
        return head[1::2].count(0) * 4 >= len(head)
    return min(rest) >= 0x80 and _cut_utf8(head) is not None


def _cut_utf8(data: bytes) -> str | None:
    for cut in range(4):
        try:
            return data[: len(data) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None


def printed(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Text, its first byte, and bytes a character (0: as UTF-8 has it)."""
    if len(data) < _MIN_BYTES:
        return
    if not data.translate(None, _PRINTABLE):
        yield data.decode("ascii"), 0, 1
        return
    if data[1::2].count(0) * 4 >= len(data):
        text = data[: len(data) & ~1].decode("utf-16-le", "replace")
        if _is_text(text):
            yield text, 0, 2
            return
        for match in _WIDE.finditer(data):
            yield match[0][::2].decode("ascii"), match.start(), 2
    text = _cut_utf8(data) or ""
    if text and _is_text(text):
        yield text, 0, 0
        return
    for match in _PRINTED.finditer(data):
        yield match[0].decode("ascii"), match.start(), 1


def printed_part(data: bytes) -> bool:
    """Whether there is text among bytes that are none."""
    size = len(data)
    return _NEXT_PRINTED(data, 0, size)[0][0] >= 0 or _NEXT_WIDE(data, 0, size)[0][0] >= 0


def _is_text(text: str) -> bool:
    return all(c.isprintable() or c in "\t\r\n" for c in text)


def compressed(head: bytes) -> bool:
    """Whether bytes begin as gzip or zlib do."""
    return head[:2] == b"\x1f\x8b" or (
        head[:1] == b"\x78" and len(head) > 1 and (head[0] << 8 | head[1]) % 31 == 0
    )


def inflate(data: bytes, decoding: Decoding) -> str:
    """Text in gzip (RFC 1952) or zlib (RFC 1950), no more of it than there is room for."""
    if decoding.left <= 0:
        decoding.spent = True
        return ""
    unpack = zlib.decompressobj(wbits=47)
    try:
        out = unpack.decompress(data, decoding.left)
    except zlib.error:
        return ""
    if unpack.unconsumed_tail:
        decoding.spent = True
    text = _cut_utf8(out)
    return decoding.take(text) if text and _is_text(text) else ""
