"""What the server asks of the client, and what the client answers."""

from typing import TYPE_CHECKING, Any

import msgspec

from remit.guard.mcp.confirm import CallFulfiller
from remit.guard.mcp.messages import (
    DENIED,
    MAX_ID,
    METHOD_NOT_FOUND,
    Id,
    Notification,
    Refused,
    Request,
    Response,
    failure,
)
from remit.guard.mcp.methods import CAPABILITY_OF, SERVER_REQUESTS, Era, Method

if TYPE_CHECKING:
    from remit.guard.mcp.server_side import ServerSide
    from remit.guard.mcp.session import Session

MAX_ASKS = 1024
MAX_DIALOGS = 1024


class Ask(msgspec.Struct, frozen=True):
    """A request of the server that the client has not answered.

    Attributes:
        method: what it is.
        name: its name.
        given: what policy reads of it.
        token: the progress token that the server gave, whatever that is.
    """

    method: Method
    name: str
    given: dict[str, Any]
    token: Any


class Asks:
    """Requests of the server in flight.

    Attributes:
        dialogs: ids of elicitations that the client was shown.
    """

    def __init__(self, session: "Session", side: "ServerSide") -> None:
        self._session = session
        self._guard = session.parties.guard
        self._side = side
        self._asks: dict[Id, Ask] = {}
        self.dialogs: dict[str, None] = {}

    def take(self, message: Request) -> None:
        """A request of the server.

        Raises:
            Refused: it may not ask this, or not now.
        """
        session = self._session
        method = SERVER_REQUESTS.get(message.method)
        if method is None or not (session.era is Era.LEGACY or session.opening):
            session.write_server(failure(message.id, METHOD_NOT_FOUND, "not of this protocol"))
            raise Refused("the server asks what the protocol does not have", code="mcp.method")
        capability = CAPABILITY_OF.get(message.method)
        if capability is not None and capability not in session.client_capabilities:
            session.write_server(failure(message.id, METHOD_NOT_FOUND, "the client cannot do it"))
            raise Refused("the server asks what the client did not offer", code="mcp.capability")
        if message.id in self._asks or session.own_down.owns(message.id):
            raise Refused("the server reused an id", code="mcp.id_reuse")
        if len(self._asks) >= MAX_ASKS:
            session.write_server(failure(message.id, DENIED, "too many requests"))
            raise Refused("the server asks too much at once", code="mcp.busy")
        meta = message.params.get("_meta")
        self._asks[message.id] = Ask(
            method=method,
            name=message.method,
            given=method.input(message.params),
            token=meta.get("progressToken") if isinstance(meta, dict) else None,
        )
        session.run(self._ask(message, method))

    def withdraw(self, number: Id) -> bool:
        """The server gives a request up; whether there is one."""
        return self._asks.pop(number, None) is not None

    async def _ask(self, message: Request, method: Method) -> None:
        session = self._session
        if method.kind is None:
            session.write_client(Request(id=message.id, method=message.method, params={}))
            return
        verdict = await self._side.judge(method, message.method, message.params)
        if not verdict.allowed:
            self._asks.pop(message.id, None)
            session.write_server(failure(message.id, DENIED, "denied by policy"))
            return
        told = verdict.event.content
        dialog = told.get("elicitationId")
        if isinstance(dialog, str) and len(dialog) <= MAX_ID:
            if len(self.dialogs) >= MAX_DIALOGS:
                del self.dialogs[next(iter(self.dialogs))]
            self.dialogs[dialog] = None
        session.write_client(Request(id=message.id, method=message.method, params=told))

    # --- what the client says to it -----------------------------------------------------------

    def progress(self, message: Notification) -> None:
        """Progress of the client on a request of the server that asked to be told."""
        token = message.params["progressToken"]
        asks = self._asks.values()
        ask = next((a for a in asks if a.token == token and type(a.token) is type(token)), None)
        if ask is None:
            return
        kept = {key: value for key, value in message.params.items() if key != "_meta"}
        if "message" in kept and (ask.method.kind is None or self._inspected(ask)):
            self._session.run(self._progress(ask, message.method, kept))
        else:
            self._session.write_server(Notification(method=message.method, params=kept))

    async def _progress(self, ask: Ask, name: str, params: dict[str, Any]) -> None:
        """The number passes, its text where policy allows it."""
        text = {"message": params["message"]}
        if ask.method.kind is None or not await self._allowed(ask, name, text):
            params = {key: value for key, value in params.items() if key != "message"}
        self._session.write_server(Notification(method=name, params=params))

    def answered(self, message: Response) -> None:
        """The client answered; pass it on if the server asked.

        Raises:
            Refused: it did not.
        """
        ask = None if message.id is None else self._asks.pop(message.id, None)
        if ask is None:
            raise Refused("nobody asked for this answer", code="mcp.unknown_response")
        if ask.method.kind is None:
            self._session.write_server(_bare(message))
        elif self._inspected(ask):
            self._session.run(self._answer(ask, message))
        else:
            self._session.write_server(message)

    async def _answer(self, ask: Ask, message: Response) -> None:
        body = message.error if message.result is None else message.result
        if not await self._allowed(ask, ask.name, body):
            message = failure(message.id, DENIED, "denied by policy")
        self._session.write_server(message)

    def _inspected(self, ask: Ask) -> bool:
        return self._guard.inspects(str(ask.method.kind))

    async def _allowed(self, ask: Ask, name: str, body: dict[str, Any] | None) -> bool:
        """Judge what goes out as an event of the same kind as what was asked."""
        assert ask.method.kind is not None
        session = self._session
        event = session.event(ask.method.kind, name, ask.given, content=body)
        fulfiller = CallFulfiller(session, None)
        return (await self._guard.judge(event, session.state, fulfiller)).allowed


def _bare(message: Response) -> Response:
    """An answer to plumbing says that it came, and nothing else."""
    if message.error is None:
        return Response(id=message.id, result={})
    return failure(message.id, message.error["code"], "refused")
