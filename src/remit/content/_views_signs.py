"""Signs of rare disguises, all looked for in one pass.

Most texts have none of them, and a pass of RE2 over the text takes as long for sixteen patterns as
for one. Each reading names its sign where it is defined; it looks closer only at a text that has it.
"""

import functools
from typing import Any

import re2

_MAX_MEM = 128 << 20
_patterns: list[bytes] = []


def sign(pattern: bytes) -> int:
    """Add a pattern over the bytes of :attr:`View.plain`; gives its number."""
    _patterns.append(pattern)
    return len(_patterns) - 1


@functools.cache
def pattern(number: int) -> Any:
    """The compiled pattern of a sign; made when the sign was seen, for few texts have it."""
    return re2.compile(_patterns[number], _options())


def signs_in(data: bytes) -> frozenset[int]:
    """Numbers of the signs that stand in ``data``."""
    return frozenset(_compiled(len(_patterns)).Match(data) or ())


@functools.lru_cache(maxsize=1)
def _compiled(count: int) -> Any:
    found = re2.Set.SearchSet(_options())
    for pattern in _patterns[:count]:
        found.Add(pattern)
    found.Compile()
    return found


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MAX_MEM
    options.encoding = re2.Options.Encoding.LATIN1
    return options
