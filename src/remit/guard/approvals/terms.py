"""What is asked for: the action that an event is, and how policy wants it to be approved."""

from typing import Self

import msgspec

from remit.approvals.request import Action, Request
from remit.core.canonical import digest_bytes
from remit.core.decision import Obligation
from remit.core.event import Event
from remit.policy.grants import DEFAULT_EXPIRES_S, MAX_QUORUM, MAX_USES, number, seconds
from remit.policy.policy import Policy


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How policy wants an approval to be given.

    Attributes:
        approvers: team whose members may.
        quorum: how many different ones.
        max_uses: for how many calls.
        span_us: within what time, in microseconds.
    """

    approvers: str
    quorum: int
    max_uses: int
    span_us: int

    @classmethod
    def of(cls, obligation: Obligation) -> Self:
        """The terms of a policy's annotations."""
        said = obligation.parameters
        return cls(
            approvers=said.get("approvers", ""),
            quorum=number(said.get("quorum", ""), MAX_QUORUM) or 1,
            max_uses=number(said.get("uses", ""), MAX_USES) or 1,
            span_us=(seconds(said.get("expires", "")) or DEFAULT_EXPIRES_S) * 1_000_000,
        )

    def are_of(self, request: Request) -> bool:
        """Whether a request asks for exactly this."""
        return self == Terms(
            approvers=request.approvers,
            quorum=request.quorum,
            max_uses=request.max_uses,
            span_us=request.expires_us - request.requested_us,
        )


def action_of(event: Event, policy: Policy) -> Action:
    """The action that an event is, under a policy.

    Raises:
        RemitError: it has no canonical form.
    """
    return Action(
        agent=event.agent.id,
        executable=event.agent.executable,
        user=event.user,
        on_behalf_of=event.agent.on_behalf_of,
        session=event.session,
        server=event.server,
        name=event.action,
        schema_digest=event.schema_digest,
        arguments=digest_bytes(dict(event.input)).decode(),
        policy_digest=policy.digest,
    )
