"""What is judged of a definition or a prompt: one sentence, or two on end, with where they stand.

The same sentence is harmless in one place and not in another, so a unit knows what its tool is about,
what kind of text it stands in, what was said just before, and which names are its listing's own.
"""

from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from remit.scan.scanners import _meaning

Kind = Literal["tool", "parameter", "value", "server", "prompt"]
MAX_UNITS = 4_000
"""Of one text; what stands behind is read by the rules alone."""
MAX_UNIT = 1_200
"""Characters of a unit that are read; longer ones are cut into pieces of this length."""
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
