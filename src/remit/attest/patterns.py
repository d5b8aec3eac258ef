"""Patterns of repositories, with their host: ``*`` within a part, ``**`` over parts."""

import functools
import re

MAX_PATTERN = 255
_PATTERN = re.compile(r"[A-Za-z0-9*\[][A-Za-z0-9._:*\[\]-]*(?:/[a-z0-9*][a-z0-9._*-]*)*", re.ASCII)


def is_pattern(text: str) -> bool:
    """Whether ``text`` is a pattern, as in ``hub.example/team/*``."""
    return len(text) <= MAX_PATTERN and _PATTERN.fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", pattern)
    each = (".*" if part.startswith("**") else "[^/]*" if part == "*" else re.escape(part)
            for part in parts)  # fmt: skip
    return re.compile("".join(each))


def matches(pattern: str, repository: str) -> bool:
    """Whether ``repository`` (``HOST/NAME``, or a name of the local store) is meant."""
    return _compiled(pattern).fullmatch(repository) is not None
