"""Telling people that a call waits for them: a view of the durable request, no way to answer it.

A message names the request and where to read it, and holds no arguments: whoever sees a channel is
no approver. What cannot be delivered is tried again until the request expires, then recorded; the
request stands whatever happens here.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from remit.approvals.rendering import iso
from remit.approvals.request import Request
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.errors import GuardError
from remit.guard.ledger import Ledger

TIMEOUT_S = 15.0
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
MAX_TRIES = 8
MAX_WAITING = 1000
_OK = range(200, 300)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is told.

    Attributes:
        id: of this message, the same in each try.
        request: id of the request.
        title, text: for people.
        link: where it can be read, empty if nobody said.
        body: for programs.
    """

    id: str
    request: str
    title: str
    text: str
    link: str
    body: Mapping[str, Any]


class Notifier(Protocol):
    """A way to tell people."""

    name: str

    async def send(self, message: Message) -> None:
        """Deliver a message.

        Raises:
            Exception: it was not delivered, as far as can be seen.
        """
        ...


def message_of(request: Request, base: str) -> Message:
    """What is told of a request; ``base`` is the URL of Guard's pages."""
    action = request.action
    link = f"{base.rstrip('/')}/approvals/{request.id}" if base else ""
    about = {
        "request": request.id,
        "guard": request.guard,
        "action": printable(action.name, 300),
        "agent": printable(action.agent, 200),
        "user": printable(action.user, 200),
        "rule": request.rule,
        "reason": printable(request.reason, 500),
        "approvers": printable(request.approvers, 200),
        "quorum": request.quorum,
        "class": request.tool_class.value if request.tool_class else "",
        "findings": list(request.findings),
        "expires": iso(request.expires_us),
        "link": link,
    }
    lines = [
        f"{about['agent']} wants to call {about['action']} for {about['user']}.",
        f"It takes {request.quorum} of {about['approvers']} until {about['expires']}.",
    ]
    if request.reason:
        lines.append(f"Why: {about['reason']}")
    lines.append(link or f"remit approvals show {request.id}")
    return Message(
        id=f"msg_{secrets.token_hex(12)}",
        request=request.id,
        title=f"Approval needed: {about['action']} ({request.id})",
        text="\n".join(lines),
        link=link,
        body={"type": "approval.requested", "data": about},
    )


class Webhook:
    """A POST of JSON, signed as Standard Webhooks says (``v1``, HMAC-SHA256).

    The receiver checks ``webhook-signature`` over ``id.timestamp.body``, refuses old timestamps,
    and takes each ``webhook-id`` once.

    Args:
        url: HTTPS, or on this machine; redirects are not followed.
        secret: gives the shared secret: ``whsec_`` and base64.
        clock: for the timestamp.
    """

    name = "webhook"

    def __init__(self, url: str, secret: Callable[[], str], clock: Clock) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock

    async def send(self, message: Message) -> None:
        """See :class:`Notifier`."""
        import aiohttp

        body = json.dumps(message.body, separators=(",", ":")).encode()
        stamp = str(self._clock.now_us() // 1_000_000)
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._secret(), message.id, stamp, body),
        }
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session,
            session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            if response.status not in _OK:
                raise GuardError(f"the receiver answered {response.status}", code="notify.refused")


def signature(secret: str, number: str, stamp: str, body: bytes) -> str:
    """The ``webhook-signature`` of a body (Standard Webhooks 1.0).

    Raises:
        GuardError: the secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise GuardError(
            "the webhook's secret is not `whsec_` and base64", code="notify.secret"
        ) from error
    signed = f"{number}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Apprise:
    """Chat, mail and more, by one of apprise's URLs (the extra ``remit[notify]``)."""

    def __init__(self, url: Callable[[], str], name: str) -> None:
        self._url = url
        self.name = name

    async def send(self, message: Message) -> None:
        """See :class:`Notifier`."""
        async with asyncio.timeout(2 * TIMEOUT_S):
            sent = await asyncio.to_thread(self._send, message)
        if not sent:
            raise GuardError("the service did not take the message", code="notify.refused")

    def _send(self, message: Message) -> bool:
        import apprise

        service = apprise.Apprise()
        if not service.add(self._url()):
            raise GuardError("this is no URL that apprise knows", code="notify.url")
        return bool(service.notify(body=message.text, title=message.title))


class Notices:
    """Messages on their way. Belongs to the event loop's thread.

    Args:
        notifiers: every one is told.
        ledger, clock: records and time.
        base: URL of Guard's pages, known once it listens.
    """

    def __init__(
        self, notifiers: Sequence[Notifier], ledger: Ledger, clock: Clock, base: Callable[[], str]
    ) -> None:
        self.notifiers = notifiers
        self._ledger = ledger
        self._clock = clock
        self._base = base
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, request: Request) -> None:
        """Tell everybody of a durable request, soon. Never raises."""
        message = message_of(request, self._base())
        for notifier in self.notifiers:
            if len(self._tasks) >= MAX_WAITING:
                self._note(notifier, message, "too many messages wait")
                continue
            task = asyncio.get_running_loop().create_task(self._tell(notifier, message, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, notifier: Notifier, message: Message, request: Request) -> None:
        pause_s, why = FIRST_PAUSE_S, ""
        for _ in range(MAX_TRIES):
            try:
                await notifier.send(message)
            except Exception as error:  # noqa: BLE001 - of other people's programs, anything
                why = error.message if isinstance(error, RemitError) else type(error).__name__
            else:
                self._note(notifier, message, "")
                return
            if self._clock.now_us() + pause_s * 1e6 >= request.expires_us:
                break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
        self._note(notifier, message, why)

    def _note(self, notifier: Notifier, message: Message, why: str) -> None:
        with contextlib.suppress(RemitError):
            self._ledger.note(
                "approval.notify",
                request=message.request,
                notifier=printable(notifier.name, 60),
                delivered=not why,
                problem=printable(why, 300),
            )

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
