"""One client connected to one server, both protocol eras, both directions.

The session owns the protocol: what a message is, which era the ends settled on, who waits for
which answer. It judges nothing itself; every event goes through :meth:`Guard.judge`. What it sends
is always written anew from the parsed form.

Invariants:

* The id spaces of the two directions are independent, and Guard's own ids carry a random prefix.
* A request of the client is in ``_calls`` from its arrival to its answer, and gets exactly one
  answer: from the server, from Guard, or, if it was cancelled, none.
* Nothing is forwarded before its verdict allows it.
"""

import asyncio
import contextlib
import itertools
import os
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from remit.core.clock import Clock
from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.core.event import Agent, Event, Kind, ToolClass
from remit.core.ids import ulid
from remit.facts.session import SessionState
from remit.guard.eager import start
from remit.guard.errors import GuardError
from remit.guard.judge import Guard, Verdict
from remit.guard.ledger import Ledger, Outcome
from remit.guard.mcp.calls import (
    CONFIRM_KEY,
    CONTINUATION_TTL_US,
    Call,
    Continuation,
    Continuations,
    State,
    action_digest,
)
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.confirm import CallFulfiller, Terminal, given
from remit.guard.mcp.denials import denial_text, denied_result
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import (
    DENIED,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
    UPSTREAM_FAILED,
    Id,
    Notification,
    Refused,
    Request,
    Response,
    encode,
    failure,
    parse_message,
    sample_id,
)
from remit.guard.mcp.methods import (
    CAPABILITY_OF,
    CLIENT_NOTIFICATIONS,
    CLIENT_REQUESTS,
    META_CAPABILITIES,
    META_CLIENT,
    META_VERSION,
    MODERN_VERSIONS,
    SERVER_NOTIFICATIONS,
    SERVER_REQUESTS,
    Era,
    Method,
    check_params,
    is_modern,
)
from remit.guard.mcp.results import Results

INTERNAL_ERROR = -32603
MAX_IN_FLIGHT = 4096
MAX_NOISE = 32


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one session.

    Attributes:
        client_bytes, server_bytes: longest message of each side.
        call_s: longest time for a call at the server.
        own_s: longest time for a request that Guard makes itself.
        confirm_s: longest time a person has to confirm.
    """

    client_bytes: int = 4 << 20
    server_bytes: int = 32 << 20
    call_s: float = 600.0
    own_s: float = 60.0
    confirm_s: float = 300.0


class Session:
    """See the module's text. All methods run in the event loop's thread."""

    def __init__(
        self,
        *,
        guard: Guard,
        catalog: Catalog,
        ledger: Ledger,
        clock: Clock,
        agent: Agent,
        user: str,
        to_client: Callable[[bytes], None],
        to_server: Callable[[bytes], None],
        limits: Limits,
        terminal: Terminal | None = None,
    ) -> None:
        self.guard = guard
        self.catalog = catalog
        self.ledger = ledger
        self.clock = clock
        self.agent = agent
        self.user = user
        self.limits = limits
        self.terminal = terminal
        self.id = self.new_id()
        self.state = SessionState()
        self.era = Era.UNKNOWN
        self.client_capabilities: dict[str, Any] = {}
        self.continuations = Continuations()
        self.open = False
        self.gone = ""
        self._to_client = to_client
        self._to_server = to_server
        self._prefix = f"remit-{secrets.token_hex(6)}-"
        self._numbers = itertools.count(1)
        self.calls: dict[Id, Call] = {}
        self._asks: dict[Id, Method] = {}
        self._own_up: dict[Id, asyncio.Future[dict[str, Any]]] = {}
        self._own_down: dict[Id, asyncio.Future[dict[str, Any]]] = {}
        self._streams: dict[tuple[str, str], bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._noise = 0
        self._results = Results(self)

    def new_id(self) -> str:
        """A fresh ULID."""
        return ulid(self.clock.now_us(), os.urandom(10))

    # --- from the client ----------------------------------------------------------------------

    def from_client(self, line: Line | Overlong) -> None:
        """One line of the client. Never raises."""
        try:
            if isinstance(line, Overlong):
                raise Refused(
                    f"message is larger than {self.limits.client_bytes} bytes",
                    id=sample_id(line.head, line.tail),
                    code="json.size",
                )
            message = parse_message(line.data, fold_keys=True, max_bytes=self.limits.client_bytes)
            match message:
                case Request():
                    self._client_request(message)
                case Notification():
                    self._client_notification(message)
                case Response():
                    self._client_response(message)
        except Refused as refusal:
            self._refuse_client(refusal)
        except Exception as error:  # noqa: BLE001 - no input may stop Guard; nothing was forwarded
            self._refuse_client(
                Refused(
                    "the message could not be handled",
                    rpc_code=INTERNAL_ERROR,
                    code=f"mcp.internal.{type(error).__name__}",
                )
            )

    def _client_request(self, request: Request) -> None:
        if request.id in self.calls:
            # Answering with the id would end the call that is in flight.
            raise Refused("the id belongs to a request that is in flight", code="mcp.id_reuse")
        if isinstance(request.id, str) and request.id.startswith(self._prefix):
            raise Refused("the id is not yours to use", code="mcp.id_reuse")
        if len(self.calls) >= MAX_IN_FLIGHT:
            raise Refused("too many requests are in flight", id=request.id, code="mcp.busy")
        method = CLIENT_REQUESTS.get(request.method)
        if method is None:
            raise Refused(
                "the method is not part of this protocol",
                rpc_code=METHOD_NOT_FOUND,
                id=request.id,
                code="mcp.method",
            )
        modern = self._check_era(request, method)
        check_params(method, request.params, request.id)
        if not modern and ("requestState" in request.params or "inputResponses" in request.params):
            raise Refused(
                "not of this era", rpc_code=INVALID_PARAMS, id=request.id, code="mcp.params"
            )
        if self.gone:
            self.send_client(failure(request.id, UPSTREAM_FAILED, self.gone))
            return
        call = Call(request, method, modern=modern)
        self.calls[request.id] = call
        call.task = start(self._handle(call), self._tasks)

    def _check_era(self, request: Request, method: Method) -> bool:
        """Whether the request is modern; refuse it if it does not fit this connection."""
        modern = is_modern(request.params)
        if modern:
            meta = request.params["_meta"]
            if self.era is Era.LEGACY or Era.MODERN not in method.eras:
                raise Refused(
                    "the request does not fit the era of this connection",
                    id=request.id,
                    code="mcp.era",
                )
            if meta[META_VERSION] not in MODERN_VERSIONS:
                raise Refused(
                    "unsupported protocol version",
                    rpc_code=UNSUPPORTED_VERSION,
                    id=request.id,
                    code="mcp.protocol_version",
                )
            if not isinstance(meta.get(META_CAPABILITIES), dict):
                raise Refused(
                    f"`_meta` needs `{META_CAPABILITIES}`",
                    rpc_code=INVALID_PARAMS,
                    id=request.id,
                    code="mcp.params",
                )
            return True
        if request.method == "server/discover":
            raise Refused(
                f"`_meta` needs `{META_VERSION}`",
                rpc_code=INVALID_PARAMS,
                id=request.id,
                code="mcp.params",
            )
        if Era.LEGACY not in method.eras:
            raise Refused(
                "the method is not part of this protocol era",
                rpc_code=METHOD_NOT_FOUND,
                id=request.id,
                code="mcp.era",
            )
        if self.era is Era.MODERN:
            raise Refused(
                f"this connection is modern; `_meta` needs `{META_VERSION}`",
                rpc_code=INVALID_PARAMS,
                id=request.id,
                code="mcp.era",
            )
        if request.method == "initialize":
            busy = any(c.request.method == "initialize" for c in self.calls.values())
            if self.era is Era.LEGACY or busy:
                raise Refused("the session is open already", id=request.id, code="mcp.era")
        elif self.era is Era.UNKNOWN and request.method != "ping":
            raise Refused("send `initialize` first", id=request.id, code="mcp.not_open")
        return False

    async def _handle(self, call: Call) -> None:
        try:
            await self._dispatch(call)
        except asyncio.CancelledError:
            self._ended(call, "cancelled")
            raise
        except Refused as refusal:
            self._note_refusal("client", refusal, call.request.method)
            self.answer(call, failure(call.id, refusal.rpc_code, refusal.message))
        except Exception as error:  # noqa: BLE001 - nothing was forwarded, and the client is told
            failed = Refused(
                "the request could not be handled", code=f"mcp.internal.{type(error).__name__}"
            )
            self._note_refusal("client", failed, call.request.method)
            self.answer(call, failure(call.id, INTERNAL_ERROR, failed.message))

    async def _dispatch(self, call: Call) -> None:
        params = dict(call.request.params)
        continuation = self._continue(call, params)
        if call.method.kind is None:
            self._forward(call, params)
            return
        name = call.request.method
        tool = None
        if name == "tools/call":
            await self.catalog.ensure(lambda m, p: self.ask_server(m, p, modern=call.modern))
            tool = self.catalog.tool(params["name"])
        event = call.event = self._event(call, tool.digest if tool else "")
        if name == "tools/call" and tool is None:
            self._deny_unlisted(call, event)
            return
        verdict = await self.guard.judge(
            event,
            self.state,
            CallFulfiller(self, call),
            fulfilled=continuation.fulfilled if continuation else frozenset(),
        )
        if call.question is not None:
            self._ask_in_result(call)
        elif not verdict.allowed:
            self._deny(call, event, verdict.decision)
        elif name == "tools/list":
            await self._list_tools(call)
        else:
            call.fulfilled = verdict.fulfilled
            self._open(call, params)
            self._forward(call, params)

    def _continue(self, call: Call, params: dict[str, Any]) -> Continuation | None:
        """Undo the wrapping of ``requestState`` for the second and later rounds of a call."""
        token = params.pop("requestState", None)
        responses = params.get("inputResponses")
        if token is None:
            if responses is not None:
                raise Refused(
                    "`inputResponses` without `requestState`",
                    rpc_code=INVALID_PARAMS,
                    id=call.id,
                    code="mcp.request_state",
                )
            return None
        held = self.continuations.take(
            token, action_digest(call.request.method, params), self.clock.now_us(), call.id
        )
        if held.upstream is not None:
            params["requestState"] = held.upstream
        answers = dict(responses or {})
        confirmed = given(answers.pop(CONFIRM_KEY, None))
        if answers:
            params["inputResponses"] = answers
        else:
            params.pop("inputResponses", None)
        if held.question is None:
            return held
        if not confirmed:
            raise Refused(
                "a person was asked and did not confirm the call",
                rpc_code=DENIED,
                id=call.id,
                code="mcp.not_confirmed",
            )
        return msgspec.structs.replace(held, fulfilled=held.fulfilled | {held.question.rule})

    def _event(self, call: Call, schema_digest: str) -> Event:
        name = call.request.method
        kind = call.method.kind
        assert kind is not None
        params = call.request.params
        server = self.catalog.server
        if kind is not Kind.TOOL_CALL:
            return Event(
                id=self.new_id(),
                kind=kind,
                server=server,
                action=str(kind),
                agent=self._claimed(call),
                user=self.user,
                session=self.id,
                input=call.method.input(params),
                method=name,
            )
        tool = params["name"]
        policy = self.catalog.policy
        return Event(
            id=self.new_id(),
            kind=kind,
            server=server,
            action=f"{server}/{tool}",
            agent=self.agent,
            user=self.user,
            session=self.id,
            input=call.method.input(params),
            tool=tool,
            tool_class=policy.tool_class(server, tool) if policy else ToolClass.DESTRUCTIVE,
            schema_digest=schema_digest,
            method=name,
            correlation=_correlation(params),
        )

    def _claimed(self, call: Call) -> Agent:
        """The agent with what the client says of itself, for the record of its connection."""
        params = call.request.params
        if call.request.method == "initialize":
            info = params.get("clientInfo")
        elif call.request.method == "server/discover":
            info = params["_meta"].get(META_CLIENT)
        else:
            return self.agent
        if isinstance(info, dict):
            text = f"{info.get('name', '')} {info.get('version', '')}".strip()
            self.agent = msgspec.structs.replace(self.agent, claimed=text[:200])
        return self.agent

    def _open(self, call: Call, params: dict[str, Any]) -> None:
        """Note what the client offers, and take out what Guard cannot police."""
        if call.request.method == "initialize":
            offered = {
                key: value
                for key, value in params["capabilities"].items()
                if key in {"roots", "sampling", "elicitation", "tasks"}
            }
            params["capabilities"] = offered
            self.client_capabilities = offered
        elif call.modern:
            self.client_capabilities = params["_meta"][META_CAPABILITIES]

    async def _list_tools(self, call: Call) -> None:
        await self.catalog.refresh(lambda m, p: self.ask_server(m, p, modern=call.modern))
        if self.catalog.problem:
            self.answer(call, failure(call.id, UPSTREAM_FAILED, self.catalog.problem))
            return
        result: dict[str, Any] = {"tools": self.catalog.listing(self.agent, self.user)}
        if call.modern:
            result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            self.era = Era.MODERN
        self.answer(call, Response(id=call.id, result=result))

    def _deny_unlisted(self, call: Call, event: Event) -> None:
        code = "no_catalog" if self.catalog.problem else "not_pinned"
        decision = Decision(error=code, detail=self.catalog.problem[:200])
        self.ledger.record(event, decision)
        self._deny(call, event, decision)

    def _deny(self, call: Call, event: Event, decision: Decision) -> None:
        if event.kind is not Kind.TOOL_CALL:
            text = denial_text(event.method, decision, ())
            data = {"policies": list(decision.rules)} if decision.rules else None
            self.answer(call, failure(call.id, DENIED, text, data))
            return
        tools = [tool["name"] for tool in self.catalog.listing(self.agent, self.user)]
        text = denial_text(event.action, decision, tools)
        self.answer(call, Response(id=call.id, result=denied_result(text, modern=call.modern)))

    def _ask_in_result(self, call: Call) -> None:
        """The modern era has no questions of the server: the question is a result."""
        assert call.question is not None
        assert call.event is not None
        params = dict(call.request.params)
        params.pop("requestState", None)
        token = self.continuations.put(
            Continuation(
                action=action_digest(call.request.method, params),
                upstream=None,
                fulfilled=call.fulfilled,
                question=call.question,
                expires_us=self.clock.now_us() + CONTINUATION_TTL_US,
            )
        )
        fulfiller = CallFulfiller(self, call)
        self.answer(
            call,
            Response(
                id=call.id,
                result={
                    "resultType": "input_required",
                    "inputRequests": {
                        CONFIRM_KEY: {
                            "method": "elicitation/create",
                            "params": fulfiller.question(call.event, call.question),
                        }
                    },
                    "requestState": token,
                },
            ),
        )

    def _client_notification(self, message: Notification) -> None:
        if message.method in CLIENT_REQUESTS:
            raise Refused("a call needs an id", code="mcp.no_id")
        method = CLIENT_NOTIFICATIONS.get(message.method)
        if method is None:
            raise Refused("the notification is not part of this protocol", code="mcp.method")
        if self.era not in method.eras:
            raise Refused(
                "the notification does not fit the era of this connection", code="mcp.era"
            )
        check_params(method, message.params, None)
        if message.method == "notifications/cancelled":
            self._cancel(message)
        elif message.method == "notifications/initialized":
            self.open = True
            self._write_server(message)
        elif method.kind is None or self._stream(method, message):
            self._write_server(message)

    def _cancel(self, message: Notification) -> None:
        call = self.calls.get(message.params["requestId"])
        if call is None or call.request.method == "initialize":
            return
        if call.state is State.HELD and call.task is not None:
            # A later confirmation must not run it.
            call.task.cancel()
        elif call.state is State.FORWARDED:
            call.state = State.CANCELLED
            self._write_server(message)

    def _client_response(self, message: Response) -> None:
        if message.id is None:
            raise Refused("an answer needs an id", code="mcp.unknown_response")
        own = self._own_down.pop(message.id, None)
        if own is not None:
            if not own.done():
                own.set_result(message.result or {})
            return
        if self._asks.pop(message.id, None) is None:
            raise Refused("nobody asked for this answer", code="mcp.unknown_response")
        self._write_server(message)

    # --- from the server ----------------------------------------------------------------------

    def from_server(self, line: Line | Overlong) -> None:
        """One line of the server. Never raises."""
        try:
            if isinstance(line, Overlong):
                raise Refused(
                    f"the server's answer is larger than {self.limits.server_bytes} bytes",
                    id=sample_id(line.head, line.tail),
                    code="json.size",
                )
            message = parse_message(line.data, fold_keys=False, max_bytes=self.limits.server_bytes)
            match message:
                case Request():
                    self._server_request(message)
                case Notification():
                    self._server_notification(message)
                case Response():
                    self._server_response(message)
        except Refused as refusal:
            self._refuse_server(refusal)
        except Exception as error:  # noqa: BLE001 - no output of a server may stop Guard
            self._refuse_server(
                Refused(
                    "the server's message could not be handled",
                    code=f"mcp.internal.{type(error).__name__}",
                )
            )

    def _server_response(self, message: Response) -> None:
        if message.id is None:
            raise Refused("an answer without id", code="mcp.unknown_response")
        own = self._own_up.pop(message.id, None)
        if own is not None:
            if own.done():
                return
            if message.result is not None:
                own.set_result(message.result)
            else:
                own.set_exception(
                    GuardError("the server refused Guard's own request", code="mcp.own_request")
                )
            return
        call = self.calls.get(message.id)
        if call is None or call.state is State.HELD:
            raise Refused("an answer to nothing that was asked", code="mcp.unknown_response")
        if call.deadline is not None:
            call.deadline.cancel()
        start(self._finish(call, message), self._tasks)

    async def _finish(self, call: Call, message: Response) -> None:
        try:
            await self._results.deliver(call, message)
        except RemitError as error:
            refusal = Refused(error.message, code=error.code)
            self._note_refusal("server", refusal, call.request.method)
            self._ended(call, "protocol_error")
            self.answer(call, failure(call.id, UPSTREAM_FAILED, error.message))
        except Exception as error:  # noqa: BLE001 - the client must be answered
            refusal = Refused(
                "the server's answer could not be handled",
                code=f"mcp.internal.{type(error).__name__}",
            )
            self._note_refusal("server", refusal, call.request.method)
            self._ended(call, "protocol_error")
            self.answer(call, failure(call.id, INTERNAL_ERROR, refusal.message))

    def _server_request(self, message: Request) -> None:
        method = SERVER_REQUESTS.get(message.method)
        if method is None or self.era is Era.MODERN:
            self._write_server(failure(message.id, METHOD_NOT_FOUND, "not part of this protocol"))
            raise Refused("the server asked for what the protocol does not have", code="mcp.method")
        capability = CAPABILITY_OF.get(message.method)
        if capability is not None and capability not in self.client_capabilities:
            self._write_server(failure(message.id, METHOD_NOT_FOUND, "the client cannot do this"))
            raise Refused(
                "the server asked for what the client did not offer", code="mcp.capability"
            )
        if (
            message.id in self._asks
            or len(self._asks) >= MAX_IN_FLIGHT
            or (isinstance(message.id, str) and message.id.startswith(self._prefix))
        ):
            raise Refused("the server reused an id", code="mcp.id_reuse")
        self._asks[message.id] = method
        start(self._ask_client(message, method), self._tasks)

    async def _ask_client(self, message: Request, method: Method) -> None:
        try:
            allowed = (
                method.kind is None
                or (await self.judge_server(method, message.method, message.params)).allowed
            )
        except Exception:  # noqa: BLE001 - deny
            allowed = False
        if allowed:
            self._write_client(message)
        else:
            self._asks.pop(message.id, None)
            self._write_server(failure(message.id, DENIED, "denied by policy"))

    async def judge_server(self, method: Method, name: str, params: dict[str, Any]) -> Verdict:
        """Judge something that the server wants of the client."""
        assert method.kind is not None
        event = Event(
            id=self.new_id(),
            kind=method.kind,
            server=self.catalog.server,
            action=str(method.kind),
            agent=self.agent,
            user=self.user,
            session=self.id,
            input=method.input(params),
            method=name,
        )
        return await self.guard.judge(event, self.state, CallFulfiller(self, None))

    def _server_notification(self, message: Notification) -> None:
        method = SERVER_NOTIFICATIONS.get(message.method)
        if method is None:
            raise Refused("the notification is not part of this protocol", code="mcp.method")
        if self.era is not Era.UNKNOWN and self.era not in method.eras:
            raise Refused("the notification does not fit the era", code="mcp.era")
        if message.method == "notifications/progress":
            token = message.params.get("progressToken")
            if not any(token == c.token for c in self.calls.values() if c.token is not None):
                return
        elif message.method == "notifications/cancelled":
            if (
                self._asks.pop(message.params.get("requestId", ""), None) is None
                and self.era is not Era.MODERN
            ):
                return
        elif message.method == "notifications/tools/list_changed":
            self.catalog.stale()
        if method.kind is None or self._stream(method, message):
            self._write_client(message)

    def _stream(self, method: Method, message: Notification) -> bool:
        """Whether notifications like this one may pass: judged and recorded once a session."""
        assert method.kind is not None
        given_input = method.input(message.params)
        key = (message.method, repr(sorted(given_input.items())))
        known = self._streams.get(key)
        if known is None:
            if len(self._streams) > MAX_IN_FLIGHT:
                return False

            async def decide() -> None:
                self._streams[key] = (
                    await self.judge_server(method, message.method, message.params)
                ).allowed

            start(decide(), self._tasks)
            known = self._streams.get(key, False)
        return known

    # --- both ----------------------------------------------------------------------------------

    def _forward(self, call: Call, params: dict[str, Any]) -> None:
        if self.gone:
            self._ended(call, "server_gone")
            self.answer(call, failure(call.id, UPSTREAM_FAILED, self.gone))
            return
        call.state = State.FORWARDED
        call.started_us = self.clock.monotonic_ns() // 1000
        loop = asyncio.get_running_loop()
        call.deadline = loop.call_later(self.limits.call_s, self._overdue, call)
        self._write_server(Request(id=call.id, method=call.request.method, params=params))

    def _overdue(self, call: Call) -> None:
        self._write_server(
            Notification(
                method="notifications/cancelled",
                params={"requestId": call.id, "reason": "time-out"},
            )
        )
        self._ended(call, "timeout")
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
        if self.calls.pop(call.id, None) is not None and call.state is not State.CANCELLED:
            self.send_client(response)

    def _ended(self, call: Call, status: str) -> None:
        """Close the record of a call that was allowed and has no judged result."""
        if call.deadline is not None:
            call.deadline.cancel()
        event = call.event
        if status == "cancelled":
            self.calls.pop(call.id, None)
        if event is None:
            return
        latency = self.clock.monotonic_ns() // 1000 - call.started_us if call.started_us else 0
        # If the log is poisoned, a restart finds the open call and closes it as unknown.
        with contextlib.suppress(RemitError):
            self.ledger.close_call(Outcome(call=event.id, status=status, latency_us=latency))

    async def ask_server(
        self, method: str, params: dict[str, Any], *, modern: bool | None = None
    ) -> dict[str, Any]:
        """A request of Guard's own to the server.

        Raises:
            GuardError: no answer in time, an error, or the server is gone.
        """
        if modern is None:
            modern = self.era is Era.MODERN
        if modern:
            params = {
                **params,
                "_meta": {META_VERSION: next(iter(MODERN_VERSIONS)), META_CAPABILITIES: {}},
            }
        return await self._own(method, params, self._own_up, self._write_server, self.limits.own_s)

    async def ask_client(
        self, method: str, params: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """A request of Guard's own to the client.

        Raises:
            GuardError: no answer in time or an error.
        """
        return await self._own(method, params, self._own_down, self._write_client, timeout_s)

    async def _own(
        self,
        method: str,
        params: dict[str, Any],
        waiting: dict[Id, asyncio.Future[dict[str, Any]]],
        write: Callable[[Request], None],
        timeout_s: float,
    ) -> dict[str, Any]:
        if self.gone:
            raise GuardError(self.gone, code="mcp.server_gone")
        loop = asyncio.get_running_loop()
        number = f"{self._prefix}{next(self._numbers)}"
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        waiting[number] = future

        def expire() -> None:
            if not future.done():
                future.set_exception(GuardError("no answer in time", code="mcp.timeout"))

        timer = loop.call_later(timeout_s, expire)
        try:
            write(Request(id=number, method=method, params=params))
            return await future
        finally:
            timer.cancel()
            waiting.pop(number, None)

    def server_gone(self, reason: str) -> None:
        """The server ended: everybody who waits for it is told, and so is everybody later."""
        if self.gone:
            return
        self.gone = f"the server `{self.catalog.server}` {reason}"
        with contextlib.suppress(RemitError):
            self.ledger.note(
                "server.gone", session=self.id, server=self.catalog.server, detail=reason
            )
        for call in list(self.calls.values()):
            if call.state is not State.HELD:
                self._ended(call, "server_gone")
                self.answer(call, failure(call.id, UPSTREAM_FAILED, self.gone))
        for future in [*self._own_up.values()]:
            if not future.done():
                future.set_exception(GuardError(self.gone, code="mcp.server_gone"))

    async def close(self, grace_s: float) -> None:
        """The client is gone: let what is in flight finish for ``grace_s``, then drop it."""
        deadline = asyncio.get_running_loop().time() + grace_s
        while self.calls and not self.gone and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for task in list(self._tasks):
            task.cancel()
        for call in list(self.calls.values()):
            self._ended(call, "cancelled")
        if self._noise > MAX_NOISE:
            self.ledger.note(
                "mcp.refused",
                session=self.id,
                side="server",
                code="mcp.noise",
                count=self._noise - MAX_NOISE,
            )

    def progress(self, call: Call, step: int, text: str) -> None:
        """Tell the client that a held call is alive, if it asked to be told."""
        if call.token is not None:
            self._write_client(
                Notification(
                    method="notifications/progress",
                    params={"progressToken": call.token, "progress": step, "message": text},
                )
            )

    def _refuse_client(self, refusal: Refused) -> None:
        self._note_refusal("client", refusal, "")
        self.send_client(failure(refusal.id, refusal.rpc_code, refusal.message))

    def _refuse_server(self, refusal: Refused) -> None:
        self._noise += 1
        if self._noise <= MAX_NOISE:
            self._note_refusal("server", refusal, "")
        call = self.calls.get(refusal.id) if refusal.id is not None else None
        if call is not None and call.state is not State.HELD:
            self._ended(call, "protocol_error")
            self.answer(call, failure(call.id, UPSTREAM_FAILED, refusal.message))

    def _note_refusal(self, side: str, refusal: Refused, method: str) -> None:
        body = {"session": self.id, "side": side, "code": refusal.code}
        if method:
            body["method"] = method
        # What is refused does not go on; that it cannot be written must not stop the refusal.
        with contextlib.suppress(RemitError):
            self.ledger.note("mcp.refused", **body)

    def send_client(self, message: Response) -> None:
        """Write an answer to the client."""
        self._write_client(message)

    def _write_client(self, message: Request | Notification | Response) -> None:
        self._to_client(encode(message))

    def _write_server(self, message: Request | Notification | Response) -> None:
        self._to_server(encode(message))


def _correlation(params: dict[str, Any]) -> dict[str, str]:
    """Ids by which clients know a call: Claude Code and Codex send them, W3C trace context too."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return {}
    found = {}
    for key, name in (
        ("claudecode/toolUseId", "tool_use_id"),
        ("callId", "call_id"),
        ("traceparent", "trace"),
    ):
        value = meta.get(key)
        if isinstance(value, str):
            found[name] = value
    return found
