"""Which arguments feed a fact: top-level names, or a strict part of JSONPath (RFC 9535).

The part is ``$`` followed by ``.name``, ``['name']``, ``[0]``, ``[*]``, ``.*``, ``..name`` and
``..*``. Filters, slices and lists of selectors are refused when the bundle loads: a filter is a
program over arguments that an agent writes, and what it leaves out is what an attacker would use.

One thing is stricter than RFC 9535, on purpose: a step that meets a value of the wrong kind (a
name on a list, ``[*]`` on a string) is an error and not an empty result. ``$.to[*].domain`` over
``{"to": "x@evil.example"}`` must not look like a message to nobody.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from remit.facts.base import MAX_VALUES, FactError

_NAME = r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][\w\u0080-\ud7ff\ue000-\U0010ffff]*"
_STEP = re.compile(
    rf"""(?P<deep>\.\.)(?:(?P<deep_name>{_NAME})|(?P<deep_all>\*))
    |\.(?:(?P<name>{_NAME})|(?P<all>\*))
    |\[(?:(?P<index>0|[1-9]\d{{0,8}})|(?P<star>\*)|'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)")\]
    """,
    re.VERBOSE,
)
MAX_STEPS = 32
MAX_NODES = 20_000

Step = tuple[bool, str | int | None]
"""(recursive, name | index | None for ``*``)."""


@functools.lru_cache(maxsize=512)
def parse(argument: str) -> tuple[Step, ...]:
    """The steps of ``argument``: a top-level name, or a path that starts with ``$``.

    Raises:
        FactError: ``facts.bad_path`` for what is outside the part above.
    """
    if not argument:
        raise FactError("an argument name is empty", code="facts.bad_path")
    if not argument.startswith("$"):
        return ((False, argument),)
    steps: list[Step] = []
    at = 1
    while at < len(argument):
        match = _STEP.match(argument, at)
        if match is None or len(steps) == MAX_STEPS:
            raise FactError(
                f"`{argument[:80]}` is not a path that facts can use",
                hint="use $.name, ['name'], [0], [*], .* or ..name; no filters and no slices",
                code="facts.bad_path",
            )
        part = match.groupdict()
        text = next(
            (part[k] for k in ("deep_name", "name", "single", "double") if part[k] is not None),
            None,
        )
        index = part["index"]
        steps.append((part["deep"] is not None, int(index) if index is not None else text))
        at = match.end()
    return tuple(steps)


def select(argument: str, arguments: Mapping[str, Any]) -> list[Any]:
    """The values that ``argument`` names in ``arguments``; ``None`` counts as absent.

    Raises:
        FactError: ``facts.wrong_type`` where a step meets another kind of value,
            ``facts.size`` for more than :data:`MAX_VALUES` results.
    """
    nodes: list[Any] = [arguments]
    for recursive, key in parse(argument):
        nodes = _deep(nodes, key) if recursive else _step(nodes, key)
        if len(nodes) > MAX_VALUES:
            raise FactError(f"more than {MAX_VALUES} values", code="facts.size")
    return nodes


def _step(nodes: Sequence[Any], key: str | int | None) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        if isinstance(key, str):
            if not isinstance(node, Mapping):
                raise _wrong(key, "an object")
            found.append(node.get(key))
        elif isinstance(key, int):
            if not isinstance(node, list):
                raise _wrong(key, "a list")
            found.extend(node[key : key + 1])
        elif isinstance(node, Mapping):
            found.extend(node.values())
        elif isinstance(node, list):
            found.extend(node)
        else:
            raise _wrong("*", "an object or a list")
    return [node for node in found if node is not None]


def _deep(nodes: Sequence[Any], key: str | int | None) -> list[Any]:
    found: list[Any] = []
    stack = list(reversed(nodes))
    visited = 0
    while stack:
        node = stack.pop()
        visited += 1
        if visited > MAX_NODES:
            raise FactError("the arguments are too large to search", code="facts.size")
        if isinstance(node, Mapping):
            found.extend(v for k, v in node.items() if v is not None and key in (None, k))
            stack.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            if key is None:
                found.extend(v for v in node if v is not None)
            stack.extend(reversed(node))
    return found


def _wrong(key: str | int, expected: str) -> FactError:
    return FactError(f"`{key}` is applied to what is not {expected}", code="facts.wrong_type")
