"""Codes and letters with something between them: hexadecimal, decimal and binary codes, spread letters."""

import binascii
import functools
import itertools
import operator
import re
import string
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from remit.content._views_decoding import Decoding, of_bits, printed
from remit.content._views_map import Offsets, Piece

_WIDEST = 10
_EVEN = 16
_HEX = frozenset(b"0123456789abcdefABCDEF")
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_SPREAD_LETTERS = (string.ascii_letters + string.digits + "$@!").encode()
_SPREAD = re.compile(b"[%b]" % _SPREAD_LETTERS)
_NO_LETTERS = bytes(set(range(256)) - set(_SPREAD_LETTERS))
_SEPARATED = re.compile(
    rb"[01]{8}[ ,\r\n]|(?:[0-9A-Fa-f]{2}[ :,\r\n-]{1,2}){3}|(?:[0-9]{2,3}[ ,;]{1,2}){3}"
    rb"|(?:[A-Za-z0-9$@!][ ._*|~-]{1,3}){4}|(?:[!-~] ){7}|(?:[!-~]-){7}"
)


_CODED: dict[str, tuple[re.Pattern[bytes], Callable[[list[bytes]], bytes]]] = {
    "hex": (
        re.compile(rb"(?:0x)?([0-9A-Fa-f]{2})"),
        lambda codes: binascii.unhexlify(b"".join(codes)),
    ),
    "binary": (re.compile(rb"([01]{8})"), lambda codes: of_bits(b"".join(codes), 1)),
    "decimal": (re.compile(rb"([0-9]{2,3})"), lambda codes: bytes(map(int, codes))),
}


def separated(run: bytes, at: int, decoding: Decoding) -> Iterator[tuple[str, Piece]]:
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

    for text, first, width in printed(data):
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


def is_separated(run: bytes) -> bool:
    """Whether a run begins as :func:`separated` reads it."""
    head = run[:24]
    if head[:9].isalnum() and head[:2] != b"0x":
        return False
    if run[:2] == b"0x":
        return re.match(rb"0x[0-9A-Fa-f]{2}[^0-9A-Fa-f]", head) is not None
    return _SEPARATED.match(head) is not None


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
