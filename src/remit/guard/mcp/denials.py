"""What the model and the client see when something is denied: short, useful, nothing internal."""

from collections.abc import Sequence
from typing import Any

from remit.core.decision import Decision
from remit.core.text import printable

MAX_ALTERNATIVES = 8
_DETAILED = frozenset(
    {
        "approval_failed", "approval_pending", "approval_refused", "artifact_denied",
        "bad_argument", "fact_failed", "policy_withdrawn",
    }
)  # fmt: skip
"""Errors whose detail is made to be shown."""

_ERRORS = {
    "not_pinned": "the tool is not in the accepted list of this server",
    "no_catalog": "the server's tools could not be verified",
    "fact_failed": "an argument could not be understood, so it was refused",
    "unknown_action": "no policy knows this action",
    "approval_failed": "the approval does not hold any more",
    "confirmation_refused": "a person was asked and did not confirm it",
    "wait_refused": "its limit is used up for longer than Guard waits",
    "policy_expired": "the policy in force has expired",
    "no_policy": "no policy is in force",
    "audit.poisoned": "the audit log cannot be written, so nothing with side effects runs",
}


def denial_text(name: str, decision: Decision, alternatives: Sequence[str]) -> str:
    """One or two sentences for the model.

    Args:
        name: what was denied, ``<server>/<tool>`` or a method.
        decision: the deny. Its ``detail`` is shown only for codes where policy promises that it
            names arguments and never values.
        alternatives: what this caller may use instead.
    """
    pending = decision.error == "approval_pending"
    said = "Not done yet, Remit holds it for approval" if pending else "Denied by Remit"
    parts = [f"{said}: {printable(name, 200)}."]
    if decision.reasons:
        parts.append(" ".join(_sentence(reason) for reason in decision.reasons))
    if decision.error in _DETAILED and decision.detail:
        parts.append(_sentence(decision.detail))
    elif decision.error in _ERRORS:
        parts.append(_sentence(_ERRORS[decision.error]))
    elif decision.error:
        parts.append("Guard could not decide, and what it cannot decide it denies.")
    elif not decision.reasons and not decision.rules:
        parts.append("No policy permits it.")
    if decision.rules:
        parts.append(f"(policy: {', '.join(decision.rules[:5])})")
    if alternatives and not decision.rules and not decision.reasons:
        shown = ", ".join(printable(a, 80) for a in alternatives[:MAX_ALTERNATIVES])
        more = " …" if len(alternatives) > MAX_ALTERNATIVES else ""
        parts.append(f"You may use: {shown}{more}.")
    if not pending:
        parts.append("Do not retry the same call.")
    return " ".join(parts)


def _sentence(text: str) -> str:
    text = printable(text, 300).strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def denied_result(text: str, *, modern: bool) -> dict[str, Any]:
    """A ``tools/call`` result that every client shows to its model."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if modern:
        result["resultType"] = "complete"
    return result
