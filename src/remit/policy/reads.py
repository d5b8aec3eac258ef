"""What a policy reads of the context, found by walking its syntax tree.

Pruning by this is exact: an attribute that no policy of a slice names cannot change its answer.
A tree that uses ``context`` or one of its attributes as a whole keeps the whole.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from remit.policy.engine import pst
from remit.policy.schema import Reads


def context_path(node: Any) -> tuple[str, ...] | None:
    """``("input", "to")`` for ``context.input.to``; ``None`` if it does not start at context."""
    attributes: list[str] = []
    while isinstance(node, pst.GetAttr):
        attributes.append(node.attr)
        node = node.base
    if isinstance(node, pst.Var) and node.name == "context":
        return tuple(reversed(attributes))
    return None


def paths(node: Any) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Every path into the context below ``node``, and whether only its presence is asked."""
    if isinstance(node, pst.HasAttr):
        path = context_path(node.base)
        if path is not None:
            yield (*path, *node.attrs), True
            return
        yield from paths(node.base)
        return
    path = context_path(node)
    if path is not None:
        yield path, False
        return
    for child in children(node):
        yield from paths(child)


def children(node: Any) -> Iterator[Any]:
    """The nodes directly below ``node``."""
    if isinstance(node, pst.Record):
        yield from node.fields.values()
    elif isinstance(node, tuple):
        yield from node
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if dataclasses.is_dataclass(value):
                yield value
            elif isinstance(value, tuple):
                yield from value


def nodes(node: Any) -> Iterator[Any]:
    """``node`` and every node below it."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        yield item
        waiting.extend(children(item))


def reads(policy: pst.Template) -> Reads:
    """What one policy reads."""
    found: dict[str, set[str] | None] = {}
    for path, presence in paths(policy.clauses):
        if not path:
            return Reads(everything=True)
        if len(path) > 1:
            parts = found.setdefault(path[0], set())
            if parts is not None:
                parts.add(path[1])
        elif presence:
            found.setdefault(path[0], set())
        else:
            found[path[0]] = None
    return Reads(
        attributes={k: None if v is None else frozenset(v) for k, v in sorted(found.items())}
    )


def union(many: Iterable[Reads]) -> Reads:
    """What any of several policies reads."""
    found: dict[str, frozenset[str] | None] = {}
    everything = False
    for one in many:
        everything = everything or one.everything
        for name, parts in one.attributes.items():
            known = found.get(name, frozenset())
            found[name] = None if known is None or parts is None else known | parts
    return Reads(everything, dict(sorted(found.items())))
