"""The pages of approvals: who may see what, what a form must hold, and what is signed.

Rules:

1. Before anything else a request names this very host, and a form comes from a page of ours:
   exact ``Origin``, and the secret of the visit (CSRF).
2. Whoever is logged in is asked again by every request: the enrolment must still count.
3. A page shows :func:`render` of a request; the form brings back the digests of what it showed,
   and if Guard would show something else now, nothing is signed.
4. Guard builds the statement; the passkey signs its digest; the desk verifies all of it.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from remit.approvals.decision import APPROVAL, Word, statement
from remit.approvals.errors import ApprovalError
from remit.approvals.rendering import displayed, render
from remit.approvals.request import Request
from remit.approvals.webauthn import Evidence, dump_evidence
from remit.attest.webauthn import Party, challenge_of
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.guard.approvals.desk import Desk
from remit.guard.approvals.invitations import Invitations
from remit.guard.approvals.views import Views, open_words, said_by
from remit.guard.http.app import read_body
from remit.guard.http.heads import HttpRefusal, Rules, read_fields
from remit.guard.http.responses import Receive, Scope, Send, respond
from remit.guard.inbox.compare import compared
from remit.guard.inbox.door import FOR_GUESTS, HOME, REQUEST, Door, Handler, assertion_of, too_old
from remit.guard.inbox.pages import asset, page
from remit.guard.ledger import Ledger
from remit.web.errors import PageError
from remit.web.exchange import MAX_FORM, Asked, Reply, read_form, read_query, see

MAX_DIGITS = 3
_STATUS = {
    "approval.unknown": 404, "approval.not_permitted": 403, "approval.requester": 403,
    "approval.settled": 409, "approval.mismatch": 409, "approval.expired": 409,
    "approval.twice": 409, "approval.store": 503, "approval.invitation": 410,
}  # fmt: skip

Refused = Callable[[int, str], None]


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

    Attributes:
        door: who is there, and how they come in.
    """

    def __init__(
        self, desk: Desk, invitations: Invitations, party: Party, rules: Rules, ledger: Ledger,
        clock: Clock, refused: Refused,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._views = Views(desk)
        self._party = party
        self._rules = rules
        self._clock = clock
        self._refused = refused
        self.door = Door(desk, invitations, party, ledger, clock)
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", HOME): self._inbox,
            ("GET", f"{HOME}/past"): self._past,
            **self.door.routes,
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
        asked = Asked(
            method=method,
            path=path,
            query=read_query(b"?" + scope.get("query_string", b"")),
            form={},
            address=(scope.get("client") or ("",))[0],
            by_person="x-remit-live" not in fields,
        )
        await self.door.look(asked, fields.get("cookie", ""))
        if method == "POST":
            await self._check_form(asked, fields, receive)
        return await handler(asked)

    def _of_request(self, method: str, path: str) -> Handler | None:
        """The handler of a request's page, or of one of its two forms."""
        found = REQUEST.fullmatch(path)
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
        visit = asked.guest if asked.path.startswith(FOR_GUESTS) else asked.session
        given = asked.form.get("csrf", "").encode()
        if visit is None or not hmac.compare_digest(visit.csrf.encode(), given):
            raise PageError(
                403, "your visit has ended",
                hint="go back to the page, load it again, and repeat", code="inbox.csrf",
            )  # fmt: skip

    def _failed(self, status: int, error: RemitError) -> Reply:
        self._refused(status, error.code)
        return page("error", status=status, error=error, approver=None, csrf="")

    # --- lists and requests ---------------------------------------------------------------------

    async def _inbox(self, asked: Asked) -> Reply:
        if asked.session is None:
            return see(f"{HOME}/login")
        approver = await self.door.myself(asked)
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
        approver = await self.door.myself(asked)
        now_us = self._clock.now_us()
        found = await self._views.past(approver.id, now_us, asked.query.get("before", ""))
        return page(
            "past", approver=approver, csrf=asked.session.csrf, found=found, now_us=now_us,
        )  # fmt: skip

    async def _show(self, asked: Asked, name: str) -> Reply:
        if asked.session is None:
            return see(f"{HOME}/login?to={asked.path}")
        approver = await self.door.myself(asked)
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
        approver = await self.door.myself(asked)
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
        self.door.sessions.give(asked.session, challenge, _Sign(request.id, text))
        return page(
            "sign", approver=approver, csrf=asked.session.csrf, request=request, word=word,
            reason=reason, ticket=ticket, text=render(request), kept=kept,
            meaning=_predicate(text)["meaning"], displayed=displayed(request),
            options=self.door.to_sign(challenge, approver.credential),
        )  # fmt: skip

    async def _sign(self, asked: Asked, name: str) -> Reply:
        """Take the signature."""
        await self.door.myself(asked)
        assert asked.session is not None
        task = self.door.sessions.take(asked.session)
        if task is None or not isinstance(task.about, _Sign) or task.about.request != name:
            raise too_old()
        evidence = Evidence(
            purpose=APPROVAL, statement=task.about.statement, assertion=assertion_of(asked)
        )
        await self._desk.say(name, dump_evidence(evidence), f"web:{asked.address}")
        return see(f"{HOME}/{name}")


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
