"""What messages of the client do."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from remit.core.decision import Decision
from remit.core.errors import RemitError
from remit.core.event import Event, Kind, ToolClass
from remit.guard.judge import Verdict
from remit.guard.mcp.calls import (
    CONFIRM_KEY,
    CONTINUATION_TTL_US,
    Call,
    Continuation,
    State,
    action_digest,
)
from remit.guard.mcp.claims import beside, claimed, correlation
from remit.guard.mcp.confirm import CallFulfiller, given, question
from remit.guard.mcp.denials import denial_text, denied_result
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import (
    DENIED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
    UPSTREAM_FAILED,
    Id,
    Message,
    Notification,
    Refused,
    Request,
    Response,
    failure,
    parse_message,
    sample_id,
)
from remit.guard.mcp.methods import (
    CLIENT_NOTIFICATIONS,
    CLIENT_REQUESTS,
    META_CAPABILITIES,
    META_VERSION,
    MODERN_VERSIONS,
    TASKS_EXTENSION,
    Era,
    Method,
    check_params,
    is_modern,
    subscribed,
)

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session

MAX_IN_FLIGHT = 4096
MAX_EARLY = 256
CLIENT_CAPABILITIES = frozenset({"roots", "sampling", "elicitation", "tasks"})


class ClientSide:
    """Takes the lines of the client."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._parties = session.parties
        # Messages that came while `initialize` was under way: their era is not settled yet.
        self._early: list[Message] = []

    def receive(self, line: Line | Overlong) -> None:
        """One line. Never raises: what is wrong with it is answered and recorded."""
        try:
            message = self._parse(line)
        except Refused as refusal:
            self._refuse(refusal)
        except Exception as error:  # noqa: BLE001 - no input may stop Guard; nothing was forwarded
            self._broken(error, None)
        else:
            self.take(message)

    def take(self, message: Message) -> None:
        """One message. Never raises, like :meth:`receive`."""
        try:
            self._take(message)
        except Refused as refusal:
            self._refuse(refusal)
        except Exception as error:  # noqa: BLE001 - no input may stop Guard; nothing was forwarded
            self._broken(error, message.id if isinstance(message, Request) else None)

    def _broken(self, error: Exception, number: Id | None) -> None:
        self._session.refused("client", _internal(error))
        text = "the message cannot be handled"
        self._session.write_client(failure(number, INTERNAL_ERROR, text))

    def _parse(self, line: Line | Overlong) -> Message:
        limit = self._session.limits.client_bytes
        if isinstance(line, Overlong):
            raise Refused(
                f"message is larger than {limit} bytes",
                id=sample_id(line.head, line.tail),
                code="json.size",
            )
        return parse_message(line.data, fold_keys=True, max_bytes=limit)

    def _take(self, message: Message) -> None:
        session = self._session
        if session.era is Era.UNKNOWN and self._session.opening and _can_wait(message):
            if len(self._early) >= MAX_EARLY:
                number = message.id if isinstance(message, Request) else None
                raise Refused("wait for the answer to `initialize`", id=number, code="mcp.busy")
            self._early.append(message)
            return
        match message:
            case Request():
                self._request(message)
            case Notification():
                self._notification(message)
            case Response():
                self._response(message)

    def opened(self) -> None:
        """``initialize`` was answered: take what came meanwhile, in its order."""
        early, self._early = self._early, []
        for message in early:
            try:
                self._take(message)
            except Refused as refusal:
                self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        session = self._session
        session.refused("client", refusal)
        # An answer under the id of a request in flight would pass for that request's answer.
        number = None if refusal.id in session.calls else refusal.id
        session.write_client(failure(number, refusal.rpc_code, refusal.message))

    # --- requests -----------------------------------------------------------------------------

    def _request(self, request: Request) -> None:
        session = self._session
        if request.id in session.calls:
            # Answering with the id would end the call that is in flight.
            raise Refused("the id belongs to a request that is in flight", code="mcp.id_reuse")
        if session.own_up.owns(request.id):
            raise Refused("the id is not yours to use", code="mcp.id_reuse")
        if len(session.calls) >= MAX_IN_FLIGHT:
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
        if not modern and request.params.keys() & {"requestState", "inputResponses"}:
            raise _bad_params(request, "a member of `params` is not of this era")
        if session.gone:
            session.write_client(failure(request.id, UPSTREAM_FAILED, session.gone))
            return
        call = Call(request, method, modern=modern)
        session.calls[request.id] = call
        call.task = session.run(self._handle(call))

    def _check_era(self, request: Request, method: Method) -> bool:
        """Whether the request is modern; refuse it if it does not fit this connection."""
        era = self._session.era
        if is_modern(request.params):
            meta = request.params["_meta"]
            if era is Era.LEGACY or Era.MODERN not in method.eras:
                raise _wrong_era(request, "the request does not fit the era of this connection")
            if meta[META_VERSION] not in MODERN_VERSIONS:
                raise Refused(
                    "unsupported protocol version",
                    rpc_code=UNSUPPORTED_VERSION,
                    id=request.id,
                    code="mcp.protocol_version",
                )
            if not isinstance(meta.get(META_CAPABILITIES), dict):
                raise _bad_params(request, f"`_meta` needs `{META_CAPABILITIES}`")
            return True
        if Era.LEGACY not in method.eras or era is Era.MODERN:
            raise _bad_params(request, f"`_meta` needs `{META_VERSION}`")
        if request.method == "initialize":
            if era is Era.LEGACY or self._session.opening:
                raise _wrong_era(request, "the session is open already")
        elif era is Era.UNKNOWN and request.method != "ping":
            raise _wrong_era(request, "send `initialize` first")
        return False

    async def _handle(self, call: Call) -> None:
        session, name = self._session, call.request.method
        try:
            await self._dispatch(call)
        except asyncio.CancelledError:
            self._cancelled(call)
            raise
        except Refused as refusal:
            session.refused("client", refusal, name)
            session.answer(call, failure(call.id, refusal.rpc_code, refusal.message))
        except Exception as error:  # noqa: BLE001 - nothing was forwarded, and the client is told
            session.refused("client", _internal(error), name)
            session.ended(call, "internal_error")
            text = "the request cannot be handled"
            session.answer(call, failure(call.id, INTERNAL_ERROR, text))

    def _cancelled(self, call: Call) -> None:
        """Its client gave it up before it was forwarded; that is recorded like any other end."""
        session, event = self._session, call.event
        session.ended(call, "cancelled")
        if event is not None and call.started_us == 0 and not call.judged:
            with contextlib.suppress(RemitError):
                self._parties.ledger.record(event, Decision(error="cancelled"))
        session.forget(call)

    async def _dispatch(self, call: Call) -> None:
        session, catalog = self._session, self._parties.catalog
        params = dict(call.request.params)
        refused = self._continue(call, params)
        if call.method.kind is None:
            await self._plumbing(call)
            return
        name = call.request.method
        if name == "tools/call":
            await catalog.ensure(session.ask_server)
            tool = catalog.tool(params["name"])
            event = call.event = self._tool_event(call, tool.digest if tool else "")
            if tool is None:
                code = "no_catalog" if catalog.problem else "not_pinned"
                without = Decision(error=code, detail=catalog.problem[:200])
                refused = self._parties.guard.suspended or without
        else:
            event = call.event = self._event(call)
        if session.barred is not None and _reaches_server(name, event):
            refused = session.barred
        if refused is not None:
            self._parties.ledger.record(event, refused)
            self._deny(call, event, refused)
            return
        if not session.connected and event.kind is not Kind.MCP_CONNECT:
            refused = await self._connect(call)
        if refused is None and name == "subscriptions/listen":
            refused = await self._subscribe(call)
        if refused is not None:
            self._deny(call, event, refused)
            return
        verdict = await self._parties.guard.judge(
            event, session.state, CallFulfiller(session, call), fulfilled=call.fulfilled
        )
        call.judged = True
        if session.barred is not None and _reaches_server(name, event):
            # It was stopped meanwhile.
            session.ended(call, "denied")
            self._deny(call, event, session.barred)
            return
        session.connected |= verdict.allowed and event.kind is Kind.MCP_CONNECT
        call.fulfilled = verdict.fulfilled
        if event.kind is Kind.TOOL_CALL and verdict.event.input is not event.input:
            # Values were taken out, or put back.
            params["arguments"] = dict(verdict.event.input)
        await self._go_on(call, event, params, verdict)

    async def _plumbing(self, call: Call) -> None:
        """Plumbing carries no text but its id, which is judged as part of the connection."""
        session, guard = self._session, self._parties.guard
        if isinstance(call.id, str) and guard.inspects(str(Kind.MCP_CONNECT)):
            given = beside(call, {})
            event = session.event(Kind.MCP_CONNECT, call.request.method, {}, content=given)
            verdict = await guard.judge(event, session.state, CallFulfiller(session, None))
            if not verdict.allowed:
                self._deny(call, event, verdict.decision)
                return
        session.forward(call, {})

    async def _go_on(
        self, call: Call, event: Event, params: dict[str, Any], verdict: Verdict
    ) -> None:
        if call.question is not None:
            self._ask_in_result(call)
        elif not verdict.allowed:
            self._deny(call, event, verdict.decision)
        elif call.request.method == "tools/list":
            await self._list_tools(call)
        else:
            self._note_capabilities(call, params)
            self._session.forward(call, params)

    async def _connect(self, call: Call) -> Decision | None:
        """The modern era has no opening: its first request connects. The deny, if it is one."""
        session = self._session
        session.agent = claimed(session.agent, call)
        more = beside(call, {})
        event = session.event(Kind.MCP_CONNECT, call.request.method, {}, content=more)
        fulfiller = CallFulfiller(session, None)
        verdict = await self._parties.guard.judge(event, session.state, fulfiller)
        session.connected = verdict.allowed
        return None if verdict.allowed else verdict.decision

    async def _subscribe(self, call: Call) -> Decision | None:
        """Judge each resource that a listener wants to be told of; the first deny, if any."""
        session = self._session
        for uri in subscribed(call.request.params):
            event = session.event(Kind.MCP_SUBSCRIBE, call.request.method, {"uri": uri})
            fulfiller = CallFulfiller(session, None)
            verdict = await self._parties.guard.judge(event, session.state, fulfiller)
            if not verdict.allowed:
                return verdict.decision
        return None

    def _continue(self, call: Call, params: dict[str, Any]) -> Decision | None:
        """Unwrap ``requestState`` of the second and later rounds of a call.

        What was fulfilled before is carried on. A question that was not answered with yes is a
        deny, which is returned.

        Raises:
            Refused: the state is not one of this call.
        """
        token = params.pop("requestState", None)
        if token is None:
            if "inputResponses" in params and "requestState" in call.method.fields:
                raise _bad_params(call.request, "`inputResponses` without `requestState`")
            return None
        held = self._session.continuations.take(
            token,
            action_digest(call.request.method, params),
            self._parties.clock.now_us(),
            call.id,
        )
        if held.upstream is not None:
            params["requestState"] = held.upstream
        answers = dict(params.pop("inputResponses", {}))
        confirmed = given(answers.pop(CONFIRM_KEY, None))
        if answers:
            params["inputResponses"] = answers
        call.fulfilled = held.fulfilled
        if held.question is None:
            return None
        rule, reason = held.question.rule, held.question.reason
        if not confirmed:
            reasons = (reason,) if reason else ()
            return Decision(error="confirmation_refused", rules=(rule,), reasons=reasons)
        call.fulfilled |= {rule}
        return None

    def _event(self, call: Call) -> Event:
        kind = call.method.kind
        assert kind is not None
        session = self._session
        if kind is Kind.MCP_CONNECT:
            session.agent = claimed(session.agent, call)
        given = call.method.input(call.request.params)
        return session.event(kind, call.request.method, given, content=beside(call, given))

    def _tool_event(self, call: Call, schema_digest: str) -> Event:
        catalog, params = self._parties.catalog, call.request.params
        server, tool, policy = catalog.server, params["name"], catalog.policy
        return self._session.event(
            Kind.TOOL_CALL,
            call.request.method,
            call.method.input(params),
            content=beside(call, {key: params.get(key) for key in ("name", "arguments")}),
            action=f"{server}/{tool}",
            tool=tool,
            tool_class=policy.tool_class(server, tool) if policy else ToolClass.DESTRUCTIVE,
            schema_digest=schema_digest,
            correlation=correlation(params),
        )

    def _note_capabilities(self, call: Call, params: dict[str, Any]) -> None:
        """Keep what the client offers, and take out what Guard cannot police."""
        if call.request.method == "initialize":
            offered = params["capabilities"]
            kept = {key: value for key, value in offered.items() if key in CLIENT_CAPABILITIES}
            params["capabilities"] = self._session.client_capabilities = kept
        elif call.modern:
            meta = params["_meta"]
            offered = meta[META_CAPABILITIES]
            kept = {key: value for key, value in offered.items() if key in CLIENT_CAPABILITIES}
            extensions = offered.get("extensions")
            if isinstance(extensions, dict) and TASKS_EXTENSION in extensions:
                kept["extensions"] = {TASKS_EXTENSION: extensions[TASKS_EXTENSION]}
            params["_meta"] = {**meta, META_CAPABILITIES: kept}

    async def _list_tools(self, call: Call) -> None:
        session, catalog = self._session, self._parties.catalog
        await catalog.refresh(session.ask_server)
        if catalog.problem:
            why = session.barred.detail if session.barred else catalog.problem
            session.answer(call, failure(call.id, UPSTREAM_FAILED, why))
            return
        result: dict[str, Any] = {"tools": catalog.listing(session.agent, self._parties.user)}
        if call.modern:
            result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            session.era = Era.MODERN
        session.answer(call, Response(id=call.id, result=result))

    def _deny(self, call: Call, event: Event, decision: Decision) -> None:
        session = self._session
        if event.kind is not Kind.TOOL_CALL:
            text = denial_text(event.method, decision, ())
            data = {"policies": list(decision.rules)} if decision.rules else None
            session.answer(call, failure(call.id, DENIED, text, data))
            return
        listed = self._parties.catalog.listing(session.agent, self._parties.user)
        text = denial_text(event.action, decision, [tool["name"] for tool in listed])
        session.answer(call, Response(id=call.id, result=denied_result(text, modern=call.modern)))

    def _ask_in_result(self, call: Call) -> None:
        """The modern era has no questions of the server: the question is a result."""
        assert call.question is not None
        assert call.shown is not None
        asked = {
            "method": "elicitation/create",
            "params": question(call.shown, call.question),
        }
        token = self._session.continuations.put(
            Continuation(
                action=action_digest(call.request.method, call.request.params),
                upstream=None,
                fulfilled=call.fulfilled,
                question=call.question,
                expires_us=self._parties.clock.now_us() + CONTINUATION_TTL_US,
            )
        )
        result = {
            "resultType": "input_required",
            "inputRequests": {CONFIRM_KEY: asked},
            "requestState": token,
        }
        self._session.answer(call, Response(id=call.id, result=result))

    def bar(self, decision: Decision) -> None:
        """The server was stopped, and something answers in its place to what it may answer."""
        session = self._session
        for call in list(session.calls.values()):
            event, name = call.event, call.request.method
            if call.state is State.HELD:
                # What waits for no person comes to its own end, and is denied there.
                if call.asking and call.task is not None and event is not None:
                    call.judged = True
                    with contextlib.suppress(RemitError):
                        self._parties.ledger.record(event, decision)
                    self._deny(call, event, decision)
                    call.task.cancel()
            elif event is None or not _reaches_server(name, event):
                if not call.answered:
                    session.write_server(
                        Request(id=call.id, method=name, params=call.request.params)
                    )
            else:
                session.ended(call, "denied")
                self._deny(call, event, decision)

    # --- notifications and answers ------------------------------------------------------------

    def _notification(self, message: Notification) -> None:
        if message.method in CLIENT_REQUESTS:
            raise Refused("a call needs an id", code="mcp.no_id")
        method = CLIENT_NOTIFICATIONS.get(message.method)
        if method is None:
            raise Refused("the notification is not part of this protocol", code="mcp.method")
        cancels = message.method == "notifications/cancelled"
        if not cancels and self._session.era not in method.eras:
            raise Refused(
                "the notification does not fit the era of this connection", code="mcp.era"
            )
        check_params(method, message.params, None)
        if cancels:
            self._cancel(message)
        elif message.method == "notifications/progress":
            self._session.progress_of_client(message)
        elif method.kind is None:
            # Plumbing carries no authority, and nothing else either.
            self._session.write_server(Notification(method=message.method, params={}))
        else:
            self._session.run(self._judged(message, method))

    async def _judged(self, message: Notification, method: Method) -> None:
        assert method.kind is not None
        session = self._session
        params = message.params
        given = method.input(params)
        event = session.event(method.kind, message.method, given, content=params or None)
        fulfiller = CallFulfiller(session, None)
        if (await self._parties.guard.judge(event, session.state, fulfiller)).allowed:
            session.write_server(message)

    def _cancel(self, message: Notification) -> None:
        call = self._session.calls.get(message.params["requestId"])
        if call is None or call.request.method == "initialize":
            return
        if call.state is State.HELD and call.task is not None:
            # A later confirmation must not run it.
            call.task.cancel()
        elif call.state is State.FORWARDED:
            call.state = State.CANCELLED
            self._session.write_server(
                Notification(method=message.method, params={"requestId": call.id})
            )

    def _response(self, message: Response) -> None:
        if self._session.own_down.settle(message):
            return
        self._session.asked_by_server(message)


def _reaches_server(method: str, event: Event) -> bool:
    """Whether a request wants more than to connect, and to see what there would be."""
    return event.kind is not Kind.MCP_CONNECT and method != "tools/list"


def _can_wait(message: Message) -> bool:
    """What is not needed while ``initialize`` is under way."""
    return not (
        (isinstance(message, Request) and message.method in {"ping", "initialize"})
        or isinstance(message, Response)
    )


def _internal(error: Exception) -> Refused:
    return Refused("internal error", code=f"mcp.internal.{type(error).__name__}")


def _bad_params(request: Request, message: str) -> Refused:
    return Refused(message, rpc_code=INVALID_PARAMS, id=request.id, code="mcp.params")


def _wrong_era(request: Request, message: str) -> Refused:
    return Refused(message, id=request.id, code="mcp.era")
