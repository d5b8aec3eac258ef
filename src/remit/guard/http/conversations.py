"""Sessions of callers over HTTP: which response carries what the session says.

Legacy: one conversation for each ``Mcp-Session-Id``, with a server connection of its own; the
client's ids are its own. Modern: requests stand alone; those of one caller to one server share a
conversation, and each gets an id of Guard's own on the way, because two clients of one caller may
both count from 1.
"""

import asyncio
import collections
import itertools
from collections.abc import Mapping
from typing import Any

from remit.core.decision import Decision
from remit.core.event import Agent
from remit.guard.http.streams import Stream
from remit.guard.mcp.calls import State
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import (
    UPSTREAM_FAILED,
    Id,
    Message,
    Notification,
    Refused,
    Request,
    Response,
    encode,
    failure,
)
from remit.guard.mcp.methods import META_SUBSCRIPTION
from remit.guard.mcp.session import Limits, Parties, Session
from remit.guard.mcp.upstream import BarredError, Connect

HIGH_BYTES = 8 << 20
LOW_BYTES = 1 << 20
MAX_BACKLOG = 16 << 20
MAX_PENDING = 256
MAX_FINISHED = 64
MAX_FINISHED_BYTES = 16 << 20
GRACE_S = 5.0
BARRED_S = 15.0


class Conversation:
    """A session over HTTP and its server connection. Belongs to the event loop's thread.

    Attributes:
        session: the session.
        identity: of the caller; a request of another one has no part in it.
        version: of the protocol, once ``initialize`` was answered.
        done: set when it is to end.
        used: monotonic seconds of its last request.
    """

    resumable = True

    def __init__(
        self,
        parties: Parties,
        agent: Agent,
        limits: Limits,
        connect: Connect,
        identity: str,
    ) -> None:
        self.identity = identity
        self.version = ""
        self.done = asyncio.Event()
        self.used = asyncio.get_running_loop().time()
        self._numbers = itertools.count(1)
        self._held = 0
        self._full = False
        # Open responses of requests: the request's id in the session -> its stream.
        self._streams: dict[Id, Stream] = {}
        self._tokens: dict[Id, str | int] = {}
        # The request that is being taken: an answer without id meanwhile can only be its.
        self._taking: Id | None = None
        self._refusal: Response | None = None
        self._general = self._stream() if self.resumable else None
        self._finished: collections.OrderedDict[str, Stream] = collections.OrderedDict()
        self._upstream = connect(self._from_server, self._gone)
        self._upstream.on_pressure = lambda _full: None
        self.session = Session(
            parties,
            agent,
            limits,
            to_client=self._to_client,
            to_server=self._upstream.send,
            stuck=lambda: self._upstream.backlog >= MAX_BACKLOG,
            scope=identity,
        )
        self._upstream.on_barred = self._barred

    async def start(self) -> None:
        """Connect to the server, or to what answers in its place; raises ``GuardError``."""
        try:
            await self._upstream.start()
        except BarredError as barred:
            self.session.barred = barred.decision

    async def close(self) -> None:
        """End session and connection, and every response that is still open."""
        self.done.set()
        await self.session.close(0)
        for number in list(self._streams):
            self._answer(number, failure(number, UPSTREAM_FAILED, "the session has ended"))
        for stream in (*self._finished.values(), self._general):
            if stream is not None and stream.reader is None:
                stream.drop()
            elif stream is not None:
                stream.end()
        await self._upstream.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        open_ = self._general is not None and self._general.reader is not None
        return not (self.session.calls or self._streams or open_)

    # --- from the client ------------------------------------------------------------------------

    def request(self, message: Request) -> Stream:
        """Take a request; its answer, and what belongs to it, comes in the stream."""
        self.used = asyncio.get_running_loop().time()
        stream = self._stream()
        if message.id in self._streams:
            # The session refuses it; the first request keeps its response.
            refusal = Refused("the id is in use", id=message.id, code="mcp.id_reuse")
            self.session.refused("client", refusal, message.method)
            answer = failure(message.id, refusal.rpc_code, refusal.message)
            stream.put(encode(answer)[:-1], last=True)
            return stream
        self._streams[message.id] = stream
        self._note_token(message.id, message.params)
        self._taking = message.id
        try:
            self.session.take(message)
        finally:
            self._taking = None
        return stream

    def other(self, message: Notification | Response) -> Response | None:
        """Take a notification, or an answer to something that the server asked.

        Returns:
            The refusal, if the session does not take it.
        """
        self.used = asyncio.get_running_loop().time()
        self._refusal = None
        self.session.take(message)
        refusal, self._refusal = self._refusal, None
        if isinstance(message, Notification) and message.method == "notifications/cancelled":
            self._cancelled(message.params.get("requestId"))
        return refusal

    def _cancelled(self, number: Any) -> None:
        if type(number) is not int and type(number) is not str:
            return
        call = self.session.calls.get(number)
        if call is not None and call.state is not State.CANCELLED:
            return
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._forget(number)
            stream.end()

    def settled(self, stream: Stream) -> None:
        """Nobody can come back for what is in ``stream``: no event of it was ever sent."""
        self._finished.pop(stream.name, None)
        stream.drop()

    def listen(self) -> Stream | None:
        """The stream of what belongs to no request; ``None`` if somebody reads it already."""
        if self._general is None or self._general.reader is not None:
            return None
        return self._general

    def resume(self, name: str, number: int) -> Stream | None:
        """The stream called ``name``, from behind message ``number``; ``None`` if that is gone.

        Whoever comes back takes over: Guard may not have seen yet that a connection is dead.
        """
        known = [*self._streams.values(), *self._finished.values()]
        if self._general is not None:
            known.append(self._general)
        for stream in known:
            if stream.name == name and stream.rewind(number):
                return stream
        return None

    def _stream(self) -> Stream:
        return Stream(str(next(self._numbers)), self._account, keep=self.resumable)

    def _account(self, change: int) -> None:
        """Clients that do not read make the server wait."""
        self._held += change
        full = self._held > (LOW_BYTES if self._full else HIGH_BYTES)
        if full != self._full:
            self._full = full
            self._upstream.hold("client", full=full)

    # --- from the session -----------------------------------------------------------------------

    def _to_client(self, message: Message) -> None:
        if isinstance(message, Response):
            number = self._taking if message.id is None else message.id
            if number is not None:
                self._answer(number, message)
            else:
                self._refusal = message
            return
        stream = self._stream_of(message)
        if stream is None:
            return
        if stream is self._general and stream.reader is None and stream.unread >= MAX_PENDING:
            if isinstance(message, Request):
                refusal = failure(message.id, UPSTREAM_FAILED, "the client does not listen")
                asyncio.get_running_loop().call_soon(self.session.take, refusal)
            return
        stream.put(encode(self._outward(message))[:-1])

    def _answer(self, number: Id, message: Response) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        if message.result is not None and not self.version:
            self.version = str(message.result.get("protocolVersion", ""))
        wanted = not stream.ended
        stream.put(encode(self._outward(message))[:-1], last=True)
        self._forget(number)
        if self.resumable and wanted:
            self._finished[stream.name] = stream
            self._make_room()

    def _make_room(self) -> None:
        """Keep some answers for clients that come back, and not too many bytes of them."""
        held = sum(stream.size for stream in self._finished.values())
        while len(self._finished) > MAX_FINISHED or (
            held > MAX_FINISHED_BYTES and len(self._finished) > 1
        ):
            _, oldest = self._finished.popitem(last=False)
            held -= oldest.size
            if oldest.reader is None:
                oldest.drop()

    def _stream_of(self, message: Request | Notification) -> Stream | None:
        """The stream that a message belongs to.

        Progress is by its token alone. For the rest nothing says which request it belongs to: the
        newest response that is read, else the general stream, if that is read; else what its
        client may come back for.
        """
        if message.method == "notifications/progress":
            token = message.params.get("progressToken")
            for number, known in self._tokens.items():
                if known == token and type(known) is type(token):
                    return self._streams.get(number)
            return None
        newest = list(reversed(self._streams.values()))
        for stream in newest:
            if stream.reader is not None:
                return stream
        if self._general is None or self._general.reader is None:
            for stream in newest:
                if not stream.ended:
                    return stream
        return self._general

    def _outward(self, message: Message) -> Message:
        return message

    def _note_token(self, number: Id, params: Mapping[str, Any]) -> None:
        meta = params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        if type(token) is str or type(token) is int:
            self._tokens[number] = token

    def _forget(self, number: Id) -> None:
        self._tokens.pop(number, None)

    def _from_server(self, line: Line | Overlong) -> None:
        self.session.from_server(line)

    def _barred(self, decision: Decision) -> None:
        self.session.bar(decision)
        # The next request after that asks anew whether the server may be started.
        asyncio.get_running_loop().call_later(BARRED_S, self.done.set)

    def _gone(self, reason: str) -> None:
        self.session.server_gone(reason)
        # Those who wait were answered just now; they get some time to read it.
        asyncio.get_running_loop().call_later(GRACE_S, self.done.set)


class SharedConversation(Conversation):
    """The modern requests of one caller to one server."""

    resumable = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # Guard's id of a request -> the client's id and progress token.
        self._outer: dict[Id, tuple[Id, str | int | None]] = {}

    def request(self, message: Request) -> Stream:
        """Take a request under an id of Guard's own."""
        inner = f"http-{next(self._numbers)}"
        meta = message.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        params = message.params
        if type(token) is str or type(token) is int:
            params = {**params, "_meta": {**params["_meta"], "progressToken": inner}}
        self._outer[inner] = (message.id, token)
        return super().request(Request(id=inner, method=message.method, params=params))

    def abandoned(self, stream: Stream) -> None:
        """The response is closed; if that was before its answer, that is how the client cancels."""
        for number, known in list(self._streams.items()):
            if known is stream:
                params = {"requestId": number}
                self.other(Notification(method="notifications/cancelled", params=params))
                self._streams.pop(number, None)
                self._forget(number)
        stream.drop()

    def _stream_of(self, message: Request | Notification) -> Stream | None:
        meta = message.params.get("_meta")
        number = meta.get(META_SUBSCRIPTION) if isinstance(meta, dict) else None
        if message.method == "notifications/cancelled":
            number = message.params.get("requestId")
        if number is not None:
            return self._streams.get(number) if isinstance(number, str) else None
        return super()._stream_of(message)

    def _to_client(self, message: Message) -> None:
        super()._to_client(message)
        if isinstance(message, Notification) and message.method == "notifications/cancelled":
            # The server ends a subscription.
            number = message.params.get("requestId")
            stream = self._streams.pop(number, None) if isinstance(number, str) else None
            if stream is not None:
                self._forget(str(number))
                stream.end()

    def _outward(self, message: Message) -> Message:
        """Put the client's own id, token and subscription back."""
        if isinstance(message, Response):
            outer = self._outer.get(message.id) if message.id is not None else None
            number = outer[0] if outer else message.id
            return Response(id=number, result=message.result, error=message.error)
        params = dict(message.params)
        known = self._outer.get(params.get("progressToken", ""))
        if message.method == "notifications/progress" and known is not None:
            params["progressToken"] = known[1]
        meta = params.get("_meta")
        subscription = meta.get(META_SUBSCRIPTION) if isinstance(meta, dict) else None
        if isinstance(subscription, str) and subscription in self._outer:
            params["_meta"] = {**params["_meta"], META_SUBSCRIPTION: self._outer[subscription][0]}
        withdrawn = params.get("requestId")
        if isinstance(withdrawn, str) and withdrawn in self._outer:
            params["requestId"] = self._outer[withdrawn][0]
        if isinstance(message, Request):
            return Request(id=message.id, method=message.method, params=params)
        return Notification(method=message.method, params=params)

    def _forget(self, number: Id) -> None:
        super()._forget(number)
        self._outer.pop(number, None)
