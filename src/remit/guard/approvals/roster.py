"""Who is enrolled: whose key counts as whose, from when, and until when.

1. An enrolment is signed with the key itself, and recorded before it counts.
2. One key is one person's, and one person has one key at a time.
3. Where the bundle names keys of somebody, no other is theirs.
4. A revoked key counts no more from that moment, also for what it has signed.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from remit.approvals.decision import Approver
from remit.approvals.enrolment import enrolled
from remit.approvals.errors import ApprovalError
from remit.attest.bundle import hint_of, parse_bundle
from remit.attest.dsse import VerifiedPayload
from remit.attest.ecdsa import PublicKey
from remit.core.clock import Clock
from remit.core.digest import sha256
from remit.core.text import printable
from remit.guard.ledger import Ledger
from remit.guard.store.approvals import ApprovalStore, InStore

if TYPE_CHECKING:
    from remit.policy.bundle import Directory


class Roster:
    """See the module's text. Belongs to the event loop's thread.

    Args:
        store, in_store: where enrolments are kept, and how to ask it.
        ledger, clock: records and time.
        directory: the people whom the bundle in force names.
        one: held by whatever changes, or uses up, what counts.
    """

    def __init__(
        self,
        store: ApprovalStore,
        in_store: InStore,
        ledger: Ledger,
        clock: Clock,
        directory: Callable[[], "Directory"],
        one: asyncio.Lock,
    ) -> None:
        self._store = store
        self._in_store = in_store
        self._ledger = ledger
        self._clock = clock
        self._directory = directory
        self._one = one

    async def all(self) -> list[Approver]:
        """Everybody who was ever enrolled, oldest first."""
        return await self._in_store(self._store.approvers)

    def counts(self, approver: Approver) -> bool:
        """Whether the key of an approver counts now."""
        return not approver.revoked_us and self._owns(approver)

    def teams(self, user: str) -> Sequence[str]:
        """The teams that the bundle in force says ``user`` is in."""
        return sorted(self._directory().users.get(user, ()))

    async def enrol(self, bundle: bytes, pem: str, by: str) -> Approver:
        """Enrol an approver.

        Args:
            bundle: the enrolment, signed with the key itself.
            pem: the public key.
            by: the operating system's user who asks for it.

        Raises:
            RemitError: it is refused.
        """
        key = PublicKey.from_pem(pem)
        hint, envelope = parse_bundle(bundle)
        if hint != hint_of(key):
            raise ApprovalError("the enrolment is of another key", code="approval.mismatch")
        approver, payload = enrolled(envelope, key, self._ledger.log.origin, self._clock.now_us())
        await self.admit(approver, payload, bundle, by, how="key")
        return approver

    async def admit(
        self, approver: Approver, payload: VerifiedPayload, bundle: bytes, by: str,
        *, invitation: bytes = b"", **how: Any,
    ) -> None:  # fmt: skip
        """Enrol somebody whose enrolment was verified.

        Args:
            approver: who.
            payload: the signed enrolment.
            bundle: its evidence.
            by: the operating system's user who asks for it, or invited them.
            invitation: digest of the token that is used up by it.
            how: how it came, for the record.

        Raises:
            RemitError: it is refused.
        """
        if not self._owns(approver):
            raise ApprovalError(
                f"the policy bundle names other keys for `{approver.id}`",
                hint=f"this key is {approver.public.fingerprint}",
                code="approval.other_key",
            )
        async with self._one:
            # Asked before it is recorded: the log tells of nobody who is not enrolled.
            for known in await self.all():
                same = known.id == approver.id or known.credential == approver.credential != b""
                if known.key == approver.key or (same and not known.revoked_us):
                    raise ApprovalError(
                        f"`{printable(known.id, 80)}` is enrolled already",
                        hint=f"`remit approvals revoke {known.id}` ends that; a key that was "
                        "revoked stays so",
                        code="approval.twice",
                    )
            index = self._ledger.note(
                "approver.enrol",
                user=approver.id,
                name=printable(approver.name, 200),
                key=approver.public.fingerprint,
                attestation=sha256(payload),
                by=printable(by, 100),
                **how,
            )
            await self._ledger.durable(index)
            await self._in_store(self._store.enrol, approver, bundle, invitation)

    async def revoke(self, user: str, by: str) -> None:
        """End somebody's enrolment, at once.

        Raises:
            RemitError: there is none.
        """
        async with self._one:
            if not any(a.id == user and not a.revoked_us for a in await self.all()):
                raise ApprovalError(
                    f"`{printable(user, 80)}` is not enrolled", code="approval.stranger"
                )
            index = self._ledger.note(
                "approver.revoke", user=printable(user, 100), by=printable(by, 100)
            )
            await self._ledger.durable(index)
            await self._in_store(self._store.revoke, user, self._clock.now_us())

    def _owns(self, approver: Approver) -> bool:
        """Whether the bundle, if it names keys of this user, names this one."""
        keys = self._directory().keys.get(approver.id)
        return keys is None or approver.public.fingerprint in keys
