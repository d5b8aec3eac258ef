"""How a stream becomes an HTTP response: JSON, or server-sent events."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.http.streams import Item, Stream, event
from remit.guard.mcp.messages import Id, encode, failure

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Mapping[str, str]

NO_CONTENT = 204
SOON_S = 0.05
PATIENCE_S = 15.0
"""After so long without a word the response begins, so that nothing between gives it up."""
KEEP_ALIVE_S = 15.0
JSON = {"content-type": "application/json", "cache-control": "no-store"}
_STATUS = {
    -32700: 400, -32600: 400, -32602: 400, -32601: 404, -32020: 400, -32021: 400, -32022: 400,
}  # fmt: skip
_EVENTS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class Responder:
    """Writes one response: JSON if the answer is all there is to say, else server-sent events."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self.send = send
        self._receive = receive
        self._succeeded = False
        self._resumable = False

    @property
    def succeeded(self) -> bool:
        """Whether a result was delivered."""
        return self._succeeded

    @property
    def resumable(self) -> bool:
        """Whether an event with an id was sent, from which the client may go on."""
        return self._resumable

    async def answer(
        self,
        stream: Stream,
        *,
        modern: bool = False,
        headers: Headers | None = None,
    ) -> None:
        """Say what is in ``stream`` as the response to a request."""
        headers = headers or {}
        stream.attach(self)
        try:
            # Most answers are there before watching for the client's end would pay.
            first = await stream.soon(self, SOON_S)
            if first is not None and first.last:
                await self._json(first.data, modern, headers)
            else:
                await self._later(stream, first, headers, modern=modern)
        finally:
            stream.detach(self)

    async def _later(
        self, stream: Stream, first: Item | None, headers: Headers, *, modern: bool
    ) -> None:
        gone = asyncio.ensure_future(self._gone())
        try:
            if first is None:
                first = await self._first(stream, gone, PATIENCE_S)
            if gone.done():
                return
            if first is not None and first.last:
                await self._json(first.data, modern, headers)
            else:
                # Without a word and ended it was cancelled: there is no answer to give.
                await self._events(stream, first, gone, headers, resumable=not modern)
        finally:
            gone.cancel()

    async def events(self, stream: Stream, *, resumable: bool) -> None:
        """Say what is in ``stream`` for as long as somebody listens."""
        stream.attach(self)
        gone = asyncio.ensure_future(self._gone())
        try:
            await self._events(stream, None, gone, {}, resumable=resumable)
        finally:
            gone.cancel()
            stream.detach(self)

    async def _events(
        self,
        stream: Stream,
        item: Item | None,
        gone: "asyncio.Future[None]",
        headers: Headers,
        *,
        resumable: bool,
    ) -> None:
        await self._begin(200, {**_EVENTS, **headers})
        while not gone.done():
            if item is None:
                if stream.reader is not self or (stream.ended and not stream.unread):
                    break
                await self._more(b": still here\n\n")
            else:
                self._resumable = resumable
                await self._more(event(stream, item, resumable=resumable))
                if item.last:
                    self._succeeded = _error_code(item.data) is None
                    break
            item = await self._first(stream, gone, KEEP_ALIVE_S)
        if not gone.done():
            await self._end()

    async def _json(self, data: bytes, modern: bool, headers: Headers) -> None:  # noqa: FBT001
        code = _error_code(data)
        self._succeeded = code is None
        status = _STATUS.get(code, 200) if modern and code is not None else 200
        await respond(self.send, status, {**JSON, **headers}, data)

    async def _begin(self, status: int, headers: Headers) -> None:
        await self.send(_start(status, headers))

    async def _more(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _first(
        self, stream: Stream, gone: "asyncio.Future[None]", patience_s: float
    ) -> Item | None:
        """The next message; ``None`` at the end, when the client goes, or after ``patience_s``."""
        if stream.unread:
            return await stream.next(self)
        waiting = asyncio.ensure_future(stream.next(self))
        try:
            both: set[asyncio.Future[Any]] = {waiting, gone}
            await asyncio.wait(both, timeout=patience_s, return_when="FIRST_COMPLETED")
            return waiting.result() if waiting.done() else None
        finally:
            if not waiting.done():
                waiting.cancel()

    async def _gone(self) -> None:
        """Wait until the client closes its connection."""
        with contextlib.suppress(Exception):
            while (await self._receive())["type"] != "http.disconnect":
                pass


def _error_code(data: bytes) -> int | None:
    """The code of an answer that is an error."""
    error = orjson.loads(data).get("error")
    return error["code"] if isinstance(error, dict) else None


async def refuse(
    send: Send,
    status: int,
    error: RemitError,
    rpc_code: int,
    headers: Headers,
    number: Id | None = None,
) -> None:
    """Answer with a JSON-RPC error, to request ``number`` if it is known."""
    answer = failure(number, rpc_code, printable(error.message, 300))
    await respond(send, status, {**JSON, **headers}, encode(answer)[:-1])


def _start(status: int, headers: Headers) -> dict[str, Any]:
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(k.encode("ascii"), v.encode("latin-1")) for k, v in headers.items()],
    }


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole response."""
    length = {} if status == NO_CONTENT else {"content-length": str(len(body))}
    await send(_start(status, {**headers, **length}))
    await send({"type": "http.response.body", "body": body})
