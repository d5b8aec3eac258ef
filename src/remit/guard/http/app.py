"""Guard's HTTP listener as an ASGI application: MCP endpoints, metadata, health and metrics.

What happens to a request, in this order: its head is checked, its caller is authenticated, its body
is parsed strictly, head and body are compared, and only then a session sees it. Whatever goes wrong
is answered with a status, a JSON-RPC error and a record.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from remit.core.errors import RemitError
from remit.core.strictjson import dumps
from remit.guard.callers.base import Caller, CallerError, Callers, Presented
from remit.guard.http.conversations import Conversation, SharedConversation
from remit.guard.http.heads import (
    HEADER_MISMATCH,
    Head,
    HttpRefusal,
    Rules,
    check_agrees,
    check_parameters,
    read_fields,
    read_head,
    server_of,
)
from remit.guard.http.responses import (
    JSON,
    Receive,
    Responder,
    Scope,
    Send,
    refuse,
    respond,
)
from remit.guard.http.streams import Stream, event_id
from remit.guard.mcp.messages import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    UNSUPPORTED_VERSION,
    Message,
    Refused,
    Request,
    encode,
    failure,
    parse_message,
)
from remit.guard.mcp.methods import LEGACY_VERSIONS, META_VERSION, MODERN_VERSIONS, is_modern

BODY_S = 30.0
WELL_KNOWN = b"/.well-known/oauth-protected-resource"
APPROVALS = b"/approvals"
_PROBES = frozenset({b"/healthz", b"/readyz"})
_NO_PAGES = b"""There are no pages of approvals here: passkeys want a name and TLS.
Set url = "https://a.name" in [http] of remit.toml, or listen on this machine.
"""


class Rooms(Protocol):
    """Where conversations live; the daemon's side of the listener."""

    async def open(self, server: str, caller: Caller) -> tuple[str, Conversation]:
        """A new legacy conversation and its ``Mcp-Session-Id``; raises ``RemitError``."""
        ...

    async def shared(self, server: str, caller: Caller) -> SharedConversation:
        """The conversation of a caller's modern requests; raises ``RemitError``."""
        ...

    def find(self, server: str, session: str, caller: Caller) -> Conversation | None:
        """A legacy conversation of this caller."""
        ...

    def serves(self, server: str) -> bool:
        """Whether a server of that name is configured."""
        ...

    def refused(self, server: str, status: int, code: str, caller: Caller | None) -> None:
        """Record a request that went no further."""
        ...

    def ready(self) -> bool:
        """Whether calls can be judged and recorded."""
        ...

    def metrics(self) -> str:
        """Metrics in the Prometheus text format."""
        ...


class PagesApp(Protocol):
    """Pages for people, below one path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer one request; raises ``HttpRefusal``."""
        ...


Pages = Callable[[], PagesApp]


class App:
    """The ASGI application.

    Args:
        rooms: conversations.
        callers: authentication.
        rules: what heads may say.
        base: canonical URL of the listener, without a slash at the end.
        body_s: seconds that a body may take.
        approvals: pages of approvals, made when somebody asks for one; without, there are none.
    """

    def __init__(
        self, rooms: Rooms, callers: Callers, rules: Rules, base: str,
        *, body_s: float = BODY_S, approvals: Pages | None = None,
    ) -> None:  # fmt: skip
        self._rooms = rooms
        self._callers = callers
        self._rules = rules
        self._base = base
        self._body_s = body_s
        self._approvals = approvals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Anything but HTTP is not served."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        path = _path(scope)
        method: str = scope["method"]
        if method == "GET" and path in _PROBES:
            await self._probe(path, send)
            return
        caller: Caller | None = None
        server = ""
        try:
            _check_version(scope)
            if self._approvals is not None and path.startswith(APPROVALS):
                await self._approvals()(scope, receive, send, path.decode("latin-1"))
                return
            if method == "GET" and not path.startswith(b"/mcp/"):
                read_fields(scope["headers"], self._rules)
                await self._plain(path, send)
                return
            head = read_head(method, path, scope["headers"], self._rules)
            server = head.server
            caller = await self._authenticate(head, scope)
            await self._endpoint(head, caller, receive, send)
        except CallerError as error:
            self._rooms.refused(server, error.status, error.code, caller)
            headers = {"www-authenticate": error.www_authenticate}
            await refuse(send, error.status, error, INVALID_REQUEST, headers)
        except HttpRefusal as error:
            self._rooms.refused(server, error.status, error.code, caller)
            await refuse(send, error.status, error, error.rpc_code, error.headers, error.id)
        except RemitError as error:
            self._rooms.refused(server, 503, error.code, caller)
            await refuse(send, 503, error, INTERNAL_ERROR, {})

    # --- not MCP --------------------------------------------------------------------------------

    async def _probe(self, path: bytes, send: Send) -> None:
        """What probes of whatever runs Guard ask; they name it by any address it has."""
        ready = path == b"/healthz" or self._rooms.ready()
        body = b"ok\n" if ready else b"the audit log cannot be written, or no policy is in force\n"
        await respond(send, 200 if ready else 503, {"content-type": "text/plain"}, body)

    async def _plain(self, path: bytes, send: Send) -> None:
        if path == b"/metrics" and self._rules.local:
            kind = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
            await respond(send, 200, kind, self._rooms.metrics().encode())
        elif path.startswith(WELL_KNOWN):
            found = self._metadata(path.removeprefix(WELL_KNOWN))
            if found is None:
                await respond(send, 404, JSON, b"{}")
            else:
                await respond(send, 200, JSON, dumps(found))
        elif path.startswith(APPROVALS):
            await respond(send, 404, {"content-type": "text/plain"}, _NO_PAGES)
        else:
            await respond(send, 404, {"content-type": "text/plain"}, b"MCP is at /mcp/<server>\n")

    def _metadata(self, path: bytes) -> dict[str, Any] | None:
        server = server_of(path)
        if server is None or not self._rooms.serves(server):
            return None
        return self._callers.metadata(f"{self._base}/mcp/{server}")

    # --- MCP ------------------------------------------------------------------------------------

    async def _authenticate(self, head: Head, scope: Scope) -> Caller:
        tls = scope.get("extensions", {}).get("tls", {})
        return await self._callers.authenticate(
            Presented(
                authorization=head.authorization,
                certificate=tls.get("client_cert_der") or b"",
                resource=f"{self._base}/mcp/{head.server}",
                server=head.server,
            )
        )

    async def _endpoint(self, head: Head, caller: Caller, receive: Receive, send: Send) -> None:
        if not self._rooms.serves(head.server):
            raise HttpRefusal(404, "no server of that name is configured", code="http.server")
        if head.method == "POST":
            await self._post(head, caller, receive, send)
            return
        if head.version in MODERN_VERSIONS:
            raise HttpRefusal(405, "this era has no sessions", headers={"allow": "POST"})
        conversation = self._found(head, caller)
        if head.method == "DELETE":
            conversation.done.set()
            await respond(send, 204, {}, b"")
            return
        stream = self._listening(head, conversation)
        await Responder(send, receive).events(stream, resumable=True)

    def _listening(self, head: Head, conversation: Conversation) -> Stream:
        if "text/event-stream" not in head.fields.get("accept", "").lower():
            raise HttpRefusal(406, "accept text/event-stream", code="http.accept")
        last = head.fields.get("last-event-id")
        if last is None:
            stream = conversation.listen()
            if stream is None:
                raise HttpRefusal(409, "the session is listened to already", code="http.listening")
            return stream
        known = event_id(last)
        found = conversation.resume(*known) if known is not None else None
        if found is None:
            raise HttpRefusal(400, "nothing can be said again from there", code="http.event_id")
        return found

    def _found(self, head: Head, caller: Caller) -> Conversation:
        if not head.session:
            raise HttpRefusal(400, "the request needs Mcp-Session-Id", code="http.no_session")
        found = self._rooms.find(head.server, head.session, caller)
        if found is None or found.done.is_set():
            raise HttpRefusal(
                404, "there is no such session; initialize again", code="http.session"
            )
        if head.version and found.version and head.version != found.version:
            raise HttpRefusal(
                400, "the session speaks another version of the protocol", code="http.version",
                rpc_code=HEADER_MISMATCH,
            )  # fmt: skip
        return found

    async def _post(self, head: Head, caller: Caller, receive: Receive, send: Send) -> None:
        body = await read_body(receive, self._rules.max_body, self._body_s)
        try:
            message = parse_message(body, fold_keys=True, max_bytes=self._rules.max_body)
        except Refused as refusal:
            self._rooms.refused(head.server, 400, refusal.code, caller)
            answer = failure(refusal.id, refusal.rpc_code, refusal.message)
            await respond(send, 400, JSON, encode(answer)[:-1])
            return
        modern = isinstance(message, Request) and is_modern(message.params)
        try:
            if modern or head.version in MODERN_VERSIONS:
                await self._modern(head, caller, message, Responder(send, receive))
            else:
                await self._legacy(head, caller, message, Responder(send, receive))
        except HttpRefusal as error:
            error.id = message.id if isinstance(message, Request) else None
            raise
        except RemitError as error:
            failed = HttpRefusal(503, error.message, code=error.code, rpc_code=INTERNAL_ERROR)
            failed.id = message.id if isinstance(message, Request) else None
            raise failed from error

    async def _modern(
        self, head: Head, caller: Caller, message: Message, responder: Responder
    ) -> None:
        if not isinstance(message, Request):
            raise HttpRefusal(400, "this era sends nothing but requests", code="http.era")
        if not is_modern(message.params):
            raise HttpRefusal(
                400, f"`_meta` needs `{META_VERSION}`", code="http.era", rpc_code=-32602
            )
        check_agrees(head, message, modern=True)
        conversation = await self._rooms.shared(head.server, caller)
        if message.method == "tools/call":
            await _check_tool(head, conversation, message)
        stream = conversation.request(message)
        try:
            await responder.answer(stream, modern=True)
        finally:
            conversation.abandoned(stream)

    async def _legacy(
        self, head: Head, caller: Caller, message: Message, responder: Responder
    ) -> None:
        if head.version and head.version not in LEGACY_VERSIONS:
            raise HttpRefusal(
                400, "unsupported protocol version", code="http.version",
                rpc_code=UNSUPPORTED_VERSION,
            )  # fmt: skip
        if isinstance(message, Request):
            check_agrees(head, message, modern=False)
        if isinstance(message, Request) and message.method == "initialize":
            await self._initialize(head, caller, message, responder)
            return
        conversation = self._found(head, caller)
        if isinstance(message, Request):
            await _answered(conversation, conversation.request(message), responder)
            return
        refusal = conversation.other(message)
        if refusal is None:
            await respond(responder.send, 202, {}, b"")
        else:
            await respond(responder.send, 400, JSON, encode(refusal)[:-1])

    async def _initialize(
        self, head: Head, caller: Caller, message: Request, responder: Responder
    ) -> None:
        if head.session:
            raise HttpRefusal(400, "a session is open already", code="http.session")
        name, conversation = await self._rooms.open(head.server, caller)
        stream = conversation.request(message)
        try:
            await _answered(conversation, stream, responder, {"mcp-session-id": name})
        finally:
            if not responder.succeeded:
                conversation.done.set()


def _check_version(scope: Scope) -> None:
    version = scope.get("http_version", "1.1")
    if version not in {"1.0", "1.1"}:
        raise HttpRefusal(505, "that version of HTTP is not served", code="http.version")
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        raise HttpRefusal(400, "HTTP/1.0 has no transfer codings", code="http.length")


def _path(scope: Scope) -> bytes:
    """The path as it came, without the query, which means nothing here.

    A target in another form (an absolute one) names a host besides the Host header: it is no path
    of ours, whatever it ends with.
    """
    path: bytes = scope.get("raw_path") or scope["path"].encode("latin-1", "replace")
    target = scope.get("extensions", {}).get("target")
    if target is not None:
        path = target["raw"]
    return path.partition(b"?")[0]


async def _answered(
    conversation: Conversation,
    stream: Stream,
    responder: Responder,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Give a legacy answer, and forget it if nobody can come back for it."""
    try:
        await responder.answer(stream, headers=headers)
    finally:
        if not responder.resumable:
            conversation.settled(stream)


async def _check_tool(head: Head, conversation: Conversation, message: Request) -> None:
    """Compare ``Mcp-Param-*`` with the arguments, by the pinned schema."""
    name = message.params.get("name")
    session = conversation.session
    catalog = session.parties.catalog
    await catalog.ensure(session.ask_server)
    tool = catalog.tool(name) if isinstance(name, str) else None
    schema = tool.definition.get("inputSchema") if tool is not None else None
    check_parameters(head, message.params.get("arguments"), schema)


async def read_body(receive: Receive, limit: int, patience_s: float = BODY_S) -> bytes:
    """The whole body of a request.

    Raises:
        HttpRefusal: it is too large, too slow, or breaks off.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience_s):
            while True:
                part = await receive()
                if part["type"] != "http.request":
                    raise HttpRefusal(400, "the request broke off", code="http.cut")
                parts.append(part.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise HttpRefusal(
                        413, f"the body is larger than {limit} bytes", code="http.size"
                    )
                if not part.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise HttpRefusal(408, "the body did not come in time", code="http.slow") from None
