"""Encoded runs inside a text, and what they say.

Base64 and its URL alphabet (RFC 4648; also wrapped, without padding, of UTF-16, gzip or zlib),
base32, hexadecimal (also spaced or with ``0x``), decimal and binary codes, letters spread by
separators. Only printable text is kept: hashes, keys and images say nothing.
"""

import binascii
import functools
import itertools
import operator
import re
import string
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import re2

from remit.content._re2 import searcher
from remit.content._views_map import Offsets, Piece, joined, nested
from remit.content.base import View

MAX_PIECES = 4096
MAX_DECODED = 64 << 10
_MIN_RUN = 16
_MIN_BYTES = 8
_LONG = 96
_MAX_PARTS = 8
_WIDEST = 10
_EVEN = 16

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
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_BASE32 = re.compile(rb"[A-Z2-7]+={0,6}|[a-z2-7]+={0,6}")
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_PRINTED = re2.compile(rb"[\x20-\x7e\t\r\n]{12,}", _BYTES)
_WIDE = re2.compile(rb"(?:[\x20-\x7e\t\r\n]\x00){12,}", _BYTES)
_NEXT_PRINTED = searcher(_PRINTED)
_NEXT_WIDE = searcher(_WIDE)
_SPACE = re.compile(rb"\s")
_LINE = re.compile(rb"\S+")
_SPREAD_LETTERS = (string.ascii_letters + string.digits + "$@!").encode()
_SPREAD = re.compile(b"[%b]" % _SPREAD_LETTERS)
_NO_LETTERS = bytes(set(range(256)) - set(_SPREAD_LETTERS))
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


class _Read(NamedTuple):
    """Text out of a run: bytes ``start`` to ``end`` of what it decodes to, ``unit`` a character."""

    text: str
    start: int
    end: int


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
    if data is not None and (_printed_part(data) or _compressed(data)):
        return True
    return len(run) >= _LONG or (not run.isalpha() and _BASE32.fullmatch(run) is not None)


def _is_path(run: bytes) -> bool:
    """Whether a run without capitals is short names with signs between them, and no encoding."""
    return not _is_separated(run) and _PATH.fullmatch(run) is not None


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
    if _is_separated(run):
        yield from _separated(run, at, decoding)
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
        packed = _compressed(head)
        data = _decoded(decode, body)
        if data is None:
            continue
        if len(body) < _LONG and not packed and not _promising(head) and not _printed_part(data):
            continue
        if packed:
            text = _inflate(data, decoding)
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
    return _bits(body.translate(_AS_INT), 5)


def _binary(body: bytes) -> bytes:
    return _bits(body[: len(body) & ~7], 1)


def _bits(digits: bytes, width: int) -> bytes:
    """Digits of so many bits each as bytes; bits that make no whole byte are left out."""
    size, over = divmod(width * len(digits), 8)
    return (int(digits, 1 << width) >> over).to_bytes(size, "big") if digits else b""


def _promising(head: bytes) -> bool:
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


def _texts(
    data: bytes, bits: int, decoding: Decoding, first: int
) -> Iterator[tuple[str, Sequence[int], Sequence[int]]]:
    """Texts in ``data`` with the places of their characters in a source of ``bits`` a character.

    The source begins at ``first``.
    """
    for text, start, width in _printed(data):
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


def _printed(data: bytes) -> Iterator[tuple[str, int, int]]:
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


def _printed_part(data: bytes) -> bool:
    """Whether there is text among bytes that are none."""
    size = len(data)
    return _NEXT_PRINTED(data, 0, size)[0][0] >= 0 or _NEXT_WIDE(data, 0, size)[0][0] >= 0


def _is_text(text: str) -> bool:
    return all(c.isprintable() or c in "\t\r\n" for c in text)


def _compressed(head: bytes) -> bool:
    return head[:2] == b"\x1f\x8b" or (
        head[:1] == b"\x78" and len(head) > 1 and (head[0] << 8 | head[1]) % 31 == 0
    )


def _inflate(data: bytes, decoding: Decoding) -> str:
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


def _separated(run: bytes, at: int, decoding: Decoding) -> Iterator[tuple[str, Piece]]:
    """Codes or letters with something between them."""
    most = decoding.left * _WIDEST
    if len(run) > most:
        decoding.spent = True
        run = run[:most]
    if run[:2] == b"0x" or _pairs(run):
        kind = "hex"
    elif not run.strip(b"01 ,\r\n"):
        kind = "binary"
    elif run[:2].isdigit():
        kind = "decimal"
    else:
        yield from _spread(run, at, decoding)
        return
    code, decode = _CODED[kind]
    even = _even_pairs(run) if kind == "hex" else b""
    try:
        data = even or decode(code.findall(run))
    except ValueError:
        return

    @functools.cache
    def places() -> Sequence[tuple[int, int]]:
        return [m.span() for m in code.finditer(run)]

    def start(index: int) -> int:
        return at + (3 * index if even else places()[index][0])

    def end(index: int) -> int:
        return at + (3 * index + 2 if even else places()[index][1])

    for text, first, width in _printed(data):
        taken = decoding.take(text)
        if not taken:
            continue
        if width == 1 or (width == 0 and taken.isascii()):
            yield kind, _one_each(taken, first, start, end)
            continue
        begins: list[int] = []
        stops: list[int] = []
        place = first
        for char in taken:
            begins.append(start(place))
            place += width or len(char.encode())
            stops.append(end(place - 1))
        yield kind, Piece(taken, begins, stops)


def _one_each(
    text: str, first: int, start: Callable[[int], int], end: Callable[[int], int]
) -> Piece:
    """A piece of which each character is one code, the first of them that of number ``first``."""
    size = len(text)
    return Piece(
        text,
        Offsets(size, lambda index: start(first + index)),
        Offsets(size, lambda index: end(first + index)),
    )


def _even_pairs(run: bytes) -> bytes:
    """Bytes of pairs of hexadecimal digits with one character between them; nothing of others."""
    if len(run) % 3 != 2 or run[2::3].strip(b" :,\r\n-"):
        return b""
    digits = bytearray(len(run) - len(run) // 3)
    digits[::2], digits[1::2] = run[::3], run[1::3]
    return binascii.unhexlify(digits) if _HEX.issuperset(digits) else b""


def _is_separated(run: bytes) -> bool:
    head = run[:24]
    if head[:9].isalnum() and head[:2] != b"0x":
        return False
    if run[:2] == b"0x":
        return re.match(rb"0x[0-9A-Fa-f]{2}[^0-9A-Fa-f]", head) is not None
    return _SEPARATED.match(head) is not None


_SEPARATED = re.compile(
    rb"[01]{8}[ ,\r\n]|(?:[0-9A-Fa-f]{2}[ :,\r\n-]{1,2}){3}|(?:[0-9]{2,3}[ ,;]{1,2}){3}"
    rb"|(?:[A-Za-z0-9$@!][ ._*|~-]{1,3}){4}|(?:[!-~] ){7}|(?:[!-~]-){7}"
)


_CODED: dict[str, tuple[re.Pattern[bytes], Callable[[list[bytes]], bytes]]] = {
    "hex": (
        re.compile(rb"(?:0x)?([0-9A-Fa-f]{2})"),
        lambda codes: binascii.unhexlify(b"".join(codes)),
    ),
    "binary": (re.compile(rb"([01]{8})"), lambda codes: _bits(b"".join(codes), 1)),
    "decimal": (re.compile(rb"([0-9]{2,3})"), lambda codes: bytes(map(int, codes))),
}


def _pairs(run: bytes) -> bool:
    parts = re.split(rb"[ :,\r\n-]+", run[:48])
    whole = parts[:-1] if len(run) > 48 else parts
    return all(len(p) == 2 and not _NOT_HEX.search(p) for p in whole)


def _spread(run: bytes, at: int, decoding: Decoding) -> Iterator[tuple[str, Piece]]:
    """Letters with separators: the separators go, a wider gap is a space."""
    run = run[: decoding.left * 3]
    between = run[1:2]
    even = between in {b" ", b"-"} or (
        between in {b".", b"_", b"*", b"|", b"~"} and not run[::2].translate(None, _SPREAD_LETTERS)
    )
    if even and len(run) >= _EVEN and not run[1::2].strip(between):
        whole = decoding.take(run[::2].decode())
        if whole:
            stop = at + 2 * len(whole)
            yield "spread", Piece(whole, range(at, stop, 2), range(at + 1, stop + 1, 2))
        return
    before, *gaps = _SPREAD.split(run)
    if not gaps:
        return
    gaps.pop()
    usual = min(set(gaps), key=lambda gap: (len(gap), -gaps.count(gap)), default=b"")
    letters = run.translate(None, _NO_LETTERS).decode()
    words = [0, *(i for i, gap in enumerate(gaps, 1) if gap != usual)]
    cut = [letters[a:b] for a, b in itertools.pairwise((*words, len(letters)))]
    taken = decoding.take(" ".join(cut))
    if not taken:
        return
    step = 1 + len(usual)

    @functools.cache
    def heads() -> tuple[list[int], list[int]]:
        """Of each word, where its first letter is in the view, and where in the text."""
        extra = itertools.accumulate(
            (len(gaps[i - 1]) - len(usual) for i in words[1:]), initial=at + len(before)
        )
        in_text = [gone + step * i for gone, i in zip(extra, words, strict=True)]
        return list(map(operator.add, words, range(len(words)))), in_text

    def start(index: int) -> int:
        in_view, in_text = heads()
        word = bisect_right(in_view, index) - 1
        offset, last = index - in_view[word], len(cut[word]) - 1
        return in_text[word] + step * min(offset, last) + (offset > last)

    size = len(taken)
    yield "spread", Piece(taken, Offsets(size, start), Offsets(size, lambda i: start(i) + 1))
