"""A Hub that says of withdrawals what a test wants, also what no Hub would."""

import contextlib
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class SayingHub:
    """Answers `GET /api/v1/withdrawals`; everything else is not found.

    Attributes:
        entries: what it lists.
        raw: bytes that it answers instead, if they are not None.
        status: of the answer.
        slow_s: how long it waits with each.
        asked: the query and the entity tag of each request.
    """

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.raw: bytes | None = None
        self.status = 200
        self.slow_s = 0.0
        self.more = False
        self.asked: list[tuple[dict[str, list[str]], str]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    hub._answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def withdraw(self, repository: str, digest: str, **more: Any) -> None:
        """List an artifact from now on."""
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.entries.append(
            {
                "repository": repository, "digest": digest, "state": "withdrawn",
                "reason": "it calls home", "policy": None, "summary": None, "changedAt": now, **more,
            }
        )  # fmt: skip

    def heard(self) -> None:
        """Wait until it was asked once more from now on."""
        before = len(self.asked)
        until = time.monotonic() + 20
        while len(self.asked) <= before + 1:
            assert time.monotonic() < until, "nobody asks"
            time.sleep(0.02)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if parts.path == "/v2/":
            self._send(request, 200, b"{}", "")
            return
        if parts.path != "/api/v1/withdrawals":
            self._send(request, 404, b"{}", "")
            return
        given = request.headers.get("If-None-Match", "")
        self.asked.append((parse_qs(parts.query), given))
        time.sleep(self.slow_s)
        listed = json.dumps(self.entries)
        tag = f'"{hash(listed)}"'
        if self.raw is None and self.status == 200 and given == tag:
            self._send(request, 304, b"", tag)
            return
        body = json.dumps(
            {
                "withdrawals": self.entries, "next": str(len(self.asked)), "more": self.more,
                "at": "2026-11-26T17:00:01.000000Z",
            }
        ).encode()  # fmt: skip
        self._send(request, self.status, body if self.raw is None else self.raw, tag)

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, tag: str) -> None:
        request.send_response(status)
        if tag:
            request.send_header("ETag", tag)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextlib.contextmanager
def saying_hub() -> Iterator[SayingHub]:
    """Such a Hub, running."""
    hub = SayingHub()
    thread = threading.Thread(target=hub._server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub._server.shutdown()
        hub._server.server_close()
        thread.join()
