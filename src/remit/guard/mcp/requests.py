"""What becomes of a request of the client: judged, then forwarded or answered."""

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
from remit.guard.mcp.messages import (
    DENIED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    UPSTREAM_FAILED,
    Refused,
    Request,
    Response,
    failure,
)
from remit.guard.mcp.methods import (
    META_CAPABILITIES,
    TASKS_EXTENSION,
    Era,
    subscribed,
)

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session

CLIENT_CAPABILITIES = frozenset({"roots", "sampling", "elicitation", "tasks"})


class Requests:
    """Takes the requests that fit the connection."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._parties = session.parties

    async def handle(self, call: Call) -> None:
        """Judge it, and forward it or answer. Only a cancellation comes out of here."""
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
            session.refused("client", internal(error), name)
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
                raise bad_params(call.request, "`inputResponses` without `requestState`")
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


def internal(error: Exception) -> Refused:
    """What is recorded of an error that nobody expected."""
    return Refused("internal error", code=f"mcp.internal.{type(error).__name__}")


def bad_params(request: Request, message: str) -> Refused:
    """A request whose parameters do not fit."""
    return Refused(message, rpc_code=INVALID_PARAMS, id=request.id, code="mcp.params")


def _reaches_server(method: str, event: Event) -> bool:
    """Whether a request wants more than to connect, and to see what there would be."""
    return event.kind is not Kind.MCP_CONNECT and method != "tools/list"
