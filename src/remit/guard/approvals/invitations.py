"""Invitations: how somebody enrols a passkey, by a link that an operator hands to them.

Rules:

1. The secret of the link is 256 random bits; kept is its digest. It counts once and for 15 minutes,
   and a newer invitation of the same user ends it.
2. The user and the printed name are the operator's word; whoever opens the link chooses nothing.
3. The passkey signs the same statement that a key file signs: an enrolment is its own proof that
   somebody has the key.
"""

import hashlib
import secrets
from typing import Protocol

from remit.approvals.decision import Approver
from remit.approvals.enrolment import ENROLMENT, check_person, enrolment_bytes
from remit.approvals.errors import ApprovalError
from remit.approvals.webauthn import Evidence as Signed
from remit.approvals.webauthn import dump_evidence, verify_evidence
from remit.attest.ecdsa import PublicKey
from remit.attest.webauthn import Assertion, Credential
from remit.core.clock import Clock
from remit.core.text import printable
from remit.guard.approvals.desk import Desk
from remit.guard.ledger import Ledger
from remit.guard.store.approvals import Invitation

TOKEN_BYTES = 32
LIFE_US = 15 * 60 * 1_000_000


class Known(Protocol):
    """Who a provider says that somebody is."""

    @property
    def user(self) -> str:
        """As the policy bundle calls them."""
        ...

    @property
    def name(self) -> str:
        """Printed name."""
        ...

    @property
    def issuer(self) -> str:
        """By whom."""
        ...

    @property
    def subject(self) -> str:
        """The provider's own name for them."""
        ...

    @property
    def acr(self) -> str:
        """How they were authenticated."""
        ...


class Invitations:
    """See the module's text. Belongs to the event loop's thread."""

    def __init__(self, desk: Desk, ledger: Ledger, clock: Clock) -> None:
        self._desk = desk
        self._ledger = ledger
        self._clock = clock

    async def invite(self, user: str, name: str, by: str) -> tuple[str, int]:
        """The link for somebody, and the wall time until which it counts.

        Raises:
            RemitError: they cannot be enrolled, or there are no pages to do it on.
        """
        party = self._desk.party
        if party is None:
            raise ApprovalError(
                "this Guard has no pages on which passkeys work",
                hint="listen on this machine, or set tls_cert, tls_key and url in [http]; "
                "an address of numbers will not do, passkeys need a name",
                code="approval.no_pages",
            )
        check_person(user, name)
        if any(a.id == user and not a.revoked_us for a in await self._desk.roster.all()):
            raise ApprovalError(
                f"`{user}` is enrolled already",
                hint=f"`remit approvals revoke {user}` ends that",
                code="approval.twice",
            )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        expires_us = self._clock.now_us() + LIFE_US
        invitation = Invitation(
            user=user, name=name, by=by, token=_digest(token), expires_us=expires_us
        )
        index = self._ledger.note(
            "approver.invite", user=user, name=name, by=printable(by, 100), expires_us=expires_us
        )
        await self._ledger.durable(index)
        await self._desk.read(lambda store: store.invite(invitation))
        # Behind the number sign, where browsers keep it to themselves until the page asks.
        return f"{party.origin}/approvals/enrol#{token}", expires_us

    async def known(self, identity: "Known") -> Invitation:
        """The invitation of somebody whom a provider knows: they open it themselves, at once.

        Raises:
            RemitError: they cannot be enrolled.
        """
        check_person(identity.user, identity.name)
        invitation = Invitation(
            user=identity.user,
            name=identity.name,
            by=f"{identity.issuer} {identity.subject}",
            issuer=identity.issuer,
            token=_digest(secrets.token_urlsafe(TOKEN_BYTES)),
            expires_us=self._clock.now_us() + LIFE_US,
        )
        index = self._ledger.note(
            "approver.invite", user=identity.user, name=identity.name,
            by=printable(invitation.by, 300), acr=printable(identity.acr, 100),
            expires_us=invitation.expires_us,
        )  # fmt: skip
        await self._ledger.durable(index)
        await self._desk.read(lambda store: store.invite(invitation))
        return invitation

    async def opened(self, token: str) -> Invitation:
        """The invitation that a link names.

        Raises:
            RemitError: it was used, has expired, or never was.
        """
        digest, now_us = _digest(token), self._clock.now_us()
        found = await self._desk.read(lambda store: store.invited(digest, now_us))
        if found is None:
            raise ApprovalError(
                "this invitation does not count: it was used, or is too old",
                hint="ask for a new one",
                code="approval.invitation",
            )
        return found

    def statement(self, invitation: Invitation, credential: Credential) -> bytes:
        """What the passkey has to sign."""
        return enrolment_bytes(
            invitation.user, invitation.name, self._desk.guard_id, PublicKey(credential.key)
        )

    async def accept(
        self, invitation: Invitation, credential: Credential, assertion: Assertion
    ) -> Approver:
        """Enrol whoever signed :meth:`statement`.

        Raises:
            RemitError: it is refused; the invitation still counts.
        """
        if self._desk.party is None:
            raise ApprovalError("this Guard has no pages", code="approval.no_pages")
        await self._opened_again(invitation)
        statement = self.statement(invitation, credential)
        evidence = Signed(purpose=ENROLMENT, statement=statement, assertion=assertion)
        key = PublicKey(credential.key)
        payload = verify_evidence(evidence, ENROLMENT, credential.id, key, self._desk.party)
        approver = Approver(
            id=invitation.user,
            name=invitation.name,
            key=key.der,
            credential=credential.id,
            issuer=invitation.issuer,
            enrolled_us=self._clock.now_us(),
        )
        await self._desk.roster.admit(
            approver, payload, dump_evidence(evidence), invitation.by,
            invitation=invitation.token, how="passkey", model=credential.model,
            synchronised=credential.synchronised,
        )  # fmt: skip
        return approver

    async def _opened_again(self, invitation: Invitation) -> None:
        now_us = self._clock.now_us()
        found = await self._desk.read(lambda store: store.invited(invitation.token, now_us))
        if found != invitation:
            raise ApprovalError("this invitation counts no more", code="approval.invitation")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
