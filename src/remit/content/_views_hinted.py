"""Readings that are made only where the text gives a reason: rot13, reversed.

A reason is the name of the cipher, or a word that only makes sense once it is undone. It reaches a
few pages of a large text: a book that says "backwards" once is not read backwards.

LIMIT: words in the reverse order, and data without words, far from what names the cipher. Words that
are written backwards themselves are found by :mod:`_views_worded` wherever they are.
"""

import codecs
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, islice
from string import ascii_lowercase

from remit.content._characters import ascii_table, exchanged
from remit.content._views_map import derived, excerpt, nested, same_places, with_news
from remit.content._views_signs import sign, spans
from remit.content.base import View

_WORDS = (
    "ignore", "disregard", "previous", "instruction", "password", "system prompt", "secret",
    "execute", "override", "reveal", "credential",
)  # fmt: skip


_TURNED = ascii_lowercase[13:] + ascii_lowercase[:13]
_ROT13 = ascii_table(ascii_lowercase + ascii_lowercase.upper(), _TURNED + _TURNED.upper())
_HINT_ROT13 = sign(
    rf"(?i)\brot[- ]?13\b|\bcaesar\b|{'|'.join(codecs.encode(w, 'rot13') for w in _WORDS)}".encode(),
    "words",
)
# "Backwards compatible" and calls of `reversed` stand in every other program.
_HINT_REVERSED = sign(
    r"(?i)\bbackwards?(?:$|[^\w\s-]|[\s-]+(?:$|[^\s\w-]|[^\Wci]|c(?:$|[^o]|o(?:$|[^m]))|i(?:$|[^n]|n(?:$|[^c]))))"
    r"|\bin reverse\b|\breversed(?:$|[^\w(])"
    rf"|{'|'.join(w[::-1] for w in _WORDS)}".encode(),
    "words",
)
_MAX_LINE = 2000
_REACH, _MAX_HINTS = 4096, 64


def hinted(view: View, signs: frozenset[int]) -> Iterator[View]:
    """Readings that something in the text asks for; ``signs`` are those in it."""
    if _HINT_ROT13 in signs:
        part = _within_reach(view, _HINT_ROT13)
        yield same_places(part, nested(part, "rot13"), exchanged(part.text, _ROT13))
    if _HINT_REVERSED in signs:
        part = _within_reach(view, _HINT_REVERSED)
        for made in (backwards(part), _reordered(part)):
            if made is not None:
                yield made


def _within_reach(view: View, hint: int) -> View:
    """What stands near a hint; all of a small text, or of one that is full of them."""
    some = list(islice(spans(hint, view.plain), _MAX_HINTS + 1))
    if len(some) > _MAX_HINTS:
        return view
    size = len(view.text)
    return excerpt(view, [(max(a - _REACH, 0), min(b + _REACH, size)) for a, b in some])


class _Lines:
    """The lines of a text without the empty ones, cut where they are very long."""

    __slots__ = ("_ats", "_text", "parts")

    def __init__(self, text: str) -> None:
        lines = text.split("\n")
        self.parts = [line for line in lines if line]
        if max(map(len, self.parts), default=0) > _MAX_LINE:
            self.parts = [
                line[at : at + _MAX_LINE] for line in lines for at in range(0, len(line), _MAX_LINE)
            ]
        self._text = text
        self._ats: tuple[list[int], list[int]] | None = None

    def span(self, index: int) -> tuple[int, int]:
        """Where the part is in the text that holds a character of all parts, one a line."""
        self._ats = self._ats or self._places()
        return self.place(bisect_right(self._ats[0], index) - 1)

    def place(self, number: int) -> tuple[int, int]:
        """Where part ``number`` is."""
        _, source = self._ats = self._ats or self._places()
        return source[number], source[number] + len(self.parts[number])

    def _places(self) -> tuple[list[int], list[int]]:
        made = [0, *accumulate(len(part) + 1 for part in self.parts[:-1])]
        source: list[int] = []
        at = 0
        for line in self._text.split("\n"):
            source += range(at, at + len(line), _MAX_LINE)
            at += len(line) + 1
        return made, source


def backwards(view: View) -> View | None:
    """Each line backwards; every character stands for the line, which is how it is shown."""
    lines = _Lines(view.text)
    if not lines.parts:
        return None
    text = "\n".join([part[::-1] for part in lines.parts])
    name = nested(view, "reversed")
    return derived(view, name, text, lambda i: lines.span(i)[0], lambda i: lines.span(i)[1])


def _reordered(view: View) -> View | None:
    """The words of each line, the last first; every character stands for the line."""
    lines = _Lines(view.text)
    text = "\n".join([" ".join(part.split()[::-1]) for part in lines.parts])
    if not text:
        return None
    sizes = [len(line) + 1 for line in text.split("\n")]
    begins = [0, *accumulate(sizes)]

    def span(index: int) -> tuple[int, int]:
        number = bisect_right(begins, index) - 1
        return lines.place(number)

    name = nested(view, "reversed")
    # Its words are those of the text: only what is asked of all of them together is new.
    return with_news(derived(view, name, text, lambda i: span(i)[0], lambda i: span(i)[1]), ())
