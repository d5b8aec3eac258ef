"""The HTTP listener: uvicorn over sockets of ours.

It binds to loopback, or it needs TLS; callers are authenticated in both cases.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from remit.guard.approvals.party import party_of
from remit.guard.config import HttpConfig
from remit.guard.errors import GuardError
from remit.guard.http.heads import Rules

BACKLOG = 512
MAX_CONNECTIONS = 4096
KEEP_ALIVE_S = 75
HEAD_S = 30.0
MAX_HEAD_BYTES = 64 * 1024
CLOSE_S = 5.0


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, less trusting.

    * The application is told the target as it came, and whose certificate TLS verified.
    * A head has a size and a time; uvicorn waits for ever and keeps all of it.
    * Trailers are dropped: appended to the headers, they would be headers that nobody before us saw
      (RFC 9110 §6.5.1).
    """

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _in_body = False
    _extensions: dict[Any, dict[Any, Any]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._in_head
        super().data_received(data)
        if before and self._in_head and self.parser is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._give_up(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if not self._in_head:
            self._await_head()
        self._extensions = {}
        self.scope["extensions"] = self._extensions
        tls = self.transport.get_extra_info("ssl_object")
        if tls is not None:
            self._extensions["tls"] = {"client_cert_der": tls.getpeercert(binary_form=True)}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_came()
        self._in_body = True
        self._extensions["target"] = {"raw": self.url}
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _unset_keepalive_if_required(self) -> None:
        # A body that goes on after its answer keeps no connection open.
        if not (self._in_body and self._answered()):
            super()._unset_keepalive_if_required()

    def _answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _await_head(self) -> None:
        self._in_head = True
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up, b"408 Request Timeout")

    def _head_came(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self, status: bytes) -> None:
        if not self.transport.is_closing():
            if self._answered():
                self.transport.write(
                    b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
            self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's."""
        yield


class HttpListener:
    """A bound listener; it serves from :meth:`start` to :meth:`close`.

    Attributes:
        base: canonical URL, without a slash at the end.
        party: under which name passkeys know its pages, if they can.
        rules: what heads of requests may say.
    """

    def __init__(self, config: HttpConfig, base: Path, max_body: int) -> None:
        """Bind.

        Raises:
            GuardError: the address cannot be used, or is not safe without TLS.
        """
        host, port = _address(config.listen)
        self._tls = _tls(config, base)
        if not _loopback(host) and not self._tls:
            raise GuardError(
                f"Guard does not listen on `{config.listen}` without TLS",
                code="http.no_tls",
                hint="set tls_cert and tls_key in [http], or listen on 127.0.0.1",
            )
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            # Named, because asyncio sets TCP_NODELAY only on sockets that say they are TCP.
            self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise GuardError(
                f"Guard cannot listen on `{config.listen}`: {error.strerror}",
                code="http.no_listener",
                hint="choose another address with --http, or `--http off`",
            ) from error
        port = self._socket.getsockname()[1]
        scheme = "https" if self._tls else "http"
        shown = f"[{host}]" if ":" in host else host
        self.base = config.url.rstrip("/") or f"{scheme}://{shown}:{port}"
        names = {shown, "localhost", "127.0.0.1", "[::1]"} if _loopback(host) else {shown}
        own = {f"{name}:{port}" for name in names}
        self.party = party_of(self.base)
        pages = {self.party.origin} if self.party else set()
        public = self.base.partition("://")[2].lower()
        self.rules = Rules(
            hosts=frozenset({*own, public, *(h.lower() for h in config.hosts)}),
            origins=frozenset({*(f"{scheme}://{name}" for name in own), *pages, *config.origins}),
            max_body=max_body,
            local=_loopback(host),
        )
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, app: Any) -> None:
        """Serve ``app``.

        Raises:
            GuardError: the TLS files cannot be used.
        """
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
            **self._tls,
        )
        try:
            config.load()
        except OSError as error:
            raise GuardError(
                f"the TLS files cannot be used: {error.strerror or error}", code="http.bad_tls"
            ) from error
        self._server = _Server(config)
        self._task = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[self._socket])
        )
        while not self._server.started:
            if self._task.done():
                await self._task
                raise GuardError("the HTTP listener did not start", code="http.no_listener")
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Stop serving; what is still open is cut after a moment."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._task, CLOSE_S)
        self._socket.close()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        if not colon or not port.isdecimal() or not 0 <= int(port) <= 65535:  # noqa: PLR2004
            raise ValueError  # noqa: TRY301
    except ValueError:
        raise GuardError(
            f"`{text}` is no address to listen on",
            code="http.bad_address",
            hint="write an IP address and a port, for example 127.0.0.1:7448",
        ) from None
    return host, int(port)


def _loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _tls(config: HttpConfig, base: Path) -> dict[str, Any]:
    if bool(config.tls_cert) != bool(config.tls_key) or (config.client_ca and not config.tls_cert):
        raise GuardError("TLS needs tls_cert and tls_key in [http]", code="http.bad_tls")
    if not config.tls_cert:
        return {}
    import ssl

    found: dict[str, Any] = {
        "ssl_certfile": str(base / config.tls_cert),
        "ssl_keyfile": str(base / config.tls_key),
    }
    if config.client_ca:
        found["ssl_ca_certs"] = str(base / config.client_ca)
        found["ssl_cert_reqs"] = ssl.CERT_OPTIONAL
    return found
