"""Obligations: what ``@require`` means.

A policy that requires something is an ordinary ``forbid`` which lifts once it is fulfilled, so an
enforcement point that knows nothing of obligations denies:

* ``confirmation`` lifts by ``unless { context.fulfilled.contains("<own id>") }``;
* ``wait`` lifts when its limit is no longer in ``context.over_limit``.

A person is asked only if it can help: every determining ``forbid`` must be liftable, and with all
of them lifted Cedar must allow.
"""

from collections.abc import Iterable, Mapping

from remit.core.decision import Obligation
from remit.policy.engine import pst
from remit.policy.source import Source

AVAILABLE = frozenset({"confirmation", "wait"})
KNOWN = AVAILABLE | {"approval", "redact"}


def liftable(source: Source) -> bool:
    """Whether the policy is a ``forbid`` with an obligation that this version can fulfil."""
    return source.node.effect == "forbid" and source.node.annotations.get("require") in AVAILABLE


def as_if(
    determining: Iterable[Source], fulfilled: frozenset[str], over_limit: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]] | None:
    """``fulfilled`` and ``over_limit`` as they would be with every obligation met.

    Returns:
        ``None`` if nothing determined the deny or one of the policies cannot be lifted.
    """
    count = 0
    for source in determining:
        if not liftable(source):
            return None
        count += 1
        if source.node.annotations["require"] == "confirmation":
            fulfilled |= {source.id}
        else:
            over_limit -= {source.node.annotations.get("limit", "")}
    return (fulfilled, over_limit) if count else None


def obligation(source: Source) -> Obligation:
    """The obligation of one liftable policy."""
    annotations: Mapping[str, str] = source.node.annotations
    kind = annotations["require"]
    return Obligation(
        kind="confirmation" if kind == "confirmation" else "wait",
        rule=source.id,
        reason=annotations.get("reason", ""),
        parameters={
            name: text
            for name, text in sorted(annotations.items())
            if name not in ("id", "require", "reason")
        },
    )


def lifts(policy: pst.Template) -> bool:
    """Whether the policy has the clause by which its own obligation lifts it."""
    kind = policy.annotations.get("require")
    if kind == "confirmation":
        return any(
            _asks(part, "fulfilled", policy.annotations.get("id", ""))
            for clause in policy.clauses
            if isinstance(clause, pst.Unless)
            for part in _parts(clause.expr, "or")
        )
    return any(
        _asks(part, "over_limit", policy.annotations.get("limit", ""))
        for clause in policy.clauses
        if isinstance(clause, pst.When)
        for part in _parts(clause.expr, "and")
    )


def _parts(expression: pst.Expr, operator: str) -> list[pst.Expr]:
    if isinstance(expression, pst.BinaryOp) and expression.op == operator:
        return [*_parts(expression.left, operator), *_parts(expression.right, operator)]
    return [expression]


def _asks(expression: pst.Expr, attribute: str, text: str) -> bool:
    return expression == pst.BinaryOp(
        op="contains",
        left=pst.GetAttr(base=pst.Var(name="context"), attr=attribute),
        right=pst.StringLit(value=text),
    )
