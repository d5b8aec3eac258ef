"""What a value is called by its neighbours.

``{"name": "DB_PASSWORD", "value": …}``, ``{"password": {"value": …}}``, ``["Authorization", …]``
and ``["--password", …]`` name a value as well as its key does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from remit.content._views_fold import UNSEEN

MAX_NAME = 64
MAX_NAMES = 4
_VALUES = frozenset({"value", "values", "val", "data", "content", "text"})
_NAMES = ("name", "key", "header", "field", "variable", "parameter", "property")
_WORD = re.compile(r"[A-Za-z][\w.-]{0,63}:?")
_OPTION = re.compile(r"--?[A-Za-z][\w.-]{0,63}")
_BLANK = re.compile(r"[\s" + re.escape("".join(sorted(UNSEEN))) + r"]*")

Names = tuple[str, ...]


def of_members(value: Mapping[str, Any], key: str, above: Names) -> Names:
    """Names of what stands in ``value``, ``{"value": …}``, beside its own key.

    Args:
        value: an object.
        key: the nearest key above it.
        above: other names of the object itself.
    """
    names = [key] if key and key.lower() not in _VALUES else list(above)
    for name in value:
        if str(name).lower() in _NAMES:
            said = value[name]
            if isinstance(said, str) and said.strip():
                names.append(said.strip()[:MAX_NAME])
    return tuple(dict.fromkeys(names))[:MAX_NAMES]


def of_member(key: str, names: Names) -> Names:
    """The names that a member has besides its key."""
    return names if key.lower() in _VALUES else ()


def of_items(items: Sequence[Any]) -> Mapping[int, str]:
    """Items of a list that are named by the one before."""
    named: dict[int, str] = {}
    pair = len(items) == 2
    for at in range(1, len(items)):
        name = items[at - 1]
        if isinstance(name, str) and isinstance(items[at], str | int) and len(name) <= MAX_NAME:
            pattern = _WORD if pair else _OPTION
            if pattern.fullmatch(name) or (pair and _OPTION.fullmatch(name)):
                named[at] = name.rstrip(":")
    return named


def says_little(key: str) -> bool:
    """Whether a key says nothing of its value."""
    return key.lower() in _VALUES


def blank(text: str) -> int:
    """Characters before the first one that is seen."""
    found = _BLANK.match(text)
    return found.end() if found else 0
