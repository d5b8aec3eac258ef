"""What is judged of a definition or a prompt: one sentence, or two on end, with where they stand.

The same sentence is harmless in one place and not in another, so a unit knows what its tool is about,
what kind of text it stands in, what was said just before, and which names are its listing's own. What
reads more than a sentence at a time gets windows: as many whole sentences as fit.
"""

import bisect
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import msgspec

from remit.scan.scanners import _meaning

Kind = Literal["tool", "parameter", "value", "server", "prompt"]
MAX_UNITS = 4_000
"""Of one text; what stands behind is read by the rules alone."""
MAX_UNIT = 1_200
"""Characters of a unit that are read; longer ones are cut into pieces of this length."""
WIDE = 3
LEAST = 4
"""Characters: shorter sentences say nothing by themselves."""


class Place(msgspec.Struct, frozen=True):
    """Where a text stands.

    Attributes:
        kind: of a text: a tool's own words, a parameter's, a default or enum, the server's, a prompt's.
        topic: what its definition is about: name, title, first sentence; empty without one.
        own: names of its listing, in lower case.
    """

    kind: Kind
    topic: str = ""
    own: Collection[str] = frozenset()


class Unit(msgspec.Struct, frozen=True):
    """A piece of a text that is judged.

    Attributes:
        text: of one sentence or two.
        start, end: in the text that it was cut from.
        before, after: the sentences beside it, empty at either end.
        first: whether nothing stands before it.
    """

    text: str
    start: int
    end: int
    before: str = ""
    after: str = ""
    first: bool = False


def units(text: str) -> Iterator[Unit]:
    """Every sentence of a text, and every two on end."""
    said = [each for each in _sentences(text) if len(each[1].strip()) >= LEAST]
    for at, (start, sentence) in enumerate(said[:MAX_UNITS]):
        before = said[at - 1][1] if at else ""
        after = said[at + 1][1] if at + 1 < len(said) else ""
        end = start + len(sentence)
        yield Unit(sentence, start, end, before, after, first=at == 0)
        if after:
            stop = said[at + 1][0] + len(after)
            beyond = said[at + 2][1] if at + 2 < len(said) else ""
            if stop - start <= MAX_UNIT:
                yield Unit(text[start:stop], start, stop, before, beyond, first=at == 0)


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    for start, sentence in _meaning.sentences(text):
        for at in range(0, len(sentence), MAX_UNIT):
            yield start + at, sentence[at : at + MAX_UNIT]


def windows(text: str, most: int) -> list[tuple[int, int]]:
    """Spans of whole sentences, ``most`` characters wide; the last sentence of one begins the next.

    A character that is not ASCII is :data:`WIDE`: encoders cut most scripts finer than English. A
    sentence that is wider than ``most`` is cut.
    """
    if _width(text) <= most:
        return [(0, len(text))] if text.strip() else []
    said = [span for at, part in _meaning.sentences(text) for span in _cut(at, part, most)]
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(said):
        start, end = said[first]
        last = first
        while last + 1 < len(said) and _width(text[start : said[last + 1][1]]) <= most:
            last += 1
            end = said[last][1]
        if not found or found[-1][1] < end:
            found.append((start, end))
        if last + 1 == len(said):
            break
        first = max(first + 1, last)
    return found


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text) + (WIDE - 1) * sum(not each.isascii() for each in text)


def _cut(at: int, sentence: str, most: int) -> Iterator[tuple[int, int]]:
    if sentence.strip():
        step = most if _width(sentence) <= most or sentence.isascii() else most // WIDE
        for start in range(0, len(sentence), step):
            yield at + start, at + min(start + step, len(sentence))


def window_of(unit: Unit, windows: Sequence[tuple[int, int]]) -> int:
    """The first of a text's ``windows`` that a unit stands in, or at least begins in."""
    at = bisect.bisect_right(windows, unit.start, key=lambda each: each[0]) - 1
    return at - 1 if at > 0 and unit.end <= windows[at - 1][1] else max(at, 0)
