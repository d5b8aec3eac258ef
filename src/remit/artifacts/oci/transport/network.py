"""The network: :class:`~remit.artifacts.oci.http.Transport` by aiohttp, and credential helpers.

The only module of artifacts that uses sockets, an event loop or processes. It decides nothing:
no redirect is followed, no cookie kept, no body decoded, and no credentials of the environment
(``~/.netrc``) are read.
"""

import asyncio
import contextlib
import os
import ssl
import time
import urllib.request
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from remit import __version__
from remit.artifacts.oci.errors import UnreachableError
from remit.artifacts.oci.http import Headers, Request, Stream
from remit.core.text import printable

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
CONNECT_S = 20.0
IDLE_S = 300.0
"""How long an answer, or the next piece of one, may take: a registry hashes what it was sent."""
READ_BYTES = 1 << 20
HELPER_S = 60.0
MAX_HELPER = 64 * 1024


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in an event loop of its own."""
    return asyncio.run(work)


class _Answer:
    def __init__(self, response: "aiohttp.ClientResponse", url: str) -> None:
        self._response = response
        self._url = url
        self.status = response.status
        self.headers = Headers(
            (name.decode("latin-1"), value.decode("utf-8", "backslashreplace"))
            for name, value in response.raw_headers
        )

    async def pieces(self) -> AsyncIterator[bytes]:
        with _reachable(self._url):
            async for piece in self._response.content.iter_any():
                yield piece


class _Body:
    """A body that is sent as it is read; keeps the error with which reading it failed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.error: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        source = self._stream.open()
        try:
            async for piece in source:
                yield piece
        except Exception as error:
            self.error = error
            raise
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()


class AiohttpTransport:
    """Connections to any number of registries.

    Args:
        ca_file: certificates (PEM) to trust in place of the system's.
        connections: how many at once to one host.
    """

    def __init__(self, ca_file: Path | None = None, connections: int = 32) -> None:
        self._ca_file = ca_file
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=self._connections, ssl=self._tls()
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            skip_auto_headers=("Content-Type",),
            headers={"User-Agent": f"remit/{__version__}", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[_Answer]:
        """Send one request; see the port."""
        from yarl import URL

        if self._session is None:
            raise RuntimeError("the transport is not entered")
        headers = list(request.headers)
        body: _Body | None = None
        data: bytes | AsyncIterator[bytes] | None = None
        if isinstance(request.body, Stream):
            headers.append(("Content-Length", str(request.body.length)))
            body = _Body(request.body)
            data = body.pieces()
        elif request.body:
            data = request.body
        elif request.method in {"POST", "PUT", "PATCH"}:
            headers.append(("Content-Length", "0"))
        async with contextlib.AsyncExitStack() as stack:
            with _reachable(request.url, body):
                response = await stack.enter_async_context(
                    self._session.request(
                        request.method,
                        URL(request.url, encoded=True),
                        headers=headers,
                        data=data,
                        allow_redirects=False,
                        proxy=_proxy(request.url),
                    )
                )
            try:
                yield _Answer(response, request.url)
            finally:
                # What was not read would otherwise be read to its end, however long it is.
                if not response.content.is_eof():
                    response.close()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    async def each(self, works: Iterable[Callable[[], Awaitable[Any]]], limit: int) -> None:
        """Do ``works``, ``limit`` at a time; see the port."""
        left = iter(works)

        async def worker() -> None:
            for work in left:
                await work()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(limit):
                    group.create_task(worker())
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from group_error

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UnreachableError(
                f"`{self._ca_file}` holds no certificates: {printable(str(error), 200)}",
                hint="it must be a file of certificates in PEM form",
            ) from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _proxy(url: str) -> str | None:
    """The proxy of the environment for ``url``: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return None
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass_environment(parts.netloc, proxies):  # type: ignore[attr-defined]
        return None
    return proxies.get(parts.scheme)


@contextlib.contextmanager
def _reachable(url: str, body: _Body | None = None) -> Iterator[None]:
    """Every way in which the network fails, as one error; that of reading a body as it was."""
    import aiohttp

    try:
        yield
    # OSError has time-outs in it.
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if body is not None and body.error is not None:
            raise body.error from None
        parts = urlsplit(url)
        raise UnreachableError(
            f"`{parts.scheme}://{parts.netloc}` does not answer: {_reason(error)}",
            hint=_hint(error),
        ) from error


def _reason(error: Exception) -> str:
    import aiohttp

    said = str(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = str(error.certificate_error)
    elif isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno  # negative where it is of name resolution
        said = os.strerror(number) if number and number > 0 else str(error.os_error)
    return " ".join(printable(said, 200).split()) or type(error).__name__


def _hint(error: Exception) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "--ca-file trusts the certificates of a file"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "if it speaks plain HTTP and the network can be trusted: --plain-http"
    return "check the name of the host, the network and the proxy"
