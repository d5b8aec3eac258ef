"""What Guard's socket answers about approvals: ``spec/guard-socket.md`` is the normative text."""

from typing import Any

import msgspec

from remit.approvals.quorum import State
from remit.approvals.rendering import render
from remit.guard.approvals.desk import MAX_LISTED, Desk
from remit.guard.approvals.invitations import Invitations
from remit.guard.daemon.protocol import Hello
from remit.guard.daemon.unix import Peer
from remit.guard.store.approvals import Kept

OPERATIONS = frozenset(
    {"approvals", "approval", "approve", "approvers", "enrol", "invite", "revoke"}
)


async def answer(desk: Desk, invitations: Invitations, hello: Hello, peer: Peer) -> dict[str, Any]:
    """Do one of :data:`OPERATIONS`.

    Raises:
        RemitError: it is refused.
    """
    match hello.op:
        case "approvals":
            found = await desk.listing(MAX_LISTED, closed=hello.closed)
            return {"approvals": [summary(kept, state) for kept, state in found]}
        case "approval":
            return {"approval": whole(*await desk.show(hello.request))}
        case "approve":
            counted = await desk.say(hello.request, hello.bundle.encode(), f"socket:{peer.user}")
            return {"state": counted.state.value, "given": len(counted.counted)}
        case "enrol":
            approver = await desk.roster.enrol(hello.bundle.encode(), hello.key, peer.user)
            return {"user": approver.id, "key": approver.public.fingerprint}
        case "invite":
            url, expires_us = await invitations.invite(hello.user, hello.name, peer.user)
            return {"url": url, "expires_us": expires_us}
        case "revoke":
            await desk.roster.revoke(hello.user, peer.user)
            return {}
        case _:
            people = await desk.roster.all()
            return {
                "guard": desk.guard_id,
                "approvers": [
                    {
                        "id": person.id,
                        "name": person.name,
                        "key": person.public.fingerprint,
                        "passkey": bool(person.credential),
                        "enrolled_us": person.enrolled_us,
                        "revoked_us": person.revoked_us,
                    }
                    for person in people
                ],
            }


def summary(kept: Kept, state: State) -> dict[str, Any]:
    """A request without its arguments."""
    request = kept.request
    return {
        "id": request.id,
        "state": state.value,
        "action": request.action.name,
        "agent": request.action.agent,
        "user": request.action.user,
        "rule": request.rule,
        "reason": request.reason,
        "approvers": request.approvers,
        "quorum": request.quorum,
        "approved_by": [s.decided.approver for s in kept.said if s.decided.word == "approve"],
        "requested_us": request.requested_us,
        "expires_us": request.expires_us,
    }


def whole(kept: Kept, state: State) -> dict[str, Any]:
    """A request with everything that is signed, and what was said about it."""
    return {
        **summary(kept, state),
        "request": kept.request.plain(),
        "shown": render(kept.request),
        "said": [msgspec.to_builtins(said.decided) for said in kept.said],
    }
