"""A hostile MCP server over HTTP: what it does to a call is what the call's `message` says.

Arguments: port, port of another listener, log, and optionally certificate and key. Standard
library only; answers are written byte by byte, because no HTTP server would send most of them.
Every request is logged with its headers; requests to the other port are logged as {"elsewhere": …}.
"""

import contextlib
import gzip
import json
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

PORT, ELSEWHERE, LOG = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
TLS = sys.argv[4:6]
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
MIB = 1 << 20
log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
late: list[Any] = []

TOOLS: list[dict[str, Any]] = [
    {
        "name": "echo",
        "description": "Do that",
        "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}},
    },
    {
        "name": "open_schema",
        "description": "Say which headers came",
        "inputSchema": {
            "type": "object",
            "properties": {
                "a": {"type": "string", "x-mcp-header": "Region"},
                "n": {"type": "integer", "x-mcp-header": "Count"},
            },
        },
    },
]


def note(**entry: Any) -> None:
    """Write one line of evidence."""
    os.write(log, json.dumps(entry).encode() + b"\n")


def reply(number: Any, text: str) -> bytes:
    """Return the result of a call."""
    result = {"resultType": "complete", "content": [{"type": "text", "text": text}]}
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


def fault(number: Any, text: str) -> bytes:
    """Return an error."""
    error = {"code": -32050, "message": text}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()


def whole(status: str, kind: str, body: bytes, *more: str) -> bytes:
    """Return a response of known length."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def plain(body: bytes) -> bytes:
    """Return JSON."""
    return whole("200 OK", "application/json", body)


KEPT = ("good", "status-", "redirect-", "accepted", "nothing", "html", "gzip", "other-id")
"""After these the connection stays open, as their heads say."""

EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(data: bytes) -> bytes:
    """Return one server-sent event."""
    return b"event: message\ndata: " + data + b"\n\n"


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def pieces(kind: str, number: Any, headers: dict[str, str], connection: Any) -> Iterator[bytes]:
    """Give what is written as the answer to a call, piece by piece."""
    good = reply(number, f"did {kind}")
    credential = headers.get("authorization", "none")
    if kind.startswith("status-"):
        _, status, body = kind.split("-")
        bodies = {
            "empty": ("text/plain", b""),
            "html": ("text/html", b"<h1>" + credential.encode() + b"</h1>"),
            "rpc": ("application/json", fault(number, f"no: {credential}")),
            "other": ("application/json", fault(None, f"no: {credential}")),
            "broken": ("application/json", b'{"error":'),
            "list": ("application/json", b"[1]"),
        }
        yield whole(f"{status} X", *bodies[body])
    elif kind.startswith("redirect-"):
        _, status, where = kind.split("-")
        port = ELSEWHERE if where == "other" else PORT
        yield whole(f"{status} X", "text/plain", b"", f"location: http://127.0.0.1:{port}/mcp")
    elif kind.startswith("endless-"):
        unit = {"comments": b": x\n", "lines": b"data:\n", "line": b"x" * 100}[kind[8:]] * 2000
        yield EVENTS
        while True:
            yield unit
    else:
        yield from SIMPLE[kind](number, good, connection)


def after(pause_s: float, *parts: bytes) -> Iterator[bytes]:
    """Give parts with a pause before each but the first."""
    for index, part in enumerate(parts):
        if index:
            time.sleep(pause_s)
        yield part


def cut(number: Any, _good: bytes, _connection: Any) -> Iterator[bytes]:
    """Break off before the answer, which a later response brings."""
    late.append(number)
    yield EVENTS + b"data: {"


def bring_late(number: Any, good: bytes, _connection: Any) -> Iterator[bytes]:
    """Answer what was cut off before, and then this."""
    yield EVENTS
    for each in late:
        yield event(reply(each, "too late"))
    yield event(good)


def broken_by_reset(_number: Any, good: bytes, connection: Any) -> Iterator[bytes]:
    """Promise more than comes."""
    reset(connection)
    yield whole("200 OK", "application/json", good + b" " * 1000)[:-1000]


SIMPLE: dict[str, Callable[[Any, bytes, Any], Iterator[bytes]]] = {
    "good": lambda n, good, c: after(0, plain(good)),
    "events": lambda n, good, c: after(0, EVENTS, event(good)),
    "crlf": lambda n, good, c: after(0, EVENTS, b"id: 1\r\ndata: " + good + b"\r\n\r\n"),
    "cr": lambda n, good, c: after(0, EVENTS, b"data: " + good + b"\r\r"),
    "stays-open": lambda n, good, c: after(20, EVENTS + event(good), b": bye\n\n"),
    "bytewise": lambda n, good, c: after(0.0, EVENTS, *[bytes([b]) for b in event(good)]),
    "huge-event": lambda n, good, c: after(0, EVENTS, b"data: ", *[b"x" * MIB] * 40),
    "huge-json": lambda n, good, c: after(0, plain(b" " * (40 * MIB))),
    "other-id": lambda n, good, c: after(0, plain(reply("other", "a lie"))),
    "other-type": lambda n, good, c: after(0, EVENTS, event(reply([n], "a lie"))),
    "two": lambda n, good, c: after(0, EVENTS, event(good) + event(reply(n, "a lie"))),
    "accepted": lambda n, good, c: after(0, whole("202 Accepted", "text/plain", b"")),
    "nothing": lambda n, good, c: after(0, plain(b"")),
    "html": lambda n, good, c: after(0, whole("200 OK", "text/html", b"<p>Log in")),
    "gzip": lambda n, good, c: after(
        0, whole("200 OK", "application/json", gzip.compress(good), "content-encoding: gzip")
    ),
    "silent": lambda n, good, c: after(0, b""),
    "slow-head": lambda n, good, c: after(0.3, *[bytes([b]) for b in plain(good)]),
    "chunks": lambda n, good, c: after(
        0,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\nzz\r\n" + good,
    ),
    "no-http": lambda n, good, c: after(0, b"SSH-2.0-x\r\n" + good),
    "long-head": lambda n, good, c: after(
        0, b"HTTP/1.1 200 OK\r\n", *[b"a: " + b"b" * 60_000] * 40
    ),
    "cut": cut,
    "late": bring_late,
    "reset": broken_by_reset,
}


def legacy(frame: dict[str, Any]) -> bytes:
    """Answer the opening; the session's id is what the client calls itself."""
    params = frame["params"]
    names = {"control": "a\x01b", "tab": "a\tb", "high": "caf\xe9", "long": "x" * 5000}
    name = params.get("clientInfo", {}).get("name", "")
    result = {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "hostile", "version": "1"},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": result}).encode()
    return whole("200 OK", "application/json", body, f"mcp-session-id: {names.get(name, 'usual')}")


class Handler(socketserver.StreamRequestHandler):
    """One connection, one request after the other."""

    def handle(self) -> None:
        """Serve until either side has enough."""
        if TLS:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*TLS)
            try:
                self.request = context.wrap_socket(self.request, server_side=True)
            except (OSError, ssl.SSLError):
                return
            self.rfile = self.request.makefile("rb")
        with contextlib.suppress(OSError):
            while self.one():
                pass

    def one(self) -> bool:
        """Serve one request; whether another may follow."""
        line = self.rfile.readline().decode("latin-1")
        headers: dict[str, str] = {}
        while text := self.rfile.readline().decode("latin-1").strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        if not line:
            return False
        body = self.rfile.read(int(headers.get("content-length", "0")))
        frame = json.loads(body) if body else {}
        where = "elsewhere" if self.server.server_address[1] == ELSEWHERE else "request"
        note(**{where: line.split(" ")[0], "headers": headers, "frame": frame})
        if not line.startswith("POST"):
            self.request.sendall(whole("405 X", "text/plain", b""))
            return True
        return self.answer(headers, frame)

    def answer(self, headers: dict[str, str], frame: dict[str, Any]) -> bool:
        """Answer one message."""
        method, number = frame.get("method"), frame.get("id")
        params = frame.get("params") or {}
        if method == "initialize":
            self.request.sendall(legacy(frame))
        elif method == "server/discover":
            result = {
                "resultType": "complete", "supportedVersions": [MODERN], "ttlMs": 0,
                "cacheScope": "private", "capabilities": {"tools": {}},
                "_meta": {f"{META}serverInfo": {"name": "hostile", "version": "1"}},
            }  # fmt: skip
            self.request.sendall(plain(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()))  # fmt: skip
        elif method == "tools/list":
            result = {"resultType": "complete", "tools": TOOLS, "ttlMs": 0, "cacheScope": "private"}
            self.request.sendall(plain(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()))  # fmt: skip
        elif number is None or method != "tools/call":
            self.request.sendall(whole("202 Accepted", "text/plain", b""))
        elif params["name"] == "open_schema":
            seen = {k: v for k, v in headers.items() if k.startswith("mcp-")}
            self.request.sendall(plain(reply(number, json.dumps(seen))))
        else:
            for piece in pieces(params["arguments"]["message"], number, headers, self.request):
                self.request.sendall(piece)
            return str(params["arguments"]["message"]).startswith(KEPT)
        return True


class Server(socketserver.ThreadingTCPServer):
    """A listener."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    other = Server(("127.0.0.1", ELSEWHERE), Handler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    Server(("127.0.0.1", PORT), Handler).serve_forever()
