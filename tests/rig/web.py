"""HTTP as the tests see it: raw requests with exact bytes, and servers of HTTP to be governed."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.rig.programs import RIG, need, sdk_python
from tests.rig.wire import LEGACY, MODERN, modern_meta

MODERN_SERVER = Path(__file__).with_name("modern_http.py")
ACCEPT = "application/json, text/event-stream"


def free_port() -> int:
    """Return a port of loopback that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HttpServer:
    """A real MCP server over HTTP as a process."""

    def __init__(self, command: Sequence[str], port: int, env: Mapping[str, str] | None = None):
        self.command = list(command)
        self.port = port
        self.url = f"http://127.0.0.1:{port}/mcp"
        self._env = dict(env) if env is not None else None
        self.start()

    def start(self, deadline_s: float = 30.0) -> None:
        """Start it and wait until it takes connections."""
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._env,
        )
        until = time.monotonic() + deadline_s
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < until, "the server does not listen"
                time.sleep(0.05)

    def stop(self) -> None:
        """Kill it."""
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def modern_server(log: Path) -> HttpServer:
    """Start the SDK's MCPServer (both eras)."""
    port = free_port()
    return HttpServer([sdk_python(), str(MODERN_SERVER), str(port), str(log)], port)


def bridge(recorder: Sequence[str]) -> HttpServer:
    """Start a recorder behind HTTP."""
    port = free_port()
    script = Path(__file__).parents[1] / "conformance" / "servers" / "bridge.py"
    return HttpServer([sys.executable, "-I", "-S", str(script), str(port), *recorder], port)


def everything_http() -> HttpServer:
    """Start server-everything over Streamable HTTP (legacy, with sessions and a GET stream)."""
    import os

    port = free_port()
    script = RIG / "npm/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    command = ["node", str(need(script)), "streamableHttp"]
    return HttpServer(command, port, {**os.environ, "PORT": str(port)})


class Answer:
    """One HTTP response, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def frames(self) -> list[Any]:
        """JSON-RPC messages of the body, JSON or server-sent events."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.body.split(b"\n")
            return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        return [json.loads(self.body)] if self.body else []

    @property
    def frame(self) -> Any:
        """The last message."""
        return self.frames[-1]


class HttpClient:
    """A client that sends exactly what it is told."""

    def __init__(self, base: str, key: str, server: str = "rec", *, modern: bool = False) -> None:
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._address = (parts.hostname, parts.port)
        self.path = f"/mcp/{server}"
        self.key = key
        self.modern = modern
        self.session = ""
        self._ids = 100_000

    def headers(self, **more: str | None) -> dict[str, str]:
        """Usual headers; `None` takes one out, underscores are hyphens."""
        usual: dict[str, str | None] = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Accept": ACCEPT,
        }
        if self.session:
            usual["Mcp-Session-Id"] = self.session
        usual |= {name.replace("_", "-"): value for name, value in more.items()}
        return {name: value for name, value in usual.items() if value is not None}

    def send(
        self,
        method: str = "POST",
        body: bytes | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        *,
        path: str = "",
        timeout_s: float = 30.0,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(*self._address, timeout=timeout_s)
        given = self.headers() if headers is None else headers
        pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
        try:
            connection.putrequest(
                method,
                path or self.path,
                skip_host=any(n.lower() == "host" for n, _ in pairs),
                skip_accept_encoding=True,
            )
            for name, value in pairs:
                connection.putheader(name, value)
            if body is not None and not any(n.lower() == "content-length" for n, _ in pairs):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def fresh_id(self) -> int:
        """Return an id that this client has not used."""
        self._ids += 1
        return self._ids

    def frame(
        self, method: str, params: Mapping[str, Any] | None = None, number: Any = None
    ) -> Any:
        """Return a request of this client's era."""
        given = dict(params or {})
        if self.modern:
            given["_meta"] = {**modern_meta(), **given.get("_meta", {})}
        number = self.fresh_id() if number is None else number
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": given}

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Send a request as a well-behaved client does."""
        frame = self.frame(method, params)
        return self.send("POST", json.dumps(frame).encode(), self.fitting(frame))

    def fitting(self, frame: Mapping[str, Any]) -> dict[str, str]:
        """Headers that agree with a frame."""
        headers = self.headers()
        if self.modern:
            headers["MCP-Protocol-Version"] = MODERN
            headers["Mcp-Method"] = str(frame["method"])
            named = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
            member = named.get(str(frame["method"]))
            if member:
                headers["Mcp-Name"] = str(frame["params"].get(member, ""))
        return headers

    def open(self, capabilities: Mapping[str, Any] | None = None) -> Any:
        """Open the era; returns the result."""
        if self.modern:
            return self.request("server/discover").frame["result"]
        answer = self.request(
            "initialize",
            {
                "protocolVersion": LEGACY,
                "capabilities": dict(capabilities or {}),
                "clientInfo": {"name": "rig", "version": "1"},
            },
        )
        assert answer.status == 200, answer.body
        self.session = answer.headers["mcp-session-id"]
        notice = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert self.send("POST", json.dumps(notice).encode()).status == 202
        return answer.frame["result"]

    def call(self, name: str, **arguments: Any) -> Answer:
        """Call a tool."""
        return self.request("tools/call", {"name": name, "arguments": arguments})
