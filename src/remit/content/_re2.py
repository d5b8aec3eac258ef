"""Searching with RE2 without an object for every match: the one place that knows how.

google-re2's public ``search`` and ``finditer`` make a generator and a match each time, which takes
longer than the search. Below them lies one call of C++ that returns spans. It is not documented, so it
is tried once; where it is gone or gives something else, the public interface is used instead.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import re2

MAX_PROGRAM_BYTES = 64 << 20
Spans = Sequence[tuple[int, int]]
Search = Callable[[bytes, int, int], Spans]
"""The spans of the first match in ``data[start:end]`` and of its groups, -1 where there is none."""


def options() -> Any:
    """How patterns are compiled: bounded in memory, and silent."""
    chosen = re2.Options()
    chosen.max_mem = MAX_PROGRAM_BYTES
    chosen.log_errors = False
    return chosen


def searcher(compiled: Any) -> Search:
    """How to search with what ``re2.compile`` made."""
    return _direct(compiled) if _is_direct() else _public(compiled)


def prefix(compiled: Any) -> Search:
    """Like :func:`searcher`, for a match that begins at ``start``."""
    return _direct(compiled, "ANCHOR_START") if _is_direct() else _public(compiled, "match")


def _direct(compiled: Any, anchor: str = "UNANCHORED") -> Search:
    regexp = compiled._regexp  # noqa: SLF001
    return functools.partial(regexp.Match, getattr(type(regexp).Anchor, anchor))


def _public(compiled: Any, method: str = "search") -> Search:
    groups = range(compiled.groups + 1)
    nothing = [(-1, -1)] * len(groups)
    find = getattr(compiled, method)

    def search(data: bytes, start: int, end: int) -> Spans:
        match = find(data, start, end)
        return nothing if match is None else [match.span(group) for group in groups]

    return search


@functools.cache
def _is_direct() -> bool:
    """Whether the call below the public interface gives what that gives."""
    sample = re2.compile(r"\b(a+)|(b)|c$")
    texts = ((b"xa aac", 1, 6), (b"xb", 0, 2), (b"abc", 2, 2), (b"abcd", 2, 3), (b"", 0, 0))
    try:
        direct, public = _direct(sample), _public(sample)
        return all(list(direct(*text)) == list(public(*text)) for text in texts)
    except Exception:  # noqa: BLE001 - whatever it is, it is not what is expected
        return False
