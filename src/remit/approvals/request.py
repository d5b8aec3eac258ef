"""Requests: one action that waits for people, complete and bound to its circumstances.

The digest of an :class:`Action` is the subject of every approval. Whatever a call could be changed
in afterwards is a member of it: another agent, user, session, server, tool, schema, policy or
argument is another action, which nobody has approved.
"""

from typing import Any

import msgspec

from remit.core.canonical import canonical_bytes
from remit.core.digest import Digest, sha256
from remit.core.event import ToolClass


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen.

    Attributes:
        agent, executable: who acts, as the operating system or the credential says.
        user: on whose behalf.
        on_behalf_of: the chain of actors that a verified token names, separated by spaces.
        session: ULID of the connection.
        server, name: Guard's id of the server, and the Cedar action.
        schema_digest: digest of the pinned tool.
        arguments: JSON text of all arguments, keys sorted. Text, because numbers of other people's
            have no canonical form that every JSON library agrees on.
        policy_digest: digest of the policy that asks for the approval.
    """

    agent: str
    executable: str = ""
    user: str
    on_behalf_of: str = ""
    session: str
    server: str
    name: str
    schema_digest: str = ""
    arguments: str
    policy_digest: str

    def encode(self) -> bytes:
        """The bytes that the digest is over (RFC 8785)."""
        return canonical_bytes(msgspec.to_builtins(self))

    @property
    def digest(self) -> Digest:
        """``sha256:`` digest of :meth:`encode`."""
        return sha256(self.encode())


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An action that waits.

    Attributes:
        id: ``APR-`` and a ULID.
        guard: id of the Guard that asks; no other one takes the approval.
        action: what would happen.
        rule, reason: the policy that asks, and its ``@reason``.
        approvers: team whose members may approve, as far as ``approval.grant`` permits it too.
        quorum: how many different people have to.
        max_uses: how many calls of exactly this action one approval may let through.
        tool_class: class of the tool, empty for other actions.
        findings: what detectors found in the arguments, ``kind:label``.
        labels: marks of the session.
        requested_us, expires_us: wall time in microseconds since 1970.
        nonce: 128 random bits in hex; they tie every approval to this one request.
        index: of the record that says that it was made.
    """

    id: str
    guard: str
    action: Action
    rule: str
    reason: str = ""
    approvers: str
    quorum: int = 1
    max_uses: int = 1
    tool_class: ToolClass | None = None
    findings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    requested_us: int
    expires_us: int
    nonce: str
    index: int = 0

    def plain(self) -> dict[str, Any]:
        """The request as JSON values."""
        value: dict[str, Any] = msgspec.to_builtins(self)
        return value


def requesters(action: Action) -> frozenset[str]:
    """Everybody for whom the action is done, who therefore cannot approve it."""
    return frozenset({action.user, action.agent, *action.on_behalf_of.split()}) - {""}
