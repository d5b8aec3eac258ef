"""What a test of a bundle expects of a decision, and how the two differ."""

from typing import Any

from remit.core.decision import Decision, Effect
from remit.policy.errors import PolicyError


class TestError(PolicyError):
    """A test file that cannot be understood."""

    __test__ = False
    code = "policy.test"


def differs(expected: Any, decision: Decision) -> str:
    """Empty if the decision is what was expected, else a sentence."""
    kind, detail = expected, None
    if isinstance(expected, dict) and len(expected) == 1:
        kind, detail = next(iter(expected.items()))
    if kind not in ("allow", "deny", "require", "error"):
        raise TestError("`expect` is not allow, deny, require or error")
    got = "error" if decision.error else decision.effect.value
    shown = got
    if got == "error":
        shown = f"error {decision.error} ({decision.detail})"
    elif decision.rules:
        shown = f"{got} by {', '.join(decision.rules)}"
    elif decision.effect is Effect.DENY:
        shown = "deny, because nothing permits it"
    if got != kind:
        return f"expected {_wanted(kind, detail)}, got {shown}"
    if detail is None:
        return ""
    if kind == "error":
        return "" if detail == decision.error else f"expected error {detail}, got {shown}"
    if not isinstance(detail, list):
        raise TestError(f"`expect: {{{kind}: …}}` is not a list of policy ids")
    if sorted(map(str, detail)) != sorted(decision.rules):
        return f"expected {_wanted(kind, detail)}, got {shown}"
    return ""


def _wanted(kind: Any, detail: Any) -> str:
    if isinstance(detail, list):
        if not detail:
            return f"{kind}, because nothing permits it" if kind == "deny" else f"{kind} by nothing"
        return f"{kind} by {', '.join(map(str, detail))}"
    return str(kind)
