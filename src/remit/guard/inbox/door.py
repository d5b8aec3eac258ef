"""The door of the pages: who is there, logging in and out, and enrolling.

Whoever is logged in is asked again by every request: the enrolment must still count. Nothing here
says who may approve what; a login alone signs nothing.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from remit.approvals.decision import Approver
from remit.approvals.enrolment import ENROLMENT, check_person
from remit.attest.dsse import b64
from remit.attest.webauthn import (
    Assertion,
    Credential,
    Party,
    challenge_of,
    registered,
    verify_assertion,
)
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.guard.approvals.desk import Desk
from remit.guard.approvals.invitations import Invitations
from remit.guard.inbox.pages import page
from remit.guard.ledger import Ledger
from remit.guard.store.approvals import Invitation
from remit.web.errors import PageError
from remit.web.exchange import Asked, Cookies, Reply, see
from remit.web.openid import Identity, Leaving, OpenId
from remit.web.visits import Attempts, Visit, Visits

HOME = "/approvals"
BACK = f"{HOME}/openid/back"
REQUEST = re.compile(r"/approvals/(APR-[0-9A-Z]{26})(/decide|/sign)?")
FOR_GUESTS = (f"{HOME}/login", f"{HOME}/enrol")
SESSION_S, MAX_SESSIONS = 1800.0, 1000
GUEST_S, MAX_GUESTS = 900.0, 2000
MAX_FAILED, MAX_NOTED = 10, 60
CHALLENGE_BYTES = 32
PATIENCE_MS = 120_000

Handler = Callable[[Asked], Awaitable[Reply]]


class _Login(msgspec.Struct, frozen=True):
    """About a task: whoever answers is logged in."""


class _Create(msgspec.Struct, frozen=True):
    """About a task: a passkey is made for an invitation."""

    invitation: Invitation


class _Enrol(msgspec.Struct, frozen=True):
    """About a task: that passkey signs its enrolment."""

    invitation: Invitation
    credential: Credential


class Door:
    """See the module's text. Belongs to the event loop's thread.

    Attributes:
        sessions: visits of people who are logged in.
        openid: says who people are, besides invitations and passkeys.
        routes: what it answers.
    """

    def __init__(
        self, desk: Desk, invitations: Invitations, party: Party, ledger: Ledger, clock: Clock
    ) -> None:
        self._desk = desk
        self._invitations = invitations
        self._party = party
        self._ledger = ledger
        self._cookies = Cookies(party.origin)
        self.sessions = Visits(clock, SESSION_S, MAX_SESSIONS)
        self._guests = Visits(clock, GUEST_S, MAX_GUESTS)
        self._away = Visits(clock, GUEST_S, MAX_GUESTS)
        self._attempts = Attempts(clock, MAX_FAILED)
        self.openid: OpenId | None = None
        self.routes: dict[tuple[str, str], Handler] = {
            ("GET", f"{HOME}/login"): self._login_page,
            ("POST", f"{HOME}/login"): self._login,
            ("POST", f"{HOME}/logout"): self._logout,
            ("GET", f"{HOME}/openid"): self._openid_leave,
            ("GET", BACK): self._openid_back,
            ("GET", f"{HOME}/enrol"): self._enrol_page,
            ("POST", f"{HOME}/enrol"): self._enrol_open,
            ("POST", f"{HOME}/enrol/key"): self._enrol_key,
            ("POST", f"{HOME}/enrol/sign"): self._enrol_sign,
        }

    async def look(self, asked: Asked, cookie: str) -> None:
        """Find the visits that a browser's cookies name."""
        asked.token, asked.guest_token, asked.away_token = self._cookies.read(cookie)
        asked.session = await self._session(asked)
        asked.guest = self._guests.find(asked.guest_token) if asked.guest_token else None

    # --- who is there ---------------------------------------------------------------------------

    async def _session(self, asked: Asked) -> Visit | None:
        """The visit of somebody whose enrolment still counts."""
        visit = self.sessions.find(asked.token, by_person=asked.by_person) if asked.token else None
        if visit is None:
            return None
        if await self._approver(lambda a: a.id == visit.user and a.key == visit.key) is None:
            self.sessions.end(asked.token)
            return None
        return visit

    async def _approver(self, matches: Callable[[Approver], bool]) -> Approver | None:
        for approver in await self._desk.roster.all():
            if approver.credential and self._desk.roster.counts(approver) and matches(approver):
                return approver
        return None

    async def myself(self, asked: Asked) -> Approver:
        """Who is logged in.

        Raises:
            PageError: nobody.
        """
        visit = asked.session
        if visit is None:
            raise PageError(401, "you are not logged in", code="inbox.login")
        found = await self._approver(lambda a: a.id == visit.user and a.key == visit.key)
        if found is None:
            raise PageError(401, "you are not logged in", code="inbox.login")
        return found

    def _guest(self, asked: Asked) -> tuple[Visit, dict[str, str]]:
        """The guest's visit, and the header that says so if it is new."""
        if asked.guest is not None:
            return asked.guest, {}
        token, visit = self._guests.begin()
        return visit, {"set-cookie": self._cookies.guest(token)}

    # --- logging in -----------------------------------------------------------------------------

    async def _login_page(self, asked: Asked) -> Reply:
        if asked.session is not None:
            return see(_place(asked.query.get("to", "")))
        visit, more = self._guest(asked)
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        self._guests.give(visit, challenge, _Login())
        return page(
            "login", more=more, approver=None, csrf=visit.csrf,
            to=_place(asked.query.get("to", "")), options=self.to_sign(challenge, None),
            provider=self.openid.issuer if self.openid else "",
        )  # fmt: skip

    async def _login(self, asked: Asked) -> Reply:
        self._not_too_often(asked.address)
        visit, _ = self._guest(asked)
        task = self._guests.take(visit)
        approver = None
        try:
            if task is None or not isinstance(task.about, _Login):
                raise PageError(400, "the page is too old", hint="load it again", code="inbox.old")
            assertion = assertion_of(asked)
            approver = await self._approver(lambda a: a.credential == assertion.credential)
            if approver is None:
                raise PageError(403, "nobody is enrolled with this passkey", code="inbox.stranger")
            self._not_too_often(f"user {approver.id}")
            verify_assertion(
                assertion, approver.credential, approver.public, self._party, task.challenge
            )
        except RemitError as error:
            self._count_failure(asked, error, approver)
            raise
        return self._let_in(asked, approver, asked.form.get("to", ""))

    def _let_in(self, asked: Asked, approver: Approver, to: str) -> Reply:
        """Begin a new visit of somebody who has shown who they are."""
        self._ledger.note(
            "approver.login", user=approver.id, key=approver.public.fingerprint,
            address=asked.address,
        )  # fmt: skip
        self._guests.end(asked.guest_token)
        self.sessions.end(asked.token)
        token, _ = self.sessions.begin(approver.id, approver.key)
        return see(_place(to), **{"set-cookie": self._cookies.session(token)})

    async def _openid_leave(self, asked: Asked) -> Reply:
        """Send the browser to the provider."""
        provider = self._provider()
        self._not_too_often(asked.address)
        place, leaving = await provider.begin(_place(asked.query.get("to", "")))
        token, visit = self._away.begin()
        self._away.give(visit, b"", leaving)
        return see(place, **{"set-cookie": self._cookies.away(token)})

    async def _openid_back(self, asked: Asked) -> Reply:
        """The provider sent a browser back: somebody is known, or may be enrolled."""
        provider = self._provider()
        self._not_too_often(asked.address)
        visit = self._away.find(asked.away_token) if asked.away_token else None
        task = self._away.take(visit) if visit else None
        self._away.end(asked.away_token)
        try:
            if task is None or not isinstance(task.about, Leaving):
                raise PageError(
                    403, "this browser was not sent there, or too long ago", code="openid.state"
                )
            identity = await provider.finish(task.about, asked.query)
            check_person(identity.user, identity.name)
        except RemitError as error:
            self._count_failure(asked, error)
            raise
        approver = await self._approver(lambda a: a.id == identity.user)
        if approver is None:
            return await self._openid_enrol(identity)
        if approver.issuer != identity.issuer:
            # An operator enrolled somebody of this name, who need not be the provider's.
            raise PageError(
                403, f"`{identity.user}` is not enrolled by this provider",
                hint=f"`remit approvals revoke {identity.user}`, then log in here again",
                code="openid.enrolled",
            )  # fmt: skip
        reply = self._let_in(asked, approver, task.about.to)
        # A page of the provider sent the browser here, so it would not bring the new cookie along
        # to where a redirect points: a page of ours has to lead there.
        return page(
            "landed", more={"set-cookie": reply.more["set-cookie"]}, approver=None, csrf="",
            to=_place(task.about.to),
        )  # fmt: skip

    async def _openid_enrol(self, identity: Identity) -> Reply:
        invitation = await self._invitations.known(identity)
        token, visit = self._guests.begin()
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        self._guests.give(visit, challenge, _Create(invitation))
        return page(
            "enrol_key", more={"set-cookie": self._cookies.guest(token)}, approver=None,
            csrf=visit.csrf, invitation=invitation, guard=self._desk.guard_id,
            options=self._to_create(challenge, invitation),
        )  # fmt: skip

    def _provider(self) -> OpenId:
        if self.openid is None:
            raise PageError(404, "there is no such page", code="inbox.unknown")
        return self.openid

    async def _logout(self, asked: Asked) -> Reply:
        self.sessions.end(asked.token)
        return see(f"{HOME}/login", **{"set-cookie": self._cookies.session("")})

    def _not_too_often(self, who: str) -> None:
        if self._attempts.blocked(who):
            raise PageError(
                429, "too many attempts failed", hint="wait a minute", code="inbox.too_many"
            )

    def _count_failure(
        self, asked: Asked, error: RemitError, approver: Approver | None = None
    ) -> None:
        user = approver.id if approver else ""
        if user:
            self._attempts.failed(f"user {user}")
        # What a stranger can make happen at will is not recorded without end.
        if self._attempts.failed(asked.address) <= MAX_NOTED:
            self._ledger.note("approver.refused", code=error.code, address=asked.address, user=user)

    # --- enrolling ------------------------------------------------------------------------------

    async def _enrol_page(self, asked: Asked) -> Reply:
        visit, more = self._guest(asked)
        return page("enrol", more=more, approver=None, csrf=visit.csrf)

    async def _enrol_open(self, asked: Asked) -> Reply:
        self._not_too_often(asked.address)
        visit, _ = self._guest(asked)
        try:
            invitation = await self._invitations.opened(asked.form.get("token", ""))
        except RemitError as error:
            self._count_failure(asked, error)
            raise
        challenge = secrets.token_bytes(CHALLENGE_BYTES)
        self._guests.give(visit, challenge, _Create(invitation))
        return page(
            "enrol_key", approver=None, csrf=visit.csrf, invitation=invitation,
            guard=self._desk.guard_id, options=self._to_create(challenge, invitation),
        )  # fmt: skip

    async def _enrol_key(self, asked: Asked) -> Reply:
        visit, _ = self._guest(asked)
        task = self._guests.take(visit)
        if task is None or not isinstance(task.about, _Create):
            raise too_old()
        credential = registered(
            asked.data("client"), asked.data("authenticator"), self._party, task.challenge
        )
        about = _Enrol(task.about.invitation, credential)
        text = self._invitations.statement(about.invitation, credential)
        challenge = challenge_of(ENROLMENT, text)
        self._guests.give(visit, challenge, about)
        return page(
            "enrol_sign", approver=None, csrf=visit.csrf, invitation=about.invitation,
            guard=self._desk.guard_id, options=self.to_sign(challenge, credential.id),
        )  # fmt: skip

    async def _enrol_sign(self, asked: Asked) -> Reply:
        visit, _ = self._guest(asked)
        task = self._guests.take(visit)
        if task is None or not isinstance(task.about, _Enrol):
            raise too_old()
        about = task.about
        approver = await self._invitations.accept(
            about.invitation, about.credential, assertion_of(asked)
        )
        return self._let_in(asked, approver, "")

    # --- what browsers are asked ----------------------------------------------------------------

    def to_sign(self, challenge: bytes, credential: bytes | None) -> str:
        """Options of ``navigator.credentials.get``; without a credential, whichever fits."""
        allowed = [] if credential is None else [b64(credential)]
        return json.dumps(
            {
                "challenge": b64(challenge),
                "rpId": self._party.id,
                "allow": allowed,
                "timeout": PATIENCE_MS,
            }
        )

    def _to_create(self, challenge: bytes, invitation: Invitation) -> str:
        """Options of ``navigator.credentials.create``."""
        # The same for the same user, so that a new passkey takes the place of a revoked one.
        handle = hashlib.sha256(f"{self._desk.guard_id}\0{invitation.user}".encode()).digest()
        return json.dumps(
            {
                "challenge": b64(challenge),
                "rpId": self._party.id,
                "rpName": f"Remit {self._desk.guard_id}",
                "userHandle": b64(handle),
                "user": invitation.user,
                "name": invitation.name,
                "timeout": PATIENCE_MS,
            }
        )


def assertion_of(asked: Asked) -> Assertion:
    """What the passkey said, as the script filled it into a form.

    Raises:
        PageError: it said nothing.
    """
    return Assertion(
        credential=asked.data("credential"),
        client_data=asked.data("client"),
        authenticator_data=asked.data("authenticator"),
        signature=asked.data("signature"),
    )


def _place(text: str) -> str:
    """Where somebody goes after logging in: to a page of ours, whatever a link says."""
    return text if REQUEST.fullmatch(text) or text == f"{HOME}/past" else HOME


def too_old() -> PageError:
    """Why a page that was asked for a signature gets none any more."""
    return PageError(
        409, "the page is too old, or was used before",
        hint="go back, load the request again, and sign within two minutes", code="inbox.old",
    )  # fmt: skip
