"""Text in characters that show nothing: tags, variation selectors, zero-width bits.

Tags (U+E0020 to U+E007E) spell ASCII. Variation selectors carry bytes: U+FE00 to U+FE0F are 0 to
15, U+E0100 to U+E01EF are 16 to 255. Two zero-width characters carry bits, eight a letter. A flag
or an emoji has one to six of these, and is no text.
"""

import re
from collections.abc import Container, Iterator

from remit.content._views_decoding import Decoding
from remit.content._views_map import Piece, joined, nested
from remit.content.base import View

_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BITS = re.compile("[\u200b\u200c\u200d\u2060\u2062\u2063\u2064\ufeff]{16,}")
# Subdivision flags (UTS 51): a black flag, tags, a cancel tag.
_FLAG = "\U0001f3f4"


def hidden(view: View, decoding: Decoding) -> View | None:
    """What the invisible characters spell."""
    # A row of them is also one where everything in ASCII is left out.
    some = view.others
    if not some:
        return None
    there = [p for p in (_TAGS, _SELECTORS, _BITS) if p.search(some)]
    if not there:
        return None
    return joined(view, nested(view, "hidden"), _pieces(view.text, there, decoding))


def _pieces(text: str, there: Container[re.Pattern[str]], decoding: Decoding) -> Iterator[Piece]:
    for match in _TAGS.finditer(text) if _TAGS in there else ():
        start, end = match.span()
        if start and text[start - 1] == _FLAG and end - start <= len("gbeng") + 1:
            continue
        spelt = decoding.take(match[0]).translate(_ASCII)
        if not spelt:
            return
        yield Piece(
            spelt, range(start, start + len(spelt)), range(start + 1, start + len(spelt) + 1)
        )
    for match in _SELECTORS.finditer(text) if _SELECTORS in there else ():
        run = decoding.take(match[0])
        yield from _utf8(_carried(run), match.start(), 1)
    for match in _BITS.finditer(text) if _BITS in there else ():
        yield from _bits(match[0], match.start(), decoding)


def _carried(selectors: str) -> bytes:
    """The bytes that variation selectors stand for: the lowest of each, and 16 more above U+E0000."""
    wide = selectors.encode("utf-32-le")
    more = wide[2::4].replace(b"\x0e", b"\x10")
    total = int.from_bytes(wide[::4], "little") + int.from_bytes(more, "little")
    return total.to_bytes(len(selectors), "little")


_ASCII = {0xE0000 + c: chr(c) for c in range(0x20, 0x7F)}


def _bits(run: str, start: int, decoding: Decoding) -> Iterator[Piece]:
    kinds = sorted(set(run))
    if len(kinds) != 2:
        return
    size = len(decoding.take(run[: len(run) // 8])) * 8
    if not size:
        return
    for zero, one in ("01", "10"):
        bits = run[:size].replace(kinds[0], zero).replace(kinds[1], one)
        yield from _utf8(int(bits, 2).to_bytes(size // 8, "big"), start, 8)


def _utf8(data: bytes, start: int, width: int) -> Iterator[Piece]:
    """``data`` as text if it is some; each byte stands for ``width`` characters."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    if not all(c.isprintable() or c in "\n\t\r" for c in text):
        return
    at = start
    starts: list[int] = []
    for char in text:
        starts.append(at)
        at += width * len(char.encode())
    yield Piece(text, starts, [*starts[1:], at])
