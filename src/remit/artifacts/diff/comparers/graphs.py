"""ONNX models: operators, initializers, inputs and outputs, operator sets."""

from collections.abc import Iterator

from remit.artifacts.diff.base import Change, Pair, Severity, Work, capped
from remit.artifacts.diff.comparers.tensors import tensor_changes
from remit.artifacts.diff.formats.onnx import Graph, Node, read
from remit.artifacts.diff.formats.tensors import Model
from remit.artifacts.diff.sequence import edits
from remit.artifacts.diff.text import shown

NAME = "graphs"
_KNOWN = ("ai.onnx", "com.microsoft")


class GraphComparer:
    """Operators by name where they have one, else in their order."""

    name = NAME
    order = 150

    def takes(self, pair: Pair) -> bool:
        """By suffix: the format has no magic."""
        return pair.suffix == ".onnx"

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Operators, then everything that has a name, then values."""
        del work
        with pair.a.open() as a, pair.b.open() as b:
            before, after = read(a, pair.a.size), read(b, pair.b.size)
            yield from capped(
                _nodes(pair.path, before.nodes, after.nodes),
                lambda left: Change(comparer=NAME, kind="graph.more", path=pair.path,
                                    severity="medium", summary=f"{left} more operators differ"),
            )  # fmt: skip
            yield from _facts(pair.path, before, after)
            models = Model(tensors=before.tensors), Model(tensors=after.tensors)
            yield from tensor_changes(pair.path, models[0], a, models[1], b)


def _nodes(path: str, old: tuple[Node, ...], new: tuple[Node, ...]) -> Iterator[Change]:
    if old == new:
        return
    left, right = _by_name(old), _by_name(new)
    if left is not None and right is not None:
        for name in [*left, *(n for n in right if n not in left)]:
            was, now = left.get(name), right.get(name)
            if was is None or now is None:
                yield _single(path, was, now)
            elif was != now:
                yield _changed(path, was, now)
        if [n for n in left if n in right] != [n for n in right if n in left]:
            yield Change(comparer=NAME, kind="graph.order", path=path, severity="info",
                         summary="operators stand in another order")  # fmt: skip
        return
    for what, i, j, k, m in edits(old, new):
        if what == "equal":
            continue
        if j - i == m - k:
            yield from (_changed(path, old[i + n], new[k + n]) for n in range(j - i))
            continue
        yield from (_single(path, each, None) for each in old[i:j])
        yield from (_single(path, None, each) for each in new[k:m])


def _by_name(nodes: tuple[Node, ...]) -> dict[str, Node] | None:
    found = {node.name: node for node in nodes}
    return found if len(found) == len(nodes) and "" not in found else None


def _single(path: str, was: Node | None, now: Node | None) -> Change:
    node = now or was
    assert node is not None
    what = "added" if was is None else "removed"
    return Change(
        comparer=NAME,
        kind=f"graph.{what}",
        path=path,
        subject=shown(node.name or ", ".join(node.outputs)),
        severity=_severity(node) if now else "medium",
        summary=f"operator {what}: {shown(node.operator)}",
        details={"inputs": _names(node.inputs), "outputs": _names(node.outputs)},
    )


def _changed(path: str, was: Node, now: Node) -> Change:
    parts = []
    if was.operator != now.operator:
        parts.append(f"{shown(was.operator)} → {shown(now.operator)}")
    parts += [
        f"{what} {_names(getattr(was, what))} → {_names(getattr(now, what))}"
        for what in ("inputs", "outputs")
        if getattr(was, what) != getattr(now, what)
    ]
    differ = {name for name, _ in set(was.attributes) ^ set(now.attributes)}
    if differ:
        parts.append(f"attributes {', '.join(shown(name) for name in sorted(differ)[:10])}")
    if was.name != now.name:
        parts.append(f"was called `{shown(was.name)}`")
    return Change(
        comparer=NAME,
        kind="graph.changed",
        path=path,
        subject=shown(now.name or ", ".join(now.outputs)),
        severity=_severity(now) if was.operator != now.operator else "medium",
        summary="; ".join(parts) or "attributes stand in another order",
    )


def _severity(node: Node) -> Severity:
    """Operators of other domains are code that comes from elsewhere."""
    domain = node.operator.rpartition(":")[0]
    return "high" if domain and not domain.startswith(_KNOWN) else "medium"


def _names(names: tuple[str, ...]) -> list[str]:
    return [shown(name, 60) for name in names[:20]]


def _facts(path: str, before: Graph, after: Graph) -> Iterator[Change]:
    old, new = before.facts, after.facts
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            what = "added" if was is None else "removed" if now is None else "changed"
            yield Change(
                comparer=NAME,
                kind=f"metadata.{what}",
                path=path,
                subject=shown(name),
                severity="high" if name.startswith("outside data") else "low",
                summary=f"`{shown(was or '', 100)}` → `{shown(now or '', 100)}`"
                if was is not None and now is not None
                else f"{what}: `{shown(now or was or '', 100)}`",
                before=None if was is None else shown(was, 500),
                after=None if now is None else shown(now, 500),
            )


COMPARER = GraphComparer()
