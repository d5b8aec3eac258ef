"""The working of a decision, for people at a terminal."""

from collections.abc import Mapping, Sequence

import msgspec

from remit.core.decision import Decision, Effect
from remit.core.digest import Digest
from remit.facts.base import Fact
from remit.policy import engine, obligations
from remit.policy.source import Source


class Match(msgspec.Struct, frozen=True):
    """A policy that determined a decision, and where it stands."""

    id: str
    effect: str
    file: str
    line: int
    column: int

    @classmethod
    def of(cls, source: Source) -> "Match":
        """The place of a policy."""
        return cls(source.id, source.node.effect, source.file, source.line, source.column)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and how it came about.

    Attributes:
        decision: what was answered.
        matches: the policies that determined it.
        considered: how many policies could apply to the action, agent and server.
        context: the JSON text Cedar judged; it holds argument values.
        facts: what was given as facts.
        internal: text of an engine error; it may quote argument values.
    """

    decision: Decision
    matches: tuple[Match, ...] = ()
    considered: int = 0
    context: bytes = b""
    facts: Mapping[str, Fact] = {}
    internal: str = ""


def conclude(
    answer: engine.Answer, determining: Sequence[Source], *, owed: bool, action: str, digest: Digest
) -> Decision:
    """What an answer of Cedar's comes to.

    Args:
        answer: of Cedar.
        determining: the policies that it names, in its order.
        owed: whether it is a deny that turns into an allow once their obligations are met.
        action: what was asked for; named where no policy permits it.
        digest: of the policies.
    """
    effect = Effect.ALLOW if answer.allowed else Effect.REQUIRE if owed else Effect.DENY
    reasons = [source.node.annotations.get("reason", "") for source in determining]
    silent = not (answer.allowed or answer.reasons)
    return Decision(
        effect=effect,
        rules=answer.reasons,
        reasons=tuple(reason for reason in reasons if reason),
        obligations=tuple(map(obligations.obligation, determining)) if owed else (),
        detail=f"no policy permits `{action}`" if silent else "",
        policy_digest=digest,
    )
