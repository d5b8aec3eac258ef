"""Signs of rare disguises, looked for in a few passes.

Most texts have none of them, and a pass of RE2 over the text takes as long for several patterns as for
one. But what one automaton has to tell apart multiplies: patterns whose unions were seen to grow with
text that has no words (random letters, base64) are in groups of their own, but where there are words.
"""

import functools
from collections.abc import Iterator
from typing import Any, Literal

import re2

from remit.content._news import Span
from remit.content._re2 import Search, searcher

Group = Literal["words", "codes", "rows", "rot47"]

_APART: tuple[tuple[Group, ...], ...] = (("words",), ("codes",), ("rows",), ("rot47",))
# Words keep the others small.
_WORDY: tuple[tuple[Group, ...], ...] = (("words",), ("codes", "rows", "rot47"))
_LONG_WORD = 16
_MAX_MEM = 64 << 20
_patterns: list[bytes] = []
_groups: dict[Group, list[int]] = {}


def sign(pattern: bytes, group: Group) -> int:
    """Add a pattern over the bytes of :attr:`View.plain`; gives its number."""
    _patterns.append(pattern)
    _groups.setdefault(group, []).append(len(_patterns) - 1)
    return len(_patterns) - 1


def spans(number: int, data: bytes) -> Iterator[Span]:
    """Where a sign stands in ``data``."""
    search, end, size = _search(number), 0, len(data)
    while end <= size:
        start, end = search(data, end, size)[0]
        if start < 0:
            return
        yield start, end


@functools.cache
def _search(number: int) -> Search:
    """Made when the sign was seen, for few texts have it."""
    return searcher(re2.compile(_patterns[number], _options()))


def signs_in(data: bytes) -> frozenset[int]:
    """Numbers of the signs that stand in ``data``."""
    wordy = data.count(b" ") * _LONG_WORD >= len(data)
    return frozenset(
        at
        for groups in (_WORDY if wordy else _APART)
        for at in _found(groups, len(_patterns), data)
    )


def _found(groups: tuple[Group, ...], count: int, data: bytes) -> Iterator[int]:
    numbers, together = _compiled(groups, count)
    return (numbers[at] for at in together.Match(data) or ())


@functools.cache
def _compiled(groups: tuple[Group, ...], count: int) -> tuple[list[int], Any]:
    """The signs of groups, while there are so many in all."""
    numbers = [number for group in groups for number in _groups[group] if number < count]
    found = re2.Set.SearchSet(_options())
    for number in numbers:
        found.Add(_patterns[number])
    found.Compile()
    return numbers, found


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MAX_MEM
    options.encoding = re2.Options.Encoding.LATIN1
    return options
