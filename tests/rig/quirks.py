"""A proxy before a registry that behaves as other registries and networks do."""

import http.client
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.rig.registries import Registry

_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    length: int


@dataclass
class Quirks:
    """How the proxy behaves; may be changed while it runs.

    Attributes:
        patch_status: what a good PATCH is answered with; 0 for what the registry says.
        refuse: methods that get this status.
        drop_before: methods whose connection ends before the registry sees them, and how often.
        drop_after: likewise, after the registry has done it.
        no_length: bodies of blobs come without their length.
        answer: a status and a body for everything; nothing reaches the registry.
        wrong: bytes that replace the same number of bytes at the end of a blob.
        seen: requests in their order.
    """

    patch_status: int = 0
    refuse: dict[str, int] = field(default_factory=dict)
    drop_before: dict[str, int] = field(default_factory=dict)
    drop_after: dict[str, int] = field(default_factory=dict)
    no_length: bool = False
    answer: tuple[int, str, bytes] | None = None
    wrong: bytes = b""
    seen: list[Seen] = field(default_factory=list)
    host: str = ""


def _due(counts: dict[str, int], method: str) -> bool:
    if counts.get(method, 0) <= 0:
        return False
    counts[method] -= 1
    return True


def _handler(target: Registry, quirks: Quirks) -> Callable[..., Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def body(self) -> bytes:
            if "chunked" in self.headers.get("transfer-encoding", ""):
                pieces = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)
            return self.rfile.read(int(self.headers.get("content-length", "0")))

        def say(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _HOP | {"content-length"}:
                    self.send_header(name, value)
            if self.command == "HEAD":
                for name, value in headers:
                    if name.lower() == "content-length":
                        self.send_header(name, value)
            elif quirks.no_length and "/blobs/sha" in self.path and status == 200:
                self.send_header("Connection", "close")
                self.close_connection = True
            elif status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def serve(self) -> None:
            body = self.body()
            quirks.seen.append(
                Seen(
                    self.command,
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    len(body),
                )
            )
            if quirks.answer is not None:
                status, kind, text = quirks.answer
                self.say(status, [("Content-Type", kind)], text)
                return
            if _due(quirks.drop_before, self.command):
                self.close_connection = True
                return
            if self.command in quirks.refuse:
                self.say(quirks.refuse[self.command], [], b"")
                return
            connection = http.client.HTTPConnection(target.host, timeout=60)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in _HOP | {"content-length"}
            }
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            given, said = answer.getheaders(), answer.read()
            connection.close()
            if _due(quirks.drop_after, self.command):
                self.close_connection = True
                return
            status = answer.status
            if self.command == "PATCH" and status == 202 and quirks.patch_status:
                status = quirks.patch_status
            if quirks.wrong and "/blobs/sha" in self.path and self.command == "GET":
                said = said[: -len(quirks.wrong)] + quirks.wrong
            self.say(status, given, said)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815

    return Handler


@contextmanager
def quirky(target: Registry) -> Iterator[tuple[Registry, Quirks]]:
    """The registry as it is reached through the proxy, and how that behaves."""
    quirks = Quirks()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(target, quirks))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    quirks.host = f"127.0.0.1:{server.server_port}"
    try:
        yield (
            Registry(
                host=quirks.host,
                log=target.log,
                state=target.state,
                user=target.user,
                password=target.password,
                auth=target.auth,
            ),
            quirks,
        )
    finally:
        server.shutdown()
        server.server_close()
