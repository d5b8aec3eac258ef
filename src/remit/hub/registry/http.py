"""Requests and replies of the Hub, and how ASGI carries them.

Handlers take a :class:`Request` and give a :class:`Reply`; they know nothing of a server. Bodies
are streams in both directions: the Hub never holds a blob in memory.
"""

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from remit.hub.registry.errors import NameInvalid, SizeInvalid, UploadInvalid
from remit.hub.registry.ports import Bytes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_SINGLE = ("authorization", "content-length", "content-range", "content-type", "host", "range")
MAX_DRAIN = 32 * 1024 * 1024
DRAIN_S = 10.0


IDLE_S = 120.0
"""How long a client may send nothing of its body."""


class GoneError(ConnectionError):
    """The client went away before its body was complete."""


class Request:
    """One HTTP request.

    Attributes:
        method, path: as sent; the path is decoded.
        query: parameters in their order, decoded.
        headers: lower-case names; where a header came twice, both values joined by a comma.
        peer: address of the client, for the log.
        scheme: ``http`` or ``https``.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any("\0" in value for _, value in self.query):
            # No name holds one, and not every database can even be asked.
            raise NameInvalid("a parameter of the request holds a NUL")
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            if key in self.headers and key in _SINGLE and self.headers[key] != text:
                raise SizeInvalid(f"the header `{key}` is sent twice")
            known = self.headers.get(key)
            self.headers[key] = text if known is None else f"{known}, {text}"
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.scheme: str = scope.get("scheme", "http")
        # HTTP/2 ends a body by a flag, so that no header needs to say that there is one.
        self._unframed = not scope.get("http_version", "1.1").startswith("1")
        self._receive = receive
        self._ended = False
        self._heard = 0.0

    def first(self, name: str) -> str | None:
        """The first query parameter of that name."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def length(self) -> int | None:
        """``Content-Length`` in bytes; ``None`` for a body of unknown length.

        Raises:
            SizeInvalid: it is not a number.
        """
        text = self.headers.get("content-length")
        if text is None:
            return None if self._unframed or "transfer-encoding" in self.headers else 0
        if not text.isascii() or not text.isdigit():
            raise SizeInvalid("`Content-Length` is not a number")
        return int(text)

    async def body(self) -> Bytes:
        """The body in pieces.

        Raises:
            GoneError: the client went away before it was complete.
        """
        length, received = self.length, 0
        if length == 0:
            return
        while True:
            self._heard = asyncio.get_running_loop().time()
            message = await self._receive()
            self._heard = 0.0
            if message["type"] != "http.request":
                raise GoneError("the client went away")
            piece = message.get("body", b"")
            self._ended = not message.get("more_body", False)
            if piece:
                received += len(piece)
                yield piece
            if self._ended:
                break
        if length is not None and received != length:
            raise GoneError(f"{received} bytes came of {length}")

    async def left(self) -> None:
        """Return when the client has gone away; nothing of the body is read meanwhile."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """End the request if its body does not come.

        One timer for all of it: a time-out around each piece would cost more than the piece.

        Raises:
            GoneError: nothing came for :data:`IDLE_S`.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        silent = False
        timer: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal silent, timer
            if self._heard and loop.time() - self._heard > IDLE_S:
                silent = True
                task.cancel()
            else:
                timer = loop.call_later(IDLE_S / 4, look)

        timer = loop.call_later(IDLE_S / 4, look)
        try:
            yield
        except asyncio.CancelledError:
            if not silent:
                raise
            task.uncancel()
            raise GoneError("the client sent nothing for long") from None
        finally:
            timer.cancel()

    async def read(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes.

        Raises:
            UploadInvalid: it is larger.
            GoneError: it broke off.
        """
        pieces: list[bytes] = []
        size = 0
        async for piece in self.body():
            size += len(piece)
            if size > limit:
                raise UploadInvalid(f"the body is larger than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def drain(self) -> None:
        """Take the rest of a body that nobody wants, up to :data:`MAX_DRAIN` bytes.

        A client that is still sending when the connection is closed does not see the refusal. One
        that waits to be asked for its body (``Expect``) sees it.
        """
        length = self.length
        if self._ended or "expect" in self.headers or length == 0 or (length or 0) > MAX_DRAIN:
            return
        taken = 0
        with contextlib.suppress(GoneError, TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                async for piece in self.body():
                    taken += len(piece)
                    if taken > MAX_DRAIN:
                        return


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP response.

    Attributes:
        status: HTTP's.
        headers: lower-case names, in order.
        body: bytes to send.
        stream: pieces to send instead; ``content-length`` is among the headers.
        done: called once when nothing more is sent, whatever came of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: Callable[[], AsyncGenerator[bytes, None]] | None = None
    done: Callable[[], Awaitable[object]] | None = None


def json_reply(
    document: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """A reply that carries JSON. The type has no parameters: `kit` compares it whole."""
    body = msgspec.json.encode(document)
    return Reply(
        status=status,
        headers=(
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            *headers,
        ),
        body=body,
    )


def empty(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A reply without a body."""
    return Reply(status=status, headers=(("content-length", "0"), *headers))


async def respond(reply: Reply, request: Request | None, send: Send) -> None:
    """Send ``reply``; nothing of its body to a ``HEAD``. Without a request it is a refusal."""
    try:
        await _send(reply, request, send)
    finally:
        if reply.done is not None:
            await reply.done()


async def _send(reply: Reply, request: Request | None, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if request is None or request.method == "HEAD" or reply.stream is None:
        body = b"" if request and request.method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})
    else:
        # Servers take what is sent to somebody who has gone, so that is watched for: else all of a
        # blob would be read for nobody.
        leaving = asyncio.create_task(request.left())
        try:
            async with contextlib.aclosing(reply.stream()) as pieces:
                async for piece in pieces:
                    if leaving.done():
                        raise GoneError("the client went away")
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()


def link_next(path: str, parameters: Mapping[str, str]) -> tuple[str, str]:
    """The header that names the next page (RFC 8288)."""
    from urllib.parse import urlencode

    return ("link", f'<{path}?{urlencode(parameters)}>; rel="next"')
