"""The pages of approvals: who may see what, what a form must hold, and what is signed.

Rules:

1. Before anything else a request names this very host, and a form comes from a page of ours:
   exact ``Origin``, and the secret of the visit (CSRF).
2. Whoever is logged in is asked again by every request: the enrolment must still count.
3. A page shows :func:`render` of a request; the form brings back the digests of what it showed,
   and if Guard would show something else now, nothing is signed.
4. Guard builds the statement; the passkey signs its digest; the desk verifies all of it.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from remit.approvals.decision import APPROVAL, Approver, Word, statement
from remit.approvals.enrolment import ENROLMENT
from remit.approvals.errors import ApprovalError
from remit.approvals.rendering import displayed, render
from remit.approvals.request import Request
from remit.approvals.webauthn import Evidence, dump_evidence
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
from remit.guard.approvals.views import Views, open_words, said_by
from remit.guard.http.app import read_body
from remit.guard.http.heads import HttpRefusal, Rules, read_fields
from remit.guard.http.responses import Receive, Scope, Send, respond
from remit.guard.inbox.compare import compared
from remit.guard.inbox.exchange import (
    MAX_FORM,
    Asked,
    Cookies,
    PageError,
    Reply,
    read_form,
    read_query,
    see,
)
from remit.guard.inbox.pages import asset, page
from remit.guard.inbox.visits import Attempts, Visit, Visits
from remit.guard.ledger import Ledger
from remit.guard.store.approvals import Invitation

HOME = "/approvals"
SESSION_S, MAX_SESSIONS = 1800.0, 1000
GUEST_S, MAX_GUESTS = 900.0, 2000
MAX_FAILED, MAX_NOTED = 10, 60
CHALLENGE_BYTES = 32
MAX_DIGITS = 3
PATIENCE_MS = 120_000
_FOR_GUESTS = (f"{HOME}/login", f"{HOME}/enrol")
_REQUEST = re.compile(r"/approvals/(APR-[0-9A-Z]{26})(/decide|/sign)?")
_STATUS = {
    "approval.unknown": 404, "approval.not_permitted": 403, "approval.requester": 403,
    "approval.settled": 409, "approval.mismatch": 409, "approval.expired": 409,
    "approval.twice": 409, "approval.store": 503, "approval.invitation": 410,
}  # fmt: skip

Refused = Callable[[int, str], None]
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


class _Sign(msgspec.Struct, frozen=True):
    """About a task: a statement is signed."""

    request: str
    statement: bytes


class Inbox:
    """See the module's text. Belongs to the event loop's thread.

    Args:
        desk, invitations: what the pages show and do.
        party: whose pages they are.
        rules: what heads of requests may say.
        ledger, clock: records and time.
        refused: told of status and code of what went no further.
    """

    def __init__(
        self, desk: Desk, invitations: Invitations, party: Party, rules: Rules, ledger: Ledger,
        clock: Clock, refused: Refused,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._views = Views(desk)
        self._invitations = invitations
        self._party = party
        self._rules = rules
        self._ledger = ledger
        self._clock = clock
        self._refused = refused
        self._cookies = Cookies(party)
        self._sessions = Visits(clock, SESSION_S, MAX_SESSIONS)
        self._guests = Visits(clock, GUEST_S, MAX_GUESTS)
        self._attempts = Attempts(clock, MAX_FAILED)
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", HOME): self._inbox,
            ("GET", f"{HOME}/past"): self._past,
            ("GET", f"{HOME}/login"): self._login_page,
            ("POST", f"{HOME}/login"): self._login,
            ("POST", f"{HOME}/logout"): self._logout,
            ("GET", f"{HOME}/enrol"): self._enrol_page,
            ("POST", f"{HOME}/enrol"): self._enrol_open,
            ("POST", f"{HOME}/enrol/key"): self._enrol_key,
            ("POST", f"{HOME}/enrol/sign"): self._enrol_sign,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer one request.

        Raises:
            HttpRefusal: its head is not for this listener, or its body does not come.
        """
        fields, _ = read_fields(scope["headers"], self._rules)
        try:
            reply = await self._reply(scope, receive, path, fields)
        except (PageError, HttpRefusal) as error:
            reply = self._failed(error.status, error)
        except RemitError as error:
            reply = self._failed(_STATUS.get(error.code, 400), error)
        await respond(send, reply.status, reply.headers, reply.body)

    async def _reply(
        self, scope: Scope, receive: Receive, path: str, fields: Mapping[str, str]
    ) -> Reply:
        method: str = scope["method"]
        if f"://{fields['host'].lower()}" != self._party.origin[self._party.origin.index(":") :]:
            if method == "GET":
                return see(self._party.origin + path)
            raise PageError(421, "these pages are elsewhere", hint=self._party.origin)
        if path.startswith(f"{HOME}/static/") and method == "GET":
            return asset(path.removeprefix(f"{HOME}/static/"))
        handler = self._routes.get((method, path)) or self._of_request(method, path)
        if handler is None:
            raise PageError(404, "there is no such page", code="inbox.unknown")
        token, guest_token = self._cookies.read(fields.get("cookie", ""))
        asked = Asked(
            method=method,
            path=path,
            query=read_query(scope.get("query_string", b"").join((b"?", b""))),
            form={},
            address=(scope.get("client") or ("",))[0],
            by_person="x-remit-live" not in fields,
            token=token,
            guest_token=guest_token,
        )
        asked.session = await self._session(asked)
        asked.guest = self._guests.find(guest_token) if guest_token else None
        if method == "POST":
            await self._check_form(asked, fields, receive)
        return await handler(asked)

    def _of_request(self, method: str, path: str) -> Handler | None:
        """The handler of a request's page, or of one of its two forms."""
        found = _REQUEST.fullmatch(path)
        if found is None:
            return None
        name, verb = found[1], found[2] or ""
        handlers = {("GET", ""): self._show, ("POST", "/decide"): self._decide,
                    ("POST", "/sign"): self._sign}  # fmt: skip
        chosen = handlers.get((method, verb))
        return None if chosen is None else lambda asked: chosen(asked, name)

    async def _check_form(self, asked: Asked, fields: Mapping[str, str], receive: Receive) -> None:
        """A form of ours, posted by a page of ours."""
        if fields.get("origin") != self._party.origin:
            raise PageError(403, "the form is of another page", code="inbox.origin")
        asked.form = read_form(fields, await read_body(receive, MAX_FORM))
        # A guest's secret never opens what is for somebody who is logged in.
        visit = asked.guest if asked.path.startswith(_FOR_GUESTS) else asked.session
        given = asked.form.get("csrf", "").encode()
        if visit is None or not hmac.compare_digest(visit.csrf.encode(), given):
            raise PageError(
                403, "your visit has ended",
                hint="go back to the page, load it again, and repeat", code="inbox.csrf",
            )  # fmt: skip

    def _failed(self, status: int, error: RemitError) -> Reply:
        self._refused(status, error.code)
        return page("error", status=status, error=error, approver=None, csrf="")

    # --- who is there ---------------------------------------------------------------------------

    async def _session(self, asked: Asked) -> Visit | None:
        """The visit of somebody whose enrolment still counts."""
        visit = self._sessions.find(asked.token, by_person=asked.by_person) if asked.token else None
        if visit is None:
            return None
        if await self._approver(lambda a: a.id == visit.user and a.key == visit.key) is None:
            self._sessions.end(asked.token)
            return None
        return visit

    async def _approver(self, matches: Callable[[Approver], bool]) -> Approver | None:
        for approver in await self._desk.approvers():
            if approver.credential and self._desk.counts(approver) and matches(approver):
                return approver
        return None

    async def _myself(self, asked: Asked) -> Approver:
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
            to=_place(asked.query.get("to", "")), options=self._to_sign(challenge, None),
        )  # fmt: skip

    async def _login(self, asked: Asked) -> Reply:
        self._not_too_often(asked.address)
        visit, _ = self._guest(asked)
        task = self._guests.take(visit)
        approver = None
        try:
            if task is None or not isinstance(task.about, _Login):
                raise PageError(400, "the page is too old", hint="load it again", code="inbox.old")
            assertion = _assertion(asked)
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
        self._sessions.end(asked.token)
        token, _ = self._sessions.begin(approver.id, approver.key)
        return see(_place(to), **{"set-cookie": self._cookies.session(token)})

    async def _logout(self, asked: Asked) -> Reply:
        self._sessions.end(asked.token)
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
            raise _too_old()
        credential = registered(
            asked.data("client"), asked.data("authenticator"), self._party, task.challenge
        )
        about = _Enrol(task.about.invitation, credential)
        text = self._invitations.statement(about.invitation, credential)
        challenge = challenge_of(ENROLMENT, text)
        self._guests.give(visit, challenge, about)
        return page(
            "enrol_sign", approver=None, csrf=visit.csrf, invitation=about.invitation,
            guard=self._desk.guard_id, options=self._to_sign(challenge, credential.id),
        )  # fmt: skip

    async def _enrol_sign(self, asked: Asked) -> Reply:
        visit, _ = self._guest(asked)
        task = self._guests.take(visit)
        if task is None or not isinstance(task.about, _Enrol):
            raise _too_old()
        about = task.about
        approver = await self._invitations.accept(
            about.invitation, about.credential, _assertion(asked)
        )
        return self._let_in(asked, approver, "")

    # --- lists and requests ---------------------------------------------------------------------

    async def _inbox(self, asked: Asked) -> Reply:
        if asked.session is None:
            return see(f"{HOME}/login")
        approver = await self._myself(asked)
        now_us = self._clock.now_us()
        found = await self._views.waiting(approver.id, now_us, asked.query.get("after", ""))
        count = await self._views.count(approver.id, now_us)
        return page(
            "inbox", approver=approver, csrf=asked.session.csrf, found=found, now_us=now_us,
            count=count, after=asked.query.get("after", ""),
        )  # fmt: skip

    async def _past(self, asked: Asked) -> Reply:
        if asked.session is None:
            return see(f"{HOME}/login?to={asked.path}")
        approver = await self._myself(asked)
        now_us = self._clock.now_us()
        found = await self._views.past(approver.id, now_us, asked.query.get("before", ""))
        return page(
            "past", approver=approver, csrf=asked.session.csrf, found=found, now_us=now_us,
        )  # fmt: skip

    async def _show(self, asked: Asked, name: str) -> Reply:
        if asked.session is None:
            return see(f"{HOME}/login?to={asked.path}")
        approver = await self._myself(asked)
        kept, state = await self._views.show(approver.id, name)
        request = kept.request
        similar = await self._views.similar(approver.id, request)
        said = said_by(kept, approver.id)
        words = [word for word in open_words(state) if word not in said]
        can = self._desk.may_decide(request, approver.id)
        return page(
            "request", approver=approver, csrf=asked.session.csrf, kept=kept, request=request,
            state=state, text=render(request), displayed=displayed(request),
            words=words if can else [], now_us=self._clock.now_us(), similar=similar,
            lines=compared(request, similar[0].request) if similar else None,
        )  # fmt: skip

    # --- deciding -------------------------------------------------------------------------------

    async def _decide(self, asked: Asked, name: str) -> Reply:
        """Show what will be signed, and ask for the signature."""
        approver = await self._myself(asked)
        assert asked.session is not None
        kept, state = await self._views.show(approver.id, name)
        request, form = kept.request, asked.form
        word = _word(form.get("word", ""))
        _check_shown(request, form)
        if word not in open_words(state):
            raise ApprovalError(f"the request is {state.value}", code="approval.settled")
        reason, ticket = form.get("reason", "").strip(), form.get("ticket", "").strip()
        text = statement(
            request, approver, word, reason=reason, ticket=ticket,
            signed_us=self._clock.now_us(), uses=_uses(form) if word == "approve" else 1,
        )  # fmt: skip
        challenge = challenge_of(APPROVAL, text)
        self._sessions.give(asked.session, challenge, _Sign(request.id, text))
        return page(
            "sign", approver=approver, csrf=asked.session.csrf, request=request, word=word,
            reason=reason, ticket=ticket, text=render(request), kept=kept,
            meaning=_predicate(text)["meaning"], displayed=displayed(request),
            options=self._to_sign(challenge, approver.credential),
        )  # fmt: skip

    async def _sign(self, asked: Asked, name: str) -> Reply:
        """Take the signature."""
        await self._myself(asked)
        assert asked.session is not None
        task = self._sessions.take(asked.session)
        if task is None or not isinstance(task.about, _Sign) or task.about.request != name:
            raise _too_old()
        evidence = Evidence(
            purpose=APPROVAL, statement=task.about.statement, assertion=_assertion(asked)
        )
        await self._desk.say(name, dump_evidence(evidence), f"web:{asked.address}")
        return see(f"{HOME}/{name}")

    # --- what browsers are asked ----------------------------------------------------------------

    def _to_sign(self, challenge: bytes, credential: bytes | None) -> str:
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


def _word(text: str) -> Word:
    if text == "approve":
        return "approve"
    if text == "deny":
        return "deny"
    raise PageError(400, "approve or deny", code="inbox.form")


def _uses(form: Mapping[str, str]) -> int:
    text = form.get("uses", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise PageError(400, "the number of calls is no number", code="inbox.form")
    return int(text)


def _check_shown(request: Request, form: Mapping[str, str]) -> None:
    """The page that was answered showed what would be signed now."""
    expected = request.action.digest, displayed(request)
    if (form.get("digest"), form.get("displayed")) != expected:
        raise ApprovalError(
            "the page showed something else",
            hint="load the request again, and read what it shows now",
            code="approval.mismatch",
        )


def _predicate(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["predicate"]
    return found


def _assertion(asked: Asked) -> Assertion:
    return Assertion(
        credential=asked.data("credential"),
        client_data=asked.data("client"),
        authenticator_data=asked.data("authenticator"),
        signature=asked.data("signature"),
    )


def _place(text: str) -> str:
    """Where somebody goes after logging in: to a page of ours, whatever a link says."""
    return text if _REQUEST.fullmatch(text) or text == f"{HOME}/past" else HOME


def _too_old() -> PageError:
    return PageError(
        409, "the page is too old, or was used before",
        hint="go back, load the request again, and sign within two minutes", code="inbox.old",
    )  # fmt: skip
