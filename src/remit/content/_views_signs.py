"""Signs of rare disguises, looked for in a few passes.

Most texts have none of them, and a pass of RE2 over the text takes as long for several patterns as for
one. But what one automaton has to tell apart multiplies: patterns whose unions were seen to grow with
text that has no words (random letters, base64) are in groups of their own.
"""

import functools
from collections.abc import Iterator
from typing import Any, Literal

import re2

from remit.content._news import Span
from remit.content._re2 import Search, searcher
from remit.content.base import View

Group = Literal["words", "codes", "rows", "rot47"]

_MAX_MEM = 64 << 20
_KEPT = "signs"
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


def signs_of(view: View) -> frozenset[int]:
    """Numbers of the signs that stand in ``view``, which are looked for once."""
    kept: frozenset[int] | None = vars(view).get(_KEPT)
    if kept is None:
        kept = vars(view)[_KEPT] = signs_in(view.plain)
    return kept


def stands(number: int, view: View) -> bool:
    """Whether a sign stands in ``view``: one pass, if nobody has asked for all of them."""
    kept: frozenset[int] | None = vars(view).get(_KEPT)
    if kept is not None:
        return number in kept
    return next(spans(number, view.plain), None) is not None


def signs_in(data: bytes) -> frozenset[int]:
    """Numbers of the signs that stand in ``data``."""
    return frozenset(
        numbers[at]
        for group, numbers in _groups.items()
        for at in _compiled(group, len(numbers)).Match(data) or ()
    )


@functools.cache
def _compiled(group: Group, count: int) -> Any:
    found = re2.Set.SearchSet(_options())
    for number in _groups[group][:count]:
        found.Add(_patterns[number])
    found.Compile()
    return found


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MAX_MEM
    options.encoding = re2.Options.Encoding.LATIN1
    return options
