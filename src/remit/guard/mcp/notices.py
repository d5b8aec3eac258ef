"""What the server tells the client unasked.

Members with a meaning of the protocol (numbers, flags, words of a list, ids that the client knows)
pass. Everything else in a notification is text, and judged as such where a policy wants to know;
members that the protocol does not have go nowhere.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from remit.core.digest import Digest, sha256
from remit.core.event import Kind
from remit.guard.mcp.messages import Notification, Refused
from remit.guard.mcp.methods import (
    META_SUBSCRIPTION,
    SERVER_NOTIFICATIONS,
    Era,
    Method,
    subscribed,
)

if TYPE_CHECKING:
    from remit.guard.mcp.server_side import ServerSide
    from remit.guard.mcp.session import Session

MAX_STREAMS = 1024

_STATUS = frozenset({"working", "input_required", "completed", "failed", "cancelled"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_TASK = {
    "taskId": "task",
    "status": "status",
    "statusMessage": "text",
    "createdAt": "time",
    "lastUpdatedAt": "time",
    "ttl": "number",
    "ttlMs": "number",
    "pollInterval": "number",
    "pollIntervalMs": "number",
}
_MEMBERS: Mapping[str, Mapping[str, str]] = {
    "notifications/cancelled": {"requestId": "matched", "reason": "text"},
    "notifications/progress": {
        "progressToken": "matched",
        "progress": "number",
        "total": "number",
        "message": "text",
    },
    "notifications/message": {"level": "text", "logger": "text", "data": "text"},
    "notifications/tools/list_changed": {},
    "notifications/prompts/list_changed": {},
    "notifications/resources/list_changed": {},
    "notifications/resources/updated": {"uri": "text"},
    "notifications/elicitation/complete": {"elicitationId": "dialog"},
    "notifications/subscriptions/acknowledged": {"notifications": "filter"},
    "notifications/tasks": {**_TASK, "result": "body", "error": "body", "inputRequests": "body"},
    "notifications/tasks/status": _TASK,
}
"""Members beside ``_meta``, and what they are."""
_NEEDED = frozenset({"taskId", "status", "progress", "elicitationId"})
"""Without these a notification says nothing."""


class Notices:
    """Passes notifications of one server."""

    def __init__(self, session: "Session", side: "ServerSide") -> None:
        self._session = session
        self._parties = session.parties
        self._side = side
        self._streams: dict[Digest, bool] = {}

    def take(self, message: Notification) -> None:
        """One notification.

        Raises:
            Refused: it is none of this protocol.
        """
        session = self._session
        method = SERVER_NOTIFICATIONS.get(message.method)
        if method is None:
            raise Refused("the notification is not part of this protocol", code="mcp.method")
        if session.era is not Era.UNKNOWN and session.era not in method.eras:
            raise Refused("the notification does not fit the era", code="mcp.era")
        known = _MEMBERS[message.method]
        params = {k: v for k, v in message.params.items() if k in known or k == "_meta"}
        message = Notification(method=message.method, params=params)
        if message.method == "notifications/progress":
            if not self._awaited(params.get("progressToken")):
                return
        elif message.method == "notifications/cancelled":
            if not self._withdrawn(params.get("requestId")):
                return
        elif message.method == "notifications/tools/list_changed":
            self._parties.catalog.stale()
        if method.kind is not None:
            session.run(self._stream(method, message))
        else:
            session.run(self._tell(message))

    def _awaited(self, token: Any) -> bool:
        """Whether the client asked to be told of progress under this token."""
        calls = self._session.calls.values()
        return any(
            call.token is not None and call.token == token and type(call.token) is type(token)
            for call in calls
        )

    def _withdrawn(self, number: Any) -> bool:
        """The server gives up a request of its own, or (modern) ends a subscription."""
        if type(number) not in (str, int):
            return False
        if self._session.era is not Era.MODERN:
            return self._side.asks.withdraw(number)
        return self._listens(number) and self._session.forget(self._session.calls[number])

    def _listens(self, number: Any) -> bool:
        if type(number) not in (str, int):
            return False
        call = self._session.calls.get(number)
        return call is not None and call.request.method == "subscriptions/listen"

    async def _stream(self, method: Method, message: Notification) -> None:
        """Pass notifications that policy allows.

        Those that are alike are judged once a session, unless their text matters.
        """
        assert method.kind is not None
        if self._parties.guard.looks(str(method.kind)):
            verdict = await self._side.judge(method, message.method, message.params)
            if verdict.allowed:
                told = Notification(method=message.method, params=verdict.event.content)
                self._session.write_client(told)
            return
        alike = sha256(
            repr((message.method, sorted(method.input(message.params).items()))).encode()
        )
        allowed = self._streams.get(alike)
        if allowed is None:
            if len(self._streams) >= MAX_STREAMS:
                return
            verdict = await self._side.judge(method, message.method, message.params)
            allowed = self._streams[alike] = verdict.allowed
        if allowed:
            self._session.write_client(message)

    async def _tell(self, message: Notification) -> None:
        """Pass what is the protocol's, and judge the rest: texts as a log, a result as a result."""
        known = _MEMBERS[message.method]
        body = {k: v for k, v in message.params.items() if known.get(k) == "body"}
        told, texts = self._sorted(message, known)
        if body:
            told |= await self._task_body(message, body)
        if texts and self._parties.guard.looks(str(Kind.MCP_LOG)):
            level = message.method.rpartition("/")[2]
            verdict = await self._side.judge_text(
                Kind.MCP_LOG, message.method, {"level": level}, texts
            )
            if not verdict.allowed and texts.keys() & _NEEDED:
                return
            texts = verdict.event.content if verdict.allowed else {}
        meta = texts.get("_meta")
        if isinstance(meta, dict):
            texts = {**texts, "_meta": {**told.get("_meta", {}), **meta}}
        params = {**told, **texts}
        order = [key for key in message.params if key in params]
        self._session.write_client(
            Notification(method=message.method, params={key: params[key] for key in order})
        )

    def _sorted(
        self, message: Notification, known: Mapping[str, str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What passes as it is, and what is text."""
        plain: dict[str, Any] = {}
        texts: dict[str, Any] = {}
        for key, value in message.params.items():
            if key == "_meta":
                if isinstance(value, dict) and self._listens(value.get(META_SUBSCRIPTION)):
                    plain[key] = {META_SUBSCRIPTION: value[META_SUBSCRIPTION]}
                    value = {k: v for k, v in value.items() if k != META_SUBSCRIPTION}  # noqa: PLW2901
                if value != {}:
                    texts[key] = value
            elif known[key] != "body":
                (plain if self._plain(known[key], value) else texts)[key] = value
        return plain, texts

    def _plain(self, what: str, value: Any) -> bool:
        """Whether a member is what the protocol says that it is, and no words."""
        if what == "matched":
            return True
        if what == "number":
            return value is None or type(value) in (int, float)
        if what == "filter":
            return self._asked_for(value)
        if not isinstance(value, str):
            return False
        if what == "status":
            return value in _STATUS
        if what == "time":
            return _TIME.fullmatch(value) is not None
        if what == "task":
            return value in self._side.results.tasks
        return what == "dialog" and value in self._side.asks.dialogs

    def _asked_for(self, wanted: Any) -> bool:
        """Whether a server says it will tell what a client asked to be told, in its words."""
        if not isinstance(wanted, dict):
            return False
        try:
            uris = set(subscribed({"notifications": wanted}))
        except Refused:
            return False
        for call in self._session.calls.values():
            if call.request.method == "subscriptions/listen":
                uris -= set(subscribed(call.request.params))
        return not uris

    async def _task_body(self, message: Notification, body: dict[str, Any]) -> dict[str, Any]:
        """The result of a task is that of the call that began it, whichever way it comes."""
        result = body.get("result")
        failed = isinstance(result, dict) and result.get("isError") is True
        tool = self._side.results.source(message.params.get("taskId"), str(Kind.MCP_TASK))
        given = {"tool": tool, "error": failed or "error" in body}
        verdict = await self._side.judge_text(Kind.TOOL_RESULT, message.method, given, body)
        return verdict.event.content if verdict.allowed else {}
