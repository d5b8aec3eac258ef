"""What messages of the server do. The server is a peer like any other: nothing of it is trusted."""

from typing import TYPE_CHECKING, Any

from remit.core.digest import Digest, sha256
from remit.core.errors import RemitError
from remit.core.event import Kind
from remit.guard.judge import Verdict
from remit.guard.mcp.calls import Call, State
from remit.guard.mcp.confirm import CallFulfiller
from remit.guard.mcp.framing import SAMPLE_BYTES, Line, Overlong
from remit.guard.mcp.messages import (
    DENIED,
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
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
    top_level_ids,
)
from remit.guard.mcp.methods import (
    CAPABILITY_OF,
    SERVER_NOTIFICATIONS,
    SERVER_REQUESTS,
    Era,
    Method,
)
from remit.guard.mcp.results import Results

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session

MAX_ASKS = 1024
MAX_STREAMS = 1024
_TEXTS = frozenset({"message", "reason", "statusMessage", "_meta"})
"""Members of notifications that a model may get to read."""
_NOBODY = object()


class ServerSide:
    """Takes the lines of the server."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._parties = session.parties
        # Requests of the server that the client has not answered: id -> its progress token.
        self._asks: dict[Id, Any] = {}
        self._streams: dict[Digest, bool] = {}
        self._results = Results(session, self)

    def receive(self, line: Line | Overlong) -> None:
        """One line. Never raises: what is wrong is recorded, and who waits for it is told."""
        try:
            self._take(self._parse(line))
        except Refused as refusal:
            self._refuse(refusal, line)
        except Exception as error:  # noqa: BLE001 - no output of a server may stop Guard
            failed = Refused("internal error", code=f"mcp.internal.{type(error).__name__}")
            self._refuse(failed, line)

    def _parse(self, line: Line | Overlong) -> Message:
        limit = self._session.limits.server_bytes
        if isinstance(line, Overlong):
            raise Refused(f"the server's message is larger than {limit} bytes", code="json.size")
        return parse_message(line.data, fold_keys=False, max_bytes=limit)

    def _take(self, message: Message) -> None:
        match message:
            case Request():
                self._request(message)
            case Notification():
                self._notification(message)
            case Response():
                self._response(message)

    def _refuse(self, refusal: Refused, line: Line | Overlong) -> None:
        """Record it, and end the request that it was meant to answer, as far as that is seen."""
        session = self._session
        session.refused("server", refusal)
        for number in _meant(refusal, line):
            if session.own_up.settle(failure(number, 0, refusal.message)):
                continue
            call = session.calls.get(number)
            if call is not None and call.state is not State.HELD:
                session.ended(call, "protocol_error")
                session.answer(call, failure(call.id, UPSTREAM_FAILED, refusal.message))

    # --- answers ------------------------------------------------------------------------------

    def _response(self, message: Response) -> None:
        session = self._session
        if session.own_up.settle(message):
            return
        call = session.calls.get(message.id) if message.id is not None else None
        if call is None or call.state is State.HELD or call.answered:
            raise Refused("an answer to nothing that was asked", code="mcp.unknown_response")
        call.answered = True
        session.run(self._finish(call, message))

    async def _finish(self, call: Call, message: Response) -> None:
        session, name = self._session, call.request.method
        try:
            await self._results.deliver(call, message)
        except RemitError as error:
            session.refused("server", Refused(error.message, code=error.code), name)
            session.ended(call, "protocol_error")
            session.answer(call, failure(call.id, UPSTREAM_FAILED, error.message))
        except Exception as error:  # noqa: BLE001 - the client must be answered
            failed = Refused("internal error", code=f"mcp.internal.{type(error).__name__}")
            session.refused("server", failed, name)
            session.ended(call, "protocol_error")
            text = "the server's answer cannot be handled"
            session.answer(call, failure(call.id, INTERNAL_ERROR, text))

    # --- requests -----------------------------------------------------------------------------

    def _request(self, message: Request) -> None:
        session = self._session
        method = SERVER_REQUESTS.get(message.method)
        if method is None or not (session.era is Era.LEGACY or session.opening):
            self._session.write_server(
                failure(message.id, METHOD_NOT_FOUND, "not of this protocol")
            )
            raise Refused("the server asks what the protocol does not have", code="mcp.method")
        capability = CAPABILITY_OF.get(message.method)
        if capability is not None and capability not in session.client_capabilities:
            self._session.write_server(
                failure(message.id, METHOD_NOT_FOUND, "the client cannot do it")
            )
            raise Refused("the server asks what the client did not offer", code="mcp.capability")
        if message.id in self._asks or session.own_down.owns(message.id):
            raise Refused("the server reused an id", code="mcp.id_reuse")
        if len(self._asks) >= MAX_ASKS:
            self._session.write_server(failure(message.id, DENIED, "too many requests"))
            raise Refused("the server asks too much at once", code="mcp.busy")
        meta = message.params.get("_meta")
        self._asks[message.id] = meta.get("progressToken") if isinstance(meta, dict) else None
        session.run(self._ask_client(message, method))

    async def _ask_client(self, message: Request, method: Method) -> None:
        verdict = None
        if method.kind is not None:
            verdict = await self.judge(method, message.method, message.params)
        if verdict is None:
            self._session.write_client(message)
        elif verdict.allowed:
            asked = Request(id=message.id, method=message.method, params=verdict.event.content)
            self._session.write_client(asked)
        else:
            self._asks.pop(message.id, None)
            self._session.write_server(failure(message.id, DENIED, "denied by policy"))

    def progress(self, message: Notification) -> None:
        """Progress of the client on a request of the server that asked to be told."""
        token = message.params["progressToken"]
        if any(known == token and type(known) is type(token) for known in self._asks.values()):
            kept = {key: value for key, value in message.params.items() if key != "_meta"}
            self._session.write_server(Notification(method=message.method, params=kept))

    def answered(self, message: Response) -> None:
        """The client answered; pass it on if the server asked.

        Raises:
            Refused: it did not.
        """
        if message.id is None or message.id not in self._asks:
            raise Refused("nobody asked for this answer", code="mcp.unknown_response")
        del self._asks[message.id]
        self._session.write_server(message)

    async def judge(self, method: Method, name: str, params: dict[str, Any]) -> Verdict:
        """Judge something that the server wants of the client."""
        assert method.kind is not None
        session = self._session
        event = session.event(method.kind, name, method.input(params), content=params)
        return await self._parties.guard.judge(event, session.state, CallFulfiller(session, None))

    # --- notifications ------------------------------------------------------------------------

    def _notification(self, message: Notification) -> None:
        session = self._session
        method = SERVER_NOTIFICATIONS.get(message.method)
        if method is None:
            raise Refused("the notification is not part of this protocol", code="mcp.method")
        if session.era is not Era.UNKNOWN and session.era not in method.eras:
            raise Refused("the notification does not fit the era", code="mcp.era")
        params = message.params
        if message.method == "notifications/progress":
            token = params.get("progressToken")
            if token is None or all(call.token != token for call in session.calls.values()):
                return
        elif message.method == "notifications/cancelled":
            if not self._withdrawn(params.get("requestId")):
                return
        elif message.method == "notifications/tools/list_changed":
            self._parties.catalog.stale()
        if method.kind is not None:
            session.run(self._stream(method, message))
        elif params.keys() & _TEXTS and self._parties.guard.looks(str(Kind.MCP_LOG)):
            session.run(self._tell(message))
        else:
            session.write_client(message)

    def _withdrawn(self, number: Any) -> bool:
        """The server gives up a request of its own, or (modern) ends a subscription."""
        if type(number) not in (str, int):
            return False
        if self._session.era is not Era.MODERN:
            return self._asks.pop(number, _NOBODY) is not _NOBODY
        call = self._session.calls.get(number)
        if call is None or call.request.method != "subscriptions/listen":
            return False
        return self._session.forget(call)

    async def _stream(self, method: Method, message: Notification) -> None:
        """Pass notifications that policy allows.

        Those that are alike are judged once a session, unless their text matters.
        """
        assert method.kind is not None
        if self._parties.guard.looks(str(method.kind)):
            verdict = await self.judge(method, message.method, message.params)
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
            verdict = await self.judge(method, message.method, message.params)
            allowed = self._streams[alike] = verdict.allowed
        if allowed:
            self._session.write_client(message)

    async def _tell(self, message: Notification) -> None:
        """Plumbing with a text in it: the text is judged like a log message, the rest passes."""
        session = self._session
        texts = {key: value for key, value in message.params.items() if key in _TEXTS}
        level = message.method.rpartition("/")[2]
        event = session.event(Kind.MCP_LOG, message.method, {"level": level}, content=texts)
        fulfiller = CallFulfiller(session, None)
        verdict = await self._parties.guard.judge(event, session.state, fulfiller)
        rest = {key: value for key, value in message.params.items() if key not in _TEXTS}
        told = verdict.event.content if verdict.allowed else {}
        session.write_client(Notification(method=message.method, params={**rest, **told}))


def _meant(refusal: Refused, line: Line | Overlong) -> list[Id]:
    """The requests that a broken answer may have been meant for: waiting longer helps none."""
    if refusal.id is not None:
        return [refusal.id]
    if isinstance(line, Overlong):
        number = sample_id(line.head, line.tail)
    else:
        numbers = top_level_ids(line.data)
        if numbers:
            return numbers
        number = sample_id(line.data[:SAMPLE_BYTES], line.data[-SAMPLE_BYTES:])
    return [] if number is None else [number]
