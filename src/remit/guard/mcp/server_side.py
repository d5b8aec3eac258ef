"""What messages of the server do. The server is a peer like any other: nothing of it is trusted."""

from typing import TYPE_CHECKING, Any

from remit.core.errors import RemitError
from remit.core.event import Kind
from remit.guard.judge import Verdict
from remit.guard.mcp.asks import Asks
from remit.guard.mcp.calls import Call, State
from remit.guard.mcp.confirm import CallFulfiller
from remit.guard.mcp.framing import SAMPLE_BYTES, Line, Overlong
from remit.guard.mcp.messages import (
    INTERNAL_ERROR,
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
    Method,
)
from remit.guard.mcp.notices import Notices
from remit.guard.mcp.results import Results

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session


class ServerSide:
    """Takes the lines of the server."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._parties = session.parties
        self.asks = Asks(session, self)
        self.results = Results(session, self)
        self._notices = Notices(session, self)

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
                self.asks.take(message)
            case Notification():
                self._notices.take(message)
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
            await self.results.deliver(call, message)
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

    # --- requests and notifications -----------------------------------------------------------

    async def judge(self, method: Method, name: str, params: dict[str, Any]) -> Verdict:
        """Judge something that the server wants of the client, or tells it."""
        assert method.kind is not None
        return await self.judge_text(method.kind, name, method.input(params), params)

    async def judge_text(
        self, kind: Kind, name: str, given: dict[str, Any], content: dict[str, Any]
    ) -> Verdict:
        """Judge a text of the server as an event of ``kind``."""
        session = self._session
        event = session.event(kind, name, given, content=content, inbound=True)
        return await self._parties.guard.judge(event, session.state, CallFulfiller(session, None))


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
