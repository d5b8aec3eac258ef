"""What messages of the client do: lines in; what becomes of a request is in :mod:`.requests`."""

from typing import TYPE_CHECKING

from remit.core.decision import Decision
from remit.guard.mcp.calls import Call, State
from remit.guard.mcp.confirm import CallFulfiller
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import (
    INTERNAL_ERROR,
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
    Era,
    Method,
    check_params,
    is_modern,
)
from remit.guard.mcp.requests import Requests, bad_params, internal

if TYPE_CHECKING:
    from remit.guard.mcp.session import Session

MAX_IN_FLIGHT = 4096
MAX_EARLY = 256


class ClientSide:
    """Takes the lines of the client."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._parties = session.parties
        self._requests = Requests(session)
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
        self._session.refused("client", internal(error))
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

    def bar(self, decision: Decision) -> None:
        """The server was stopped; what waits for it is denied."""
        self._requests.bar(decision)

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
            raise bad_params(request, "a member of `params` is not of this era")
        if session.gone:
            session.write_client(failure(request.id, UPSTREAM_FAILED, session.gone))
            return
        call = Call(request, method, modern=modern)
        session.calls[request.id] = call
        call.task = session.run(self._requests.handle(call))

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
                raise bad_params(request, f"`_meta` needs `{META_CAPABILITIES}`")
            return True
        if Era.LEGACY not in method.eras or era is Era.MODERN:
            raise bad_params(request, f"`_meta` needs `{META_VERSION}`")
        if request.method == "initialize":
            if era is Era.LEGACY or self._session.opening:
                raise _wrong_era(request, "the session is open already")
        elif era is Era.UNKNOWN and request.method != "ping":
            raise _wrong_era(request, "send `initialize` first")
        return False

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


def _can_wait(message: Message) -> bool:
    """What is not needed while ``initialize`` is under way."""
    return not (
        (isinstance(message, Request) and message.method in {"ping", "initialize"})
        or isinstance(message, Response)
    )


def _wrong_era(request: Request, message: str) -> Refused:
    return Refused(message, id=request.id, code="mcp.era")
