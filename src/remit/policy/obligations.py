"""Obligations: what ``@require`` means.

A policy that requires something is an ordinary ``forbid`` which lifts once it is fulfilled, so an
enforcement point that knows nothing of obligations denies:

* ``confirmation`` and ``approval`` lift by ``unless { context.fulfilled.contains("<own id>") }``;
* ``redact`` likewise, once what it names was taken out and was not found again;
* ``wait`` lifts when its limit is no longer in ``context.over_limit``.

A person is asked only if it can help: every determining ``forbid`` must be liftable, and with all
of them lifted Cedar must allow.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from remit.core.decision import Obligation, ObligationKind
from remit.policy.engine import pst
from remit.policy.source import Source

_KINDS: Mapping[str, ObligationKind] = {
    "approval": "approval",
    "confirmation": "confirmation",
    "redact": "redact",
    "wait": "wait",
}
AVAILABLE = frozenset(_KINDS)
LIFTED_BY_ID = frozenset({"approval", "confirmation", "redact"})
"""Obligations whose policy lifts when its id is in ``context.fulfilled``."""
FORMS = ("mask", "hash", "token")
REDACTABLE = frozenset({"secret", "pii", "phi", "exfiltration", "invisible", "canary", "term"})
"""Kinds of findings that are values; an injection is none: it labels the text it stands in."""


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
        if source.node.annotations["require"] in LIFTED_BY_ID:
            fulfilled |= {source.id}
        else:
            over_limit -= {source.node.annotations.get("limit", "")}
    return (fulfilled, over_limit) if count else None


def obligation(source: Source) -> Obligation:
    """The obligation of one liftable policy."""
    annotations: Mapping[str, str] = source.node.annotations
    kind = annotations["require"]
    return Obligation(
        kind=_KINDS[kind],
        rule=source.id,
        reason=annotations.get("reason", ""),
        parameters={
            name: text
            for name, text in sorted(annotations.items())
            if name not in ("id", "require", "reason")
        },
    )


def kinds(text: str) -> frozenset[str]:
    """The kinds of findings that ``@findings`` names, separated by spaces."""
    return frozenset(text.split())


def redacted(determining: Iterable[Source], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """``context.content`` as it would be with everything taken out that the policies ask for."""
    out = frozenset[str]()
    for source in determining:
        if source.node.annotations.get("require") == "redact":
            out |= kinds(source.node.annotations.get("findings", ""))
    if not out or not content:
        return content
    left = [name for name in content["findings"] if name.partition(":")[0] not in out]
    # How severe the rest is shows when it was redacted; asking for that costs nobody anything.
    return {**content, "findings": left, "max_severity": 0}


def lifts(policy: pst.Template) -> bool:
    """Whether the policy has the clause by which its own obligation lifts it."""
    kind = policy.annotations.get("require")
    if kind in LIFTED_BY_ID:
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
