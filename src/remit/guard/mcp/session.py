"""One client connected to one server, both protocol eras, both directions.

The session holds what both directions share: the era, the requests in flight, the records, the
bytes out. What a message of the client does is in :mod:`.client_side`, what one of the server does
in :mod:`.server_side`. Neither judges: every event goes through :meth:`Guard.judge`.

Invariants:

* The id spaces of the two directions are independent, and Guard's own ids carry a random prefix.
* A request of the client is in ``calls`` from its arrival to its answer, and gets exactly one
  answer: from the server, from Guard, or, if it was cancelled, none.
* Nothing is forwarded before its verdict allows it.
* What is sent was written anew from the parsed form.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from remit.core.clock import Clock
from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.core.event import Agent, Event, Kind
from remit.core.ids import ENTROPY_BYTES, EntropyPool, ulid
from remit.guard.eager import start
from remit.guard.errors import GuardError
from remit.guard.judge import Guard
from remit.guard.ledger import Ledger, Outcome
from remit.guard.mcp.calls import Call, Continuations, State
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.client_side import ClientSide
from remit.guard.mcp.confirm import Asker
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import (
    UPSTREAM_FAILED,
    Id,
    Message,
    Notification,
    Refused,
    Request,
    Response,
    failure,
)
from remit.guard.mcp.methods import META_CAPABILITIES, META_VERSION, MODERN_VERSIONS, Era
from remit.guard.mcp.own import OwnRequests
from remit.guard.mcp.server_side import ServerSide
from remit.guard.memory import Memories

MAX_NOISE = 64
MAX_SWEEP_S = 1.0
ENDLESS = frozenset({"subscriptions/listen"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one session.

    Attributes:
        client_bytes, server_bytes: longest message of each side.
        call_s: longest time for a call at the server.
        own_s: longest time for a request that Guard makes itself.
        confirm_s: longest time a person has to confirm.
        hold_s: longest time a call is held for an approval, if its client waits so long.
    """

    client_bytes: int = 4 << 20
    server_bytes: int = 32 << 20
    call_s: float = 600.0
    own_s: float = 60.0
    confirm_s: float = 300.0
    hold_s: float = 600.0


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is made of and does not own.

    Attributes:
        guard, ledger, clock: the corridor, its records, the time.
        catalog: the server's accepted tools.
        user: the operating system's user.
        terminal: where a person confirms if the client cannot ask.
        memories: what agents were given, on all their connections.
    """

    guard: Guard
    ledger: Ledger
    clock: Clock
    catalog: Catalog
    user: str
    terminal: Asker | None = None
    memories: Memories = msgspec.field(default_factory=Memories)


class Session:
    """See the module's text. Everything runs in the event loop's thread.

    Sessions of one ``scope`` share what the agent was given; without one a session is alone.

    Attributes:
        era: what the two ends settled on; it is set by an answer of the server, once.
        calls: requests of the client in flight.
        connected: whether policy let this client connect.
        gone: why the server is no more, empty while it is there.
        barred: why it was not started, or was stopped; everything that would reach it is denied
            so.
    """

    def __init__(
        self,
        parties: Parties,
        agent: Agent,
        limits: Limits,
        *,
        to_client: Callable[[Message], None],
        to_server: Callable[[Message], None],
        stuck: Callable[[], bool] = lambda: False,
        scope: str = "",
    ) -> None:
        self._stuck = stuck
        self.parties = parties
        self.agent = agent
        self.limits = limits
        self._entropy = EntropyPool(os.urandom)
        self.id = self.new_id()
        self.state = parties.memories.session(scope or self.id)
        self.era = Era.UNKNOWN
        self.client_capabilities: dict[str, Any] = {}
        self.continuations = Continuations()
        self.calls: dict[Id, Call] = {}
        self.gone = ""
        self.barred: Decision | None = None
        self.connected = False
        self._to_client = to_client
        self._to_server = to_server
        self._tasks: set[asyncio.Task[None]] = set()
        self._noise = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.own_up = OwnRequests(self.write_server)
        self.own_down = OwnRequests(self.write_client)
        self._client = ClientSide(self)
        self._server = ServerSide(self)

    def from_client(self, line: Line | Overlong) -> None:
        """One line of the client. Never raises."""
        self._client.receive(line)

    def take(self, message: Message) -> None:
        """A message of the client that its surface has parsed strictly already. Never raises."""
        self._client.take(message)

    def from_server(self, line: Line | Overlong) -> None:
        """One line of the server. Never raises."""
        self._server.receive(line)

    def asked_by_server(self, message: Response) -> None:
        """An answer of the client to something that the server asked.

        Raises:
            Refused: nobody asked.
        """
        self._server.asks.answered(message)

    def progress_of_client(self, message: Notification) -> None:
        """Progress of the client on something that the server asked."""
        self._server.asks.progress(message)

    @property
    def opening(self) -> bool:
        """Whether ``initialize`` is under way."""
        return any(call.request.method == "initialize" for call in self.calls.values())

    def opened(self) -> None:
        """``initialize`` was answered."""
        self._client.opened()

    def new_id(self) -> str:
        """A fresh ULID."""
        return ulid(self.parties.clock.now_us(), self._entropy(ENTROPY_BYTES))

    def event(self, kind: Kind, method: str, given: Mapping[str, Any], **more: Any) -> Event:
        """An event of this session; ``more`` are fields that only tool calls have."""
        fields = {"action": str(kind), **more}
        return Event(
            id=self.new_id(),
            kind=kind,
            server=self.parties.catalog.server,
            agent=self.agent,
            user=self.parties.user,
            session=self.id,
            input=given,
            method=method,
            **fields,
        )

    def now_us(self) -> int:
        """Monotonic microseconds, for latencies."""
        return self.parties.clock.monotonic_ns() // 1000

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run until it first waits; a task if it does."""
        return start(work, self._tasks)

    def write_client(self, message: Message) -> None:
        """Write a message to the client."""
        self._to_client(message)

    def write_server(self, message: Message) -> None:
        """Write a message to the server, unless it does not read: then it is dropped."""
        if not self.stuck:
            self._to_server(message)

    @property
    def stuck(self) -> bool:
        """Whether the server leaves too much unread; nothing more is kept for it then."""
        return self._stuck()

    def forward(self, call: Call, params: dict[str, Any]) -> None:
        """Send an allowed request to the server and wait for its answer, within the limit."""
        if self.gone:
            self.ended(call, "server_gone")
            self.answer(call, failure(call.id, UPSTREAM_FAILED, self.gone))
            return
        if self.stuck:
            self.ended(call, "server_stuck")
            self.answer(call, failure(call.id, UPSTREAM_FAILED, "the server does not read"))
            return
        call.state = State.FORWARDED
        call.started_us = self.now_us()
        if self._sweeper is None:
            self._sweep()
        self.write_server(Request(id=call.id, method=call.request.method, params=params))

    def _sweep(self) -> None:
        """End the calls that took too long; one timer for all of them, while there are any."""
        limit_us = int(self.limits.call_s * 1e6)
        now_us = self.now_us()
        for call in list(self.calls.values()):
            waits = call.state is not State.HELD and call.request.method not in ENDLESS
            if waits and now_us - call.started_us >= limit_us:
                self._overdue(call)
        self._sweeper = None
        if self.calls and not self._closed:
            loop = asyncio.get_running_loop()
            pause = min(MAX_SWEEP_S, self.limits.call_s / 4)
            self._sweeper = loop.call_later(pause, self._sweep)

    def _overdue(self, call: Call) -> None:
        reason = {"requestId": call.id, "reason": "time-out"}
        self.write_server(Notification(method="notifications/cancelled", params=reason))
        self.ended(call, "timeout")
        self.answer(
            call,
            failure(
                call.id,
                UPSTREAM_FAILED,
                f"the server did not answer within {self.limits.call_s:g} s",
            ),
        )

    def answer(self, call: Call, response: Response) -> None:
        """Give the one answer to a call; a cancelled one gets none."""
        if self.forget(call) and call.state is not State.CANCELLED:
            self.write_client(response)
        if call.request.method == "initialize":
            self.opened()

    def forget(self, call: Call) -> bool:
        """Take a call out of those in flight; whether it was there."""
        if self.calls.get(call.id) is not call:
            return False
        del self.calls[call.id]
        return True

    def ended(self, call: Call, status: str) -> None:
        """Close the record of a call that was allowed and has no judged result."""
        if call.event is None:
            return
        latency_us = self.now_us() - call.started_us if call.started_us else 0
        # If the log is poisoned, a restart finds the open call and closes it as unknown.
        with contextlib.suppress(RemitError):
            self.parties.ledger.close_call(
                Outcome(call=call.event.id, status=status, latency_us=latency_us)
            )

    async def ask_server(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A request of Guard's own to the server, in the era of the connection.

        Raises:
            GuardError: no answer in time, an error, or the server is gone.
        """
        if self.gone or self.stuck:
            raise GuardError(self.gone or "the server does not read", code="mcp.server_gone")
        if self.era is not Era.LEGACY:
            meta = {META_VERSION: max(MODERN_VERSIONS), META_CAPABILITIES: {}}
            params = {**params, "_meta": meta}
        return await self.own_up.ask(method, params, self.limits.own_s)

    def server_gone(self, reason: str) -> None:
        """The server ended: everybody who waits for it is told, and so is everybody later."""
        if self.gone or self._closed:
            return
        server = self.parties.catalog.server
        self.gone = f"the server `{server}` {reason}"
        with contextlib.suppress(RemitError):
            self.parties.ledger.note("server.gone", session=self.id, server=server, detail=reason)
        for call in list(self.calls.values()):
            if call.state is not State.HELD:
                self.ended(call, "server_gone")
                self.answer(call, failure(call.id, UPSTREAM_FAILED, self.gone))
        self.own_up.fail(self.gone)

    def bar(self, decision: Decision) -> None:
        """The server may not run any more: what is under way is denied, and so is all later.

        No answer of it is delivered from now on, also to calls that it may have carried out.
        """
        if self.barred is not None or self._closed:
            return
        self.barred = decision
        server = self.parties.catalog.server
        self.note("server.barred", server=server, detail=decision.detail, in_flight=len(self.calls))
        self.own_up.fail(decision.detail)
        self._client.bar(decision)

    async def close(self, grace_s: float) -> None:
        """The client is gone: let what is in flight finish for ``grace_s``, then drop it.

        A call that waits for a person is dropped at once: a yes would run it for nobody.
        """
        loop = asyncio.get_running_loop()
        for call in list(self.calls.values()):
            if call.asking and call.task is not None:
                call.task.cancel()
        deadline = loop.time() + grace_s
        while self.calls and loop.time() < deadline:
            if self.gone or self.stuck:
                break
            await asyncio.sleep(0.01)
        self._closed = True
        self.parties.memories.left(self.state)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in list(self._tasks):
            task.cancel()
        for call in list(self.calls.values()):
            self.ended(call, "cancelled")
        if self._noise > MAX_NOISE:
            self.note("mcp.noise", side="server", count=self._noise - MAX_NOISE)

    def refused(self, side: str, refusal: Refused, method: str = "") -> None:
        """Record a message that did not go on; a flood of a server is counted, not written."""
        if side == "server":
            self._noise += 1
            if self._noise > MAX_NOISE:
                return
        body = {"side": side, "code": refusal.code}
        if method:
            body["method"] = method
        self.note("mcp.refused", **body)

    def note(self, kind: str, **body: Any) -> None:
        """Record something that is refused anyway: that it cannot be written stops nothing."""
        with contextlib.suppress(RemitError):
            self.parties.ledger.note(kind, session=self.id, **body)
