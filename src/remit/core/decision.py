"""Decisions: ``allow``, ``deny``, or ``require`` (an obligation must be fulfilled first)."""

import enum
from typing import Literal

import msgspec


class Effect(enum.StrEnum):
    """What policy says of an event."""

    ALLOW = "allow"
    DENY = "deny"
    REQUIRE = "require"


ObligationKind = Literal["approval", "confirmation", "redact", "wait"]


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """What must happen before the event may go on.

    Attributes:
        kind: see ``docs/reference/policy.md``.
        rule: id of the policy that asks for it.
        reason: the policy's ``@reason``, for people.
        parameters: the policy's other annotations (``limit``, ``approvers``, ``expires`` …).
    """

    kind: ObligationKind
    rule: str
    reason: str = ""
    parameters: dict[str, str] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of policy to one event. The default is ``deny``.

    Attributes:
        effect: allow, deny or require.
        rules: ids of the policies that determined it, sorted.
        reasons: their ``@reason`` texts, in the same order, empty ones left out.
        obligations: what must be fulfilled; only with ``require``.
        error: stable code when the decision is a failure (``engine_error``, ``fact_failed``,
            ``unknown_action``, ``bad_argument``, ``not_pinned`` …), else empty. An error is
            always a deny.
        detail: one sentence for the record and for ``explain``; may hold argument names, never
            argument values.
        policy_digest: digest of the compiled bundle that decided.
    """

    effect: Effect = Effect.DENY
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    error: str = ""
    detail: str = ""
    policy_digest: str = ""

    def __post_init__(self) -> None:
        """An error never allows, and only ``require`` carries obligations."""
        if self.error and self.effect is not Effect.DENY:
            raise ValueError("a decision with an error must deny")
        if bool(self.obligations) != (self.effect is Effect.REQUIRE):
            raise ValueError("obligations belong to `require`, and `require` needs one")
