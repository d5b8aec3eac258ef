"""Encoded runs inside a text, and what they say.

Base64 and its URL alphabet (RFC 4648; also wrapped, without padding, of UTF-16, gzip or zlib),
base32, hexadecimal (also spaced or with ``0x``), decimal and binary codes, letters spread by
separators. Only printable text is kept: hashes, keys and images say nothing.
"""

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import re2

from remit.content._re2 import searcher
from remit.content._views_decoding import (
    Decoding,
    compressed,
    inflate,
    of_bits,
    printed,
    printed_part,
    promising,
)
from remit.content._views_map import Offsets, Piece, joined, nested
from remit.content._views_separated import is_separated, separated
from remit.content.base import View

_MIN_RUN = 16
_LONG = 96
_MAX_PARTS = 8

_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_BYTES.max_mem = 64 << 20
_RUNS = re2.compile(
    rb"\b(?:[!-~] ){15,}[!-~]\b|\b(?:[!-~]-){15,}[!-~]\b|"
    rb"\b(?:0x[0-9A-Fa-f]{2}[ ,;:\r\n]{1,3}){5,}0x[0-9A-Fa-f]{2}\b"
    rb"|\b(?:[0-9A-Fa-f]{2}[ :,\r\n-]{1,2}){7,}[0-9A-Fa-f]{2}\b"
    rb"|\b(?:[01]{8}[ ,\r\n]{0,2}){4,}[01]{8}\b"
    rb"|\b(?:[0-9]{2,3}[ ,;]{1,2}){7,}[0-9]{2,3}\b"
    rb"|[A-Za-z0-9+/_-]{16,}(?:\r?\n[ \t]{0,8}[A-Za-z0-9+/_-]{16,})*"
    rb"(?:\r?\n[ \t]{0,8}[A-Za-z0-9+/_-]{1,15}(?:=|\b))?={0,6}"
    rb"|\b(?:[A-Za-z0-9$@!][ ._*|~-]{1,3}){5,}[A-Za-z0-9$@!]\b",
    _BYTES,
)
_NEXT_RUN = searcher(_RUNS)
_HEX = frozenset(b"0123456789abcdefABCDEF")
_BASE32 = re.compile(rb"[A-Z2-7]+={0,6}|[a-z2-7]+={0,6}")
_SPACE = re.compile(rb"\s")
_LINE = re.compile(rb"\S+")
_PART = re.compile(rb"[A-Za-z0-9+]{16,}")
_PATH = re.compile(rb"[a-z0-9]{0,15}(?:[/_-][a-z0-9]{0,15})+")
_URL = bytes.maketrans(b"-_", b"+/")
_BASE32_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# As `int` has them to this base; what is no digit here is none there.
_AS_INT = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_BASE32_DIGITS.index(each)]
    if each in _BASE32_DIGITS
    else ord("!")
    for each in range(256)
)


def runs(view: View, decoding: Decoding) -> list[View]:
    """A view for each kind of encoding in ``view`` that holds text."""
    found: dict[str, list[Piece]] = {}
    for start, run in _found(view.plain):
        if run in decoding.seen:
            continue
        if run.islower() and (not _lower(run) if run.isalnum() else _is_path(run)):
            decoding.seen.add(run)
            continue
        if decoding.left <= 0 or decoding.pieces <= 0:
            decoding.spent = True
            break
        decoding.seen.add(run)
        for kind, piece in _read(run, start, decoding):
            decoding.pieces -= 1
            found.setdefault(kind, []).append(piece)
    made = (joined(view, nested(view, kind), pieces) for kind, pieces in found.items())
    return [v for v in made if v is not None]


def _lower(run: bytes) -> bool:
    """Whether a run without capitals can be an encoding: hexadecimal of text, or base32."""
    data = _decoded(binascii.unhexlify, run[: len(run) & ~1])
    if data is not None and (printed_part(data) or compressed(data)):
        return True
    return len(run) >= _LONG or (not run.isalpha() and _BASE32.fullmatch(run) is not None)


def _is_path(run: bytes) -> bool:
    """Whether a run without capitals is short names with signs between them, and no encoding."""
    return not is_separated(run) and _PATH.fullmatch(run) is not None


def _found(data: bytes) -> Iterator[tuple[int, bytes]]:
    end, size = 0, len(data)
    while True:
        start, end = _NEXT_RUN(data, end, size)[0]
        if start < 0:
            return
        yield start, data[start:end]


def encoded(view: View, decoding: Decoding) -> list[View]:
    """Like :func:`runs`, without letters that are only spread or wrapped."""
    return [v for v in runs(view, decoding) if not v.name.endswith(("spread", "unwrapped"))]


def _read(run: bytes, at: int, decoding: Decoding) -> Iterator[tuple[str, Piece]]:
    if is_separated(run):
        yield from separated(run, at, decoding)
        return
    body = run.rstrip(b"=")
    wrapped = _SPACE.search(body) is not None
    places: Sequence[int] | None = None
    if wrapped:
        places = _places(body)
        body = _SPACE.sub(b"", body)
    any_ = False
    for kind, piece in _solid(body, at, places, decoding):
        any_ = True
        yield kind, piece
    if any_:
        return
    if wrapped and places is not None:
        # The last line may be a word of what follows.
        first, _, rest = run.rpartition(b"\n")
        if len(rest) < _MIN_RUN:
            read = [r for r in _read(first.rstrip(), at, decoding) if r[0] != "unwrapped"]
            if read:
                yield from read
                return
        text = decoding.take(body.decode())
        if text:
            yield "unwrapped", _placed(text, range(len(text)), range(1, len(text) + 1), at, places)
    elif len(body) <= 1 << 12 and not body.isalnum():
        parts = [m for m in _PART.finditer(body) if len(m[0]) < len(body)]
        for part in parts[:_MAX_PARTS]:
            yield from _solid(part[0], at + part.start(), None, decoding)


def _places(lines: bytes) -> Offsets:
    """Where each byte that is no white space stands."""
    starts, heads, size = [], [], 0
    for line in _LINE.finditer(lines):
        starts.append(line.start())
        heads.append(size)
        size += line.end() - line.start()

    def place(index: int) -> int:
        number = bisect_right(heads, index) - 1
        return starts[number] + index - heads[number]

    return Offsets(size, place)


def _solid(
    body: bytes, at: int, places: Sequence[int] | None, decoding: Decoding
) -> Iterator[tuple[str, Piece]]:
    """A run without separators: the first encoding that gives text."""
    tries: list[tuple[str, Callable[[bytes], bytes], int]] = []
    if len(body) % 2 == 0 and _HEX.issuperset(body[:_MIN_RUN]) and _HEX.issuperset(body):
        tries.append(("hex", binascii.unhexlify, 4))
        if body.isdigit() and not body.strip(b"01") and len(body) % 8 == 0:
            tries.append(("binary", _binary, 1))
    if _BASE32.fullmatch(body):
        tries.append(("base32", _base32, 5))
    if not body.islower() and not body.isdigit():
        tries.append(("base64", _base64, 6))
    for kind, decode, bits in tries:
        # Most candidates are no text from their first bytes on.
        head = _decoded(decode, body[:32] if bits != 1 else body[:64])
        if head is None:
            continue
        packed = compressed(head)
        data = _decoded(decode, body)
        if data is None:
            continue
        if len(body) < _LONG and not packed and not promising(head) and not printed_part(data):
            continue
        if packed:
            text = inflate(data, decoding)
            if text:
                end = at + (places[len(body) - 1] + 1 if places is not None else len(body))
                yield "gzip", Piece(text, [at] * len(text), [end] * len(text))
                return
            continue
        read = 0
        for text, starts, ends in _texts(data, bits, decoding, at if places is None else 0):
            read += ends[-1] - starts[0]
            if places is None:
                yield kind, Piece(text, starts, ends)
            else:
                yield kind, _placed(text, starts, ends, at, places)
        # A stretch may be there by chance, and the run be another encoding.
        if read * 2 > len(body):
            return


def _placed(
    text: str, starts: Sequence[int], ends: Sequence[int], at: int, places: Sequence[int]
) -> Piece:
    """A piece of a run that begins at ``at``, whose characters stand at ``places`` in it."""
    last = len(places) - 1
    return Piece(
        text,
        Offsets(len(text), lambda index: at + places[starts[index]]),
        Offsets(len(text), lambda index: at + places[min(ends[index] - 1, last)] + 1),
    )


def _decoded(decode: Callable[[bytes], bytes], body: bytes) -> bytes | None:
    try:
        return decode(body)
    except ValueError:
        return None


def _base64(body: bytes) -> bytes:
    body = body.translate(_URL)
    if len(body) % 4 == 1:
        body = body[:-1]
    return binascii.a2b_base64(body + b"=" * (-len(body) % 4))


def _base32(body: bytes) -> bytes:
    body = body.rstrip(b"=").upper()
    while len(body) % 8 in {1, 3, 6}:
        body = body[:-1]
    return of_bits(body.translate(_AS_INT), 5)


def _binary(body: bytes) -> bytes:
    return of_bits(body[: len(body) & ~7], 1)


def _texts(
    data: bytes, bits: int, decoding: Decoding, first: int
) -> Iterator[tuple[str, Sequence[int], Sequence[int]]]:
    """Texts in ``data`` with the places of their characters in a source of ``bits`` a character.

    The source begins at ``first``.
    """
    for text, start, width in printed(data):
        taken = decoding.take(text)
        if not taken:
            return
        at = 8 * start
        if width or taken.isascii():
            yield taken, *_even(at, len(taken), bits, first, width or 1)
            continue
        starts: list[int] = []
        ends: list[int] = []
        for char in taken:
            size = 8 * len(char.encode())
            starts.append(first + at // bits)
            at += size
            ends.append(first + (at - 1) // bits + 1)
        yield taken, starts, ends


def _even(at: int, count: int, bits: int, first: int, width: int = 1) -> tuple[Offsets, Offsets]:
    """Places of ``count`` characters of ``width`` bytes from bit ``at`` on."""
    step = 8 * width
    return (
        Offsets(count, lambda index: first + (at + step * index) // bits),
        Offsets(count, lambda index: first + (at + step * (index + 1) - 1) // bits + 1),
    )
