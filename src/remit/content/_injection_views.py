"""Which parts of which readings are worth scoring: each text once, and what a reading changed.

A reading of a whole page often differs from the page in a few characters. Only phrases that no
earlier reading had are scored again, with their surroundings, so that a second reading costs what
it says anew. The fold takes the place of the original: what it was folded from is no prose.
"""

from collections.abc import Iterator
from typing import NamedTuple

from remit.content._ngram_features import WINDOW
from remit.content.base import View, Views

_LEAST = 6
# Prose behind one of these was hidden from a reader; escapes and markup are in every page.
_CONCEALING = frozenset(
    (
        "hidden",
        "base64",
        "base32",
        "hex",
        "binary",
        "decimal",
        "gzip",
        "rot13",
        "reversed",
        "leet",
        "spread",
        "caesar",
        "atbash",
        "rot47",
        "morse",
        "letters",
        "octal",
        "base85",
        "uuencode",
        "vowels",
        "pig",
        "scrambled",
        "solid",
    )
)
_PRIOR = 1.0
_LONGEST = 200


class Piece(NamedTuple):
    """A part of a reading."""

    text: str
    view: View
    offset: int

    @property
    def prior(self) -> float:
        """What the way in which it was written adds to the logit of what it says."""
        return 0.0 if _CONCEALING.isdisjoint(self.view.name.split(">")) else _PRIOR

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that ``text[start:end]`` was read from."""
        return self.view.origin(self.offset + start, self.offset + end)


def pieces(text: Views) -> Iterator[Piece]:
    """The original, or its fold in its place, then what the other readings add."""
    whole = next((v for v in text.views if v.name == "fold"), text.views[0])
    yield Piece(whole.text, whole, 0)
    if len(text.views) == 1:
        return
    seen = {phrase for _, phrase in _phrases(whole.text)}
    for view in text.views[1:]:
        if view is not whole and len(view.text) >= _LEAST:
            yield from _new(view, seen)


def _new(view: View, seen: set[str]) -> Iterator[Piece]:
    """Stretches around phrases that were not ``seen``, which are added to it."""
    begin = end = -1
    for start, phrase in _phrases(view.text):
        if not phrase or phrase in seen:
            continue
        seen.add(phrase)
        low = max(start - WINDOW // 2, 0)
        if low > end:
            if end > 0:
                yield Piece(view.text[begin:end], view, begin)
            begin = low
        end = min(start + len(phrase) + WINDOW // 2, len(view.text))
    if end > 0:
        yield Piece(view.text[begin:end], view, begin)


def _phrases(text: str) -> Iterator[tuple[int, str]]:
    """What stands between marks, cut where it is long, and where it begins."""
    lines = text
    for mark in ".,;>":
        lines = lines.replace(mark, "\n")
    at = 0
    for phrase in lines.split("\n"):
        if len(phrase) <= _LONGEST:
            yield at, phrase
        else:
            for cut in range(0, len(phrase), _LONGEST):
                yield at + cut, phrase[cut : cut + _LONGEST]
        at += len(phrase) + 1
