"""Answers of the server, by the method that asked: checked, judged, recorded, delivered."""

from typing import TYPE_CHECKING, Any

import msgspec

from remit.core.decision import Decision
from remit.core.event import Event, Kind
from remit.core.strictjson import dumps
from remit.guard.errors import GuardError
from remit.guard.ledger import Outcome
from remit.guard.mcp.calls import (
    CONFIRM_KEY,
    CONTINUATION_TTL_US,
    Call,
    Continuation,
    State,
    action_digest,
)
from remit.guard.mcp.confirm import CallFulfiller
from remit.guard.mcp.denials import denial_text, denied_result
from remit.guard.mcp.messages import DENIED, MAX_ID, Id, Response, failure
from remit.guard.mcp.methods import (
    CAPABILITY_OF,
    LEGACY_VERSIONS,
    SERVER_REQUESTS,
    TASKS_EXTENSION,
    Era,
)

if TYPE_CHECKING:
    from remit.guard.mcp.server_side import ServerSide
    from remit.guard.mcp.session import Session

RESULT_TYPES = frozenset({"complete", "input_required", "task"})
MULTI_ROUND = frozenset({"tools/call", "prompts/get", "resources/read"})
JUDGED = MULTI_ROUND | {"tasks/result", "tasks/get"}
LISTED = frozenset(
    {"prompts/list", "resources/list", "resources/templates/list", "completion/complete"}
)
"""Answers whose texts are looked into; that they may be asked for was judged before."""
MAX_REQUEST_STATE = 64 * 1024
MAX_TASKS = 4096
SERVER_CAPABILITIES = frozenset(
    {"tools", "prompts", "resources", "logging", "completions", "tasks"}
)


class Results:
    """Handles the answers of one session."""

    def __init__(self, session: "Session", side: "ServerSide") -> None:
        self._session = session
        self._parties = session.parties
        self._side = side
        # Tasks that the server runs: task id -> action of the call that began it.
        self._tasks: dict[str, str] = {}

    async def deliver(self, call: Call, message: Response) -> None:
        """Give the server's answer to the client, if nothing speaks against it.

        Raises:
            RemitError: the answer is not one that this era and method can have.
        """
        name = call.request.method
        if message.result is not None and call.modern:
            self._check_type(call, message.result)
        listed = name in LISTED and self._parties.guard.looks(str(Kind.TOOL_RESULT))
        if name in JUDGED or listed:
            await self._judged(call, message)
            return
        result = message.result
        if result is not None:
            if name == "initialize":
                message = self._opened(result, call.id)
            elif name == "server/discover":
                message = self._discovered(result, call.id)
            elif call.modern:
                self._lock_modern()
        self._session.answer(call, message)

    def _check_type(self, call: Call, result: dict[str, Any]) -> None:
        kind = result.get("resultType", "complete")
        if not isinstance(kind, str) or kind not in RESULT_TYPES:
            raise GuardError("the server's result has an unknown type", code="mcp.bad_result")
        if kind == "input_required" and call.request.method not in MULTI_ROUND:
            raise GuardError("the server asks for input where it may not", code="mcp.bad_result")

    def _opened(self, result: dict[str, Any], number: Id) -> Response:
        """``initialize`` succeeded: the connection is legacy from now on."""
        session = self._session
        if session.era is Era.MODERN:
            raise GuardError("the server mixes two protocol eras", code="mcp.era")
        if result.get("protocolVersion") not in LEGACY_VERSIONS:
            raise GuardError("the server speaks an unknown version", code="mcp.protocol_version")
        session.era = Era.LEGACY
        return Response(id=number, result=self._vetted(result))

    def _discovered(self, result: dict[str, Any], number: Id) -> Response:
        """``server/discover`` succeeded: the connection is modern from now on."""
        self._lock_modern()
        return Response(id=number, result=self._vetted(result))

    def _lock_modern(self) -> None:
        if self._session.era is Era.LEGACY:
            raise GuardError("the server mixes two protocol eras", code="mcp.era")
        self._session.era = Era.MODERN

    def _vetted(self, result: dict[str, Any]) -> dict[str, Any]:
        """Without capabilities that Guard cannot police and instructions that are not pinned."""
        result = dict(result)
        offered = result.get("capabilities")
        if isinstance(offered, dict):
            kept = {k: v for k, v in offered.items() if k in SERVER_CAPABILITIES}
            extensions = offered.get("extensions")
            if isinstance(extensions, dict) and TASKS_EXTENSION in extensions:
                kept["extensions"] = {TASKS_EXTENSION: extensions[TASKS_EXTENSION]}
            result["capabilities"] = kept
        instructions = result.get("instructions", "")
        if not isinstance(instructions, str):
            raise GuardError("the server's instructions are not text", code="mcp.bad_result")
        self._parties.catalog.instructions = instructions
        if not self._parties.catalog.instructions_accepted(instructions):
            result.pop("instructions", None)
        return result

    async def _judged(self, call: Call, message: Response) -> None:
        """The second event of a call: its result is judged and recorded before it is delivered."""
        session = self._session
        event = call.event
        assert event is not None
        result, state = message.result, ""
        if result is not None and result.get("resultType") == "input_required" and call.modern:
            refused, result = await self._ask_rounds(call, result)
            if refused is not None:
                self._deny(call, event, refused)
                return
            state = self._wrapped(call, result)
            message = Response(id=message.id, result={**result, "requestState": state})
        elif result is not None:
            self._check_content(call, result)
            if call.modern:
                self._lock_modern()
        body = message.result if message.result is not None else message.error
        value = dumps(body)
        status = _status(message)
        outcome = Outcome(
            call=event.id,
            status="cancelled" if call.state is State.CANCELLED else status,
            size=len(value),
            latency_us=session.now_us() - call.started_us,
            value=value,
        )
        verdict = await self._parties.guard.judge(
            msgspec.structs.replace(
                event,
                kind=Kind.TOOL_RESULT,
                action="tool.result",
                tool_class=None,
                schema_digest="",
                input={"tool": self._source(call, event), "error": status != "ok"},
                # Guard's own token is no text of the server.
                content=_without_state(body) if state else body,
            ),
            session.state,
            CallFulfiller(session, None),
            outcome=outcome,
        )
        if verdict.allowed:
            told = verdict.event.content
            if state:
                told = {**told, "requestState": state}
            self._remember_task(message.result, event)
            answer = Response(id=message.id, result=told, error=None)
            if message.result is None:
                answer = Response(id=message.id, error=told)
            session.answer(call, answer)
        else:
            self._deny(call, event, verdict.decision)

    def _source(self, call: Call, event: Event) -> str:
        """The action whose result this is: for a task, the call that began it."""
        task = call.request.params.get("taskId")
        return self._tasks.get(task, event.action) if isinstance(task, str) else event.action

    def _remember_task(self, result: dict[str, Any] | None, event: Event) -> None:
        task = result.get("task") if result is not None else None
        number = task.get("taskId") if isinstance(task, dict) else None
        if event.kind is Kind.TOOL_CALL and isinstance(number, str) and len(number) <= MAX_ID:
            if len(self._tasks) >= MAX_TASKS:
                del self._tasks[next(iter(self._tasks))]
            self._tasks[number] = event.action

    async def _ask_rounds(
        self, call: Call, result: dict[str, Any]
    ) -> tuple[Decision | None, dict[str, Any]]:
        """Judge what the server asks the client for inside a result.

        Returns:
            The first deny, and the result as the client may see it.

        Raises:
            GuardError: a question of a kind that the protocol or the client does not have.
        """
        requests = result.get("inputRequests", {})
        if not isinstance(requests, dict) or CONFIRM_KEY in requests:
            raise GuardError("the server's questions are malformed", code="mcp.bad_result")
        asked: dict[str, Any] = {}
        for key, item in requests.items():
            name = item.get("method") if isinstance(item, dict) else None
            params = item.get("params", {}) if isinstance(item, dict) else None
            if (
                not isinstance(name, str)
                or name not in CAPABILITY_OF
                or not isinstance(params, dict)
            ):
                raise GuardError("the server's questions are malformed", code="mcp.bad_result")
            if CAPABILITY_OF[name] not in call.capabilities:
                raise GuardError(
                    "the server asks for what the client did not offer", code="mcp.capability"
                )
            verdict = await self._side.judge(SERVER_REQUESTS[name], name, params)
            if not verdict.allowed:
                return verdict.decision, result
            asked[key] = {**item, "params": verdict.event.content}
        return None, {**result, "inputRequests": asked} if asked else result

    def _wrapped(self, call: Call, result: dict[str, Any]) -> str:
        """Exchange the server's ``requestState`` for one of Guard's, bound to this call."""
        session = self._session
        upstream = result.get("requestState")
        if upstream is not None and (
            not isinstance(upstream, str) or len(upstream) > MAX_REQUEST_STATE
        ):
            raise GuardError("the server's `requestState` is malformed", code="mcp.bad_result")
        return session.continuations.put(
            Continuation(
                action=action_digest(call.request.method, call.request.params),
                upstream=upstream,
                fulfilled=call.fulfilled,
                question=None,
                expires_us=self._parties.clock.now_us() + CONTINUATION_TTL_US,
            )
        )

    def _check_content(self, call: Call, result: dict[str, Any]) -> None:
        """The members that a client acts on have the types that the protocol gives them."""
        if call.request.method != "tools/call" or result.get("resultType") == "task":
            return
        if "task" in call.request.params and isinstance(result.get("task"), dict):
            return
        content = result.get("content", [])
        if not isinstance(content, list) or not all(
            isinstance(item, dict) and isinstance(item.get("type"), str) for item in content
        ):
            raise GuardError("the server's `content` is malformed", code="mcp.bad_result")
        if "isError" in result and not isinstance(result["isError"], bool):
            raise GuardError("the server's `isError` is malformed", code="mcp.bad_result")
        structured = result.get("structuredContent", {})
        if not call.modern and not isinstance(structured, dict):
            raise GuardError("the server's `structuredContent` is malformed", code="mcp.bad_result")

    def _deny(self, call: Call, event: Event, decision: Decision) -> None:
        text = denial_text(f"the result of {event.action}", decision, ())
        self._parties.ledger.close_call(Outcome(call=event.id, status="denied"))
        if call.request.method == "tools/call":
            result = denied_result(text, modern=call.modern)
            self._session.answer(call, Response(id=call.id, result=result))
        else:
            self._session.answer(call, failure(call.id, DENIED, text))


def _without_state(body: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (body or {}).items() if key != "requestState"}


def _status(message: Response) -> str:
    if message.result is None:
        return "protocol_error"
    return "tool_error" if message.result.get("isError") is True else "ok"
