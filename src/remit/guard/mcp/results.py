"""Answers of the server, by the method that asked: checked, judged, recorded, delivered."""

from typing import TYPE_CHECKING, Any

import msgspec

from remit.core.decision import Decision
from remit.core.event import Event, Kind
from remit.core.strictjson import dumps
from remit.guard.errors import GuardError
from remit.guard.judge import Verdict
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
from remit.guard.mcp.messages import DENIED, MAX_ID, Response, failure
from remit.guard.mcp.methods import (
    CAPABILITY_OF,
    LEGACY_VERSIONS,
    META_SUBSCRIPTION,
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
"""Answers that always have texts; others are looked into if they have any."""
OPENINGS = frozenset({"initialize", "server/discover"})
_SETTLED = {
    "initialize": frozenset({"protocolVersion", "instructions"}),
    "server/discover": frozenset({"resultType", "instructions"}),
}
"""Members of an opening that were checked against the protocol's words, or are pinned."""
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
        self.tasks: dict[str, str] = {}

    async def deliver(self, call: Call, message: Response) -> None:
        """Give the server's answer to the client, if nothing speaks against it.

        Raises:
            RemitError: the answer is not one that this era and method can have.
        """
        name = call.request.method
        if message.result is not None and call.modern:
            self._check_type(call, message.result)
        looks = self._parties.guard.looks(str(Kind.TOOL_RESULT))
        if name in OPENINGS:
            await self._opening(call, message, looks=looks)
        elif name in JUDGED or (looks and (name in LISTED or _says(message))):
            await self._judged(call, message)
        else:
            if message.result is not None and call.modern:
                self._lock_modern()
            self._session.answer(call, message)

    async def _opening(self, call: Call, message: Response, *, looks: bool) -> None:
        """What a server says of itself; its era is settled once that may be said."""
        legacy, event = call.request.method == "initialize", call.event
        assert event is not None
        if message.result is not None:
            self._check_opening(message.result, legacy=legacy)
            message = Response(id=call.id, result=self._vetted(message.result))
        if looks:
            body = message.result if message.result is not None else message.error
            settled = _SETTLED[call.request.method] if message.result is not None else frozenset()
            text = {key: value for key, value in (body or {}).items() if key not in settled}
            verdict = await self._verdict(call, event, message, text)
            if not verdict.allowed:
                self._deny(call, event, verdict.decision)
                return
            kept = {key: value for key, value in (body or {}).items() if key in settled}
            message = _with_body(message, {**kept, **verdict.event.content})
        if message.result is not None:
            self._check_opening(message.result, legacy=legacy)
            self._session.era = Era.LEGACY if legacy else Era.MODERN
        self._session.answer(call, message)

    def _check_type(self, call: Call, result: dict[str, Any]) -> None:
        kind = result.get("resultType", "complete")
        if not isinstance(kind, str) or kind not in RESULT_TYPES:
            raise GuardError("the server's result has an unknown type", code="mcp.bad_result")
        if kind == "input_required" and call.request.method not in MULTI_ROUND:
            raise GuardError("the server asks for input where it may not", code="mcp.bad_result")

    def _check_opening(self, result: dict[str, Any], *, legacy: bool) -> None:
        """Whether the connection may be of this era from now on."""
        if self._session.era is (Era.MODERN if legacy else Era.LEGACY):
            raise GuardError("the server mixes two protocol eras", code="mcp.era")
        if legacy and result.get("protocolVersion") not in LEGACY_VERSIONS:
            raise GuardError("the server speaks an unknown version", code="mcp.protocol_version")

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
        # Plumbing has no event of its own.
        event = call.event or session.event(Kind.MCP_CONNECT, call.request.method, {})
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
        # Guard's own token is no text of the server.
        verdict = await self._verdict(call, event, message, _without_state(body) if state else body)
        if verdict.allowed:
            told = verdict.event.content
            if state:
                told = {**told, "requestState": state}
            self._remember_task(message.result, event)
            session.answer(call, _with_body(message, told))
        else:
            self._deny(call, event, verdict.decision)

    async def _verdict(
        self, call: Call, event: Event, message: Response, content: dict[str, Any] | None
    ) -> Verdict:
        """Judge an answer as the result of a call; ``content`` is what is looked into."""
        session = self._session
        value = dumps(message.result if message.result is not None else message.error)
        status = _status(message)
        outcome = Outcome(
            call=event.id,
            status="cancelled" if call.state is State.CANCELLED else status,
            size=len(value),
            latency_us=session.now_us() - call.started_us,
            value=value,
        )
        return await self._parties.guard.judge(
            msgspec.structs.replace(
                event,
                kind=Kind.TOOL_RESULT,
                action="tool.result",
                tool_class=None,
                schema_digest="",
                input={
                    "tool": self.source(call.request.params.get("taskId"), event.action),
                    "error": status != "ok",
                },
                content=content,
                inbound=True,
            ),
            session.state,
            CallFulfiller(session, None),
            outcome=outcome,
        )

    def source(self, task: Any, action: str) -> str:
        """The action whose result this is: for a task, the call that began it."""
        return self.tasks.get(task, action) if isinstance(task, str) else action

    def _remember_task(self, result: dict[str, Any] | None, event: Event) -> None:
        if result is None:
            return
        # The modern era has the task's members beside those of a result.
        task = result if result.get("resultType") == "task" else result.get("task")
        number = task.get("taskId") if isinstance(task, dict) else None
        if event.kind is Kind.TOOL_CALL and isinstance(number, str) and len(number) <= MAX_ID:
            if len(self.tasks) >= MAX_TASKS:
                del self.tasks[next(iter(self.tasks))]
            self.tasks[number] = event.action

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


def _says(message: Response) -> bool:
    """Whether an answer says more than that it was done."""
    if message.result is None:
        return True
    rest = dict(message.result)
    if rest.get("resultType") == "complete":
        del rest["resultType"]
    meta = rest.pop("_meta", None)
    return bool(rest) or (isinstance(meta, dict) and bool(meta.keys() - {META_SUBSCRIPTION}))


def _with_body(message: Response, told: dict[str, Any]) -> Response:
    """The answer with what may be told of it."""
    if message.result is None:
        return Response(id=message.id, error=told)
    return Response(id=message.id, result=told)


def _without_state(body: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (body or {}).items() if key != "requestState"}


def _status(message: Response) -> str:
    if message.result is None:
        return "protocol_error"
    return "tool_error" if message.result.get("isError") is True else "ok"
