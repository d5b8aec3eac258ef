"""The quickest MCP server over HTTP that the standard library gives: for the bench, where it must
not be the bottleneck. Tools: `echo` and `touch`, both answer with their message; both eras.

Argument: port. It believes what it is sent and checks nothing: one request at a time on each
connection, bodies with a length, answers always JSON.
"""

import asyncio
import itertools
import json
import signal
import sys
from typing import Any

MODERN = "2026-07-28"
_META = "io.modelcontextprotocol/"
_SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
_TOOLS = [
    {"name": name, "description": "Say it again", "inputSchema": _SCHEMA}
    for name in ("echo", "touch")
]
_SERVER = {"name": "echo", "version": "1"}
_CACHED = {"ttlMs": 0, "cacheScope": "private"}
_LENGTH = b"content-length:"
_sessions = itertools.count(1)


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one request, as its era wants it."""
    modern = f"{_META}protocolVersion" in params.get("_meta", {})
    result: dict[str, Any] = {}
    if method == "tools/call":
        result = {"content": [{"type": "text", "text": params["arguments"]["message"]}]}
    elif method == "tools/list":
        result = {"tools": _TOOLS, **(_CACHED if modern else {})}
    elif method == "initialize":
        result = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": _SERVER,
        }
    elif method == "server/discover":
        result = {
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {}},
            "_meta": {f"{_META}serverInfo": _SERVER},
            **_CACHED,
        }
    return {"resultType": "complete", **result} if modern else result


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].lower()
            at = head.find(_LENGTH)
            size = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            start = end + 4
            if len(self._pending) < start + size:
                return
            body = self._pending[start : start + size]
            self._pending = self._pending[start + size :]
            self._transport.write(self._respond(head, body))

    def _respond(self, head: bytes, body: bytes) -> bytes:
        if not head.startswith(b"post"):
            status = b"405 Method Not Allowed" if head.startswith(b"get") else b"200 OK"
            return b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n"
        frame = json.loads(body)
        if "id" not in frame:
            return b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        more = ""
        if frame["method"] == "initialize":
            more = f"mcp-session-id: echo-{next(_sessions)}\r\n"
        result = answer(frame["method"], frame.get("params") or {})
        out = json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": result}).encode()
        return (
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}"
            f"content-length: {len(out)}\r\n\r\n"
        ).encode() + out


async def main() -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=512)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
