"""What a text says once letters that only look different are the same.

Unicode NFKC (UAX 15) per character, look-alikes of other scripts (UTS 39), and what is not seen at
all: default-ignorable characters (UAX 44), overlay and accent marks. Joiners in emoji and Persian,
flags and direction marks are legitimate; here they are only left out, so that words match.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from string import ascii_lowercase

import re2

from remit.content._characters import replaced
from remit.content._re2 import searcher
from remit.content._views_map import Edit, edited, excerpt, nested, same_places, with_news
from remit.content.base import View

_MAX_EXPANSION = 4
_FEW = 256


def _span(*ranges: int | tuple[int, int]) -> frozenset[str]:
    pairs = (r if isinstance(r, tuple) else (r, r) for r in ranges)
    return frozenset(chr(c) for first, last in pairs for c in range(first, last + 1))


UNSEEN = _span(
    0xAD, 0x34F, 0x61C, (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), 0x3164, (0xFE00, 0xFE0F), 0xFEFF, 0xFFA0, (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Default-ignorable code points (UAX 44)."""

MARKS = _span((0x300, 0x36F), (0x488, 0x489), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0))
"""Marks that are written over, through or around a letter."""

# Letters of other scripts (and small capitals) that are read as the Latin letter; hexadecimal.
_LOOK_ALIKES = {
    "a": "0430 03B1 0251 1D00 0250", "b": "0184 0299 042C 0432", "c": "0441 03F2 1D04 0188",
    "d": "0501 0257 1D05 056A", "e": "0435 0454 04BD 1D07 0259 212E 03B5", "f": "A730 0192 017F",
    "g": "0581 0261 0262 018D", "h": "04BB 0570 029C 0570", "i": "0456 0131 026A 03B9 0269 04CF",
    "j": "0458 03F3 1D0A", "k": "043A 03BA 1D0B", "l": "04C0 029F 01C0 0627 05D5",
    "m": "043C 1D0D", "n": "0578 0274 043F 03B7", "o": "043E 03BF 0585 1D0F 0665 06F5 0E50",
    "p": "0440 03C1 1D18", "q": "051B 0566 01EB A7AF", "r": "0433 0280 027C 1D26",
    "s": "0455 A731 01BD", "t": "0442 03C4 1D1B", "u": "057D 03C5 1D1C 028B 0446",
    "v": "0475 03BD 1D20", "w": "051D 0461 1D21 026F 03C9", "x": "0445 03C7 04FE",
    "y": "0443 03B3 028F 04AF", "z": "1D22 0290",
    "A": "0410 0391 13AA", "B": "0412 0392 13F4", "C": "0421 03F9 13DF", "D": "13A0",
    "E": "0415 0395 13AC", "F": "03DC", "G": "050C 13C0", "H": "041D 0397 13BB",
    "I": "0406 0399", "J": "0408 037F 13AB", "K": "041A 039A 13E6", "L": "13DE",
    "M": "041C 039C 13B7", "N": "039D", "O": "041E 039F 0555", "P": "0420 03A1 13E2",
    "Q": "051A", "R": "13D2", "S": "0405 0405 054F 13DA", "T": "0422 03A4 13A2", "U": "054D",
    "V": "13D9 0474", "W": "051C 13D4", "X": "0425 03A7", "Y": "04AE 03A5 0423", "Z": "0396 13C3",
}  # fmt: skip
_CONFUSABLE = {
    chr(int(code, 16)): letter for letter, codes in _LOOK_ALIKES.items() for code in codes.split()
}
# Squared and circled white letters on black and the letters of flags, which NFKC leaves alone.
_ENCLOSED = {
    chr(first + i): chr(65 + i) for first in (0x1F150, 0x1F170, 0x1F1E6) for i in range(26)
}
_BRAILLE = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", ascii_lowercase, strict=True))
_READ_AS = {**_ENCLOSED, **_BRAILLE}
# In words of their own language these letters are what they are; next to a Latin one, or where
# the script hardly ever uses the letter, they are not. Small capitals and the like have no language.
_SURE = frozenset(map(chr, (0x455, 0x458, 0x501, 0x51B, 0x51D, 0x4BB, 0x3F2, 0x3F3, 0x4CF))) | {
    c for c in _CONFUSABLE if not 0x370 <= ord(c) < 0x1400
}
# It begins with what is rare, which is what makes the search quick.
_MIXED = re.compile(
    "[\u0370-\u03ff\u0400-\u052f\u0530-\u058f\u13a0-\u13ff](?:(?=[A-Za-z])|(?<=[A-Za-z].))"
)


class _Folded(dict[str, str]):
    """What a character reads, without regard to its neighbours; filled as it is asked for."""

    def __missing__(self, char: str) -> str:
        if char in UNSEEN or char in MARKS:
            new = ""
        elif char in _READ_AS:
            new = _READ_AS[char]
        else:
            new = unicodedata.normalize("NFKC", char)
            if len(new) > _MAX_EXPANSION:
                new = char
            elif len(new) > 1:
                new = "".join(c for c in new if c not in MARKS) or char
        if len(self) < 1 << 16:
            self[char] = new
        return new


_FOLDED = _Folded()


def fold(view: View) -> View | None:
    """The view in its plainest letters, or ``None`` if it has them already."""
    if view.text.isascii():
        return None
    chars = set(view.others)
    changes = {c: new for c in chars if (new := _FOLDED[c]) != c}
    foreign = chars & _CONFUSABLE.keys()
    if not changes and not foreign:
        return None
    name = nested(view, "fold")
    dropped = {c for c, new in changes.items() if not new}
    longer = {c: new for c, new in changes.items() if len(new) > 1}
    table = {c: new for c, new in changes.items() if len(new) == 1}
    made = same_places(view, name, replaced(view, table)) if table else view
    if dropped:
        made = _without(made, name, dropped)
    if foreign and (foreign & _SURE or _MIXED.search(made.text)):
        looks = replaced(made, {c: _CONFUSABLE[c] for c in foreign})
        made = same_places(made, name, looks)
    if longer:
        one = re.compile("[" + re.escape("".join(sorted(longer))) + "]")
        text = made.text
        made = edited(
            made, name, replaced(made, longer),
            lambda: (Edit(m.start(), m.end(), longer[m[0]]) for m in one.finditer(text)),
        )  # fmt: skip
    if made is view:
        return None
    return with_news(made, _new_places(view, changes, foreign))


def _new_places(
    view: View, changes: Mapping[str, str], foreign: Iterable[str]
) -> list[tuple[int, int]] | None:
    """Where the fold of ``view`` differs, in places of the fold; ``None`` if that is too much."""
    if len(view.others) * _FEW > len(view.text):
        return None
    data = view.utf8
    other = {*changes, *foreign}
    spans: list[tuple[int, int]] = []
    end = shift = 0
    while True:
        start, end = _NEXT_OTHERS(data, end, len(data))[0]
        if start < 0:
            return spans
        run = data[start:end].decode()
        size = sum([len(changes.get(c, c)) for c in run])
        if not other.isdisjoint(run):
            spans.append((start + shift, start + shift + size))
        shift += size - (end - start)


def folded(view: View, made: View) -> View:
    """What is new in ``made``, the fold of ``view``, with its surroundings."""
    part = excerpt(view, _others(view))
    return made if len(part.text) == len(view.text) else fold(part) or made


def _others(view: View) -> list[tuple[int, int]]:
    """Where characters outside ASCII stand."""
    data = view.utf8
    spans: list[tuple[int, int]] = []
    end = shift = 0
    while True:
        start, end = _NEXT_OTHERS(data, end, len(data))[0]
        if start < 0:
            return spans
        size = len(data[start:end].decode("utf-8", "replace"))
        spans.append((start + shift, start + shift + size))
        shift += size - (end - start)


_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_NEXT_OTHERS = searcher(re2.compile(rb"[\x80-\xff]+", _BYTES))


def _without(view: View, name: str, dropped: set[str]) -> View:
    text = view.text
    kept = replaced(view, dict.fromkeys(dropped, ""))
    runs = re.compile("[" + re.escape("".join(sorted(dropped))) + "]+")
    return edited(
        view, name, kept, lambda: (Edit(m.start(), m.end(), "") for m in runs.finditer(text))
    )
