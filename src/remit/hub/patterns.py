"""Patterns of repositories: ``*`` within a part, ``**`` over parts; the most specific counts."""

import functools
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from remit.hub.errors import HubError

_PATTERN = re.compile(r"[a-z0-9*][a-z0-9._*-]*(?:/[a-z0-9*][a-z0-9._*-]*)*")
_TAG_PATTERN = re.compile(r"[a-zA-Z0-9_*][a-zA-Z0-9._*-]*")
MAX_PATTERN = 255


class _Patterned(Protocol):
    @property
    def pattern(self) -> str: ...


_P = TypeVar("_P", bound=_Patterned)


def check_pattern(text: str) -> str:
    """``text``, if it is a pattern.

    Raises:
        HubError: it is not.
    """
    if len(text) > MAX_PATTERN or _PATTERN.fullmatch(text) is None:
        raise HubError(
            f"`{text[:80]}` is not a pattern of repositories",
            code="hub.pattern",
            hint="`team/model` is one repository, `team/*` those right below, `**` all",
        )
    return text


def check_tag_pattern(text: str) -> str:
    """``text``, if it is a pattern of tags.

    Raises:
        HubError: it is not.
    """
    if len(text) > MAX_PATTERN or _TAG_PATTERN.fullmatch(text) is None:
        raise HubError(
            f"`{text[:80]}` is not a pattern of tags", code="hub.pattern", hint="for example `v*`"
        )
    return text


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", pattern)
    each = (".*" if part.startswith("**") else "[^/]*" if part == "*" else re.escape(part)
            for part in parts)  # fmt: skip
    return re.compile("".join(each))


def matches(pattern: str, name: str) -> bool:
    """Whether ``name`` is meant by ``pattern``."""
    return _compiled(pattern).fullmatch(name) is not None


def first(rules: Iterable[_P], name: str) -> _P | None:
    """The rule with the most specific pattern that means ``name``: that with most letters.

    Stars do not count: a repository's own name is more specific than any pattern.
    """

    def specific(rule: _P) -> tuple[int, int, str]:
        stars = rule.pattern.count("*")
        return len(rule.pattern) - stars, -stars, rule.pattern

    return max((rule for rule in rules if matches(rule.pattern, name)), key=specific, default=None)
