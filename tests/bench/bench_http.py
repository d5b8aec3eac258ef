"""MCP over HTTP: what stands between a client and its server, beside the bare server and peers.

The server (`servers/echo_http.py`) and the client (raw sockets, one process) do as little as they
can, so that neither is the bottleneck; the first rows show how far the two come by themselves. All
paths are measured in alternating rounds, so that a busy machine hurts them alike: read the ratios.

- `p50_ms`, `p99_ms`: a closed loop of one call on a connection that stays open.
- `32_*`: 32 clients at once, each with a connection (and, in the legacy era, a session) of its own.
- `cpu_us`, `32_cpu_us`: CPU time per call of the process between, all its threads, without its
  stdio servers.

Every call has arguments of its own. Guard authenticates each request by its key and runs with
policy, limits, schema check and log on; ContextForge authenticates by its token, with its rate
limits off and its sessions on (without them a call takes three times as long). The fastmcp proxy, as
it comes, opens a session with its server for every call. Paths that end on stdio have the quickest
stdio server behind them.
"""

import json
import os
import secrets
import select
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.bench.bench_stdio import ECHO, OPENING, message
from tests.rig.daemon import Daemon
from tests.rig.governed import BUNDLES, PYTHON
from tests.rig.programs import RIG, ROOT, need
from tests.rig.web import ACCEPT, HttpServer, free_port
from tests.rig.wire import MODERN, modern_meta

SERVER = ROOT / "tests/bench/servers/echo_http.py"
CLIENTS = 32
ROUNDS = 5
CALLS = 300
SLOW_CALLS = 60
BURST = 3_200
SLOW_BURST = 160
PATIENCE_S = 60.0
_END = b"\r\n\r\n"


class HttpError(RuntimeError):
    """An answer that is not the result of the call."""


class Response:
    """The head and body of one response, and how many bytes of the buffer they were."""

    def __init__(self, status: int, head: bytes, body: bytes, used: int) -> None:
        self.status, self.head, self.body, self.used = status, head, body, used

    def header(self, name: bytes) -> str:
        """Return a header's value, empty if it is not there."""
        return _header(self.head, name).decode("latin-1")


def _header(head: bytes, name: bytes) -> bytes:
    at = head.lower().find(b"\r\n" + name + b":")
    return head[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip() if at >= 0 else b""


def response_in(data: bytes) -> Response | None:
    """Return the response that `data` begins with, as soon as all of it is there."""
    end = data.find(_END)
    if end < 0:
        return None
    head, start = data[:end], end + len(_END)
    status = int(head[9:12])
    length = _header(head, b"content-length")
    if length:
        stop = start + int(length)
        return Response(status, head, data[start:stop], stop) if len(data) >= stop else None
    if _header(head, b"transfer-encoding").lower() != b"chunked":
        return Response(status, head, b"", start)
    parts = []
    while (line := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line].split(b";")[0], 16)
        start = line + 2
        if len(data) < start + size + 2:
            return None
        if not size:
            return Response(status, head, b"".join(parts), start + 2)
        parts.append(data[start : start + size])
        start += size + 2
    return None


class Client:
    """One MCP client on one connection that stays open."""

    def __init__(self, url: str, headers: Mapping[str, str], *, modern: bool) -> None:
        parts = urlsplit(url)
        self._modern = modern
        self._request_line = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        self._headers = {"content-type": "application/json", "accept": ACCEPT, **headers}
        self._meta = modern_meta() if modern else {}
        self._address = (parts.hostname, parts.port)
        self._pending = b""
        self._id = 0
        self.socket = self._connected()
        if modern:
            self._headers["mcp-protocol-version"] = MODERN
            self.ask("server/discover", {})
        else:
            opened = self._exchange(self._frame("initialize", OPENING))
            self._headers["mcp-protocol-version"] = "2025-11-25"
            if session := opened.header(b"mcp-session-id"):
                self._headers["mcp-session-id"] = session
            self._exchange(self._bytes({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        listed = self.ask("tools/list", {})
        # A gateway may put a prefix before the names of tools.
        self._tools = {
            plain: name
            for plain in ("echo", "touch")
            for tool in listed["tools"]
            if (name := tool["name"]).endswith(plain)
        }
        self._prefix = (self._request_line + self._head("tools/call", "@")).encode()

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(self._address, PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def renew(self) -> None:
        """Connect anew: while others were measured the connection may have been closed as idle."""
        self.socket.close()
        self._pending = b""
        self.socket = self._connected()
        self.call("echo")

    def _head(self, method: str, name: str) -> str:
        headers = dict(self._headers)
        if self._modern:
            headers["mcp-method"] = method
            if name:
                headers["mcp-name"] = name
        return "".join(f"{key}: {value}\r\n" for key, value in headers.items())

    def _bytes(self, frame: Mapping[str, Any]) -> bytes:
        params = frame.get("params", {})
        body = json.dumps(frame).encode()
        head = self._request_line + self._head(frame["method"], params.get("name", ""))
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def _frame(self, method: str, params: Mapping[str, Any]) -> bytes:
        self._id += 1
        given = {**params, "_meta": self._meta} if self._modern else dict(params)
        return self._bytes({"jsonrpc": "2.0", "id": self._id, "method": method, "params": given})

    def call_bytes(self, tool: str) -> bytes:
        """Return a call with arguments of its own, as it goes over the network."""
        self._id += 1
        name = self._tools[tool]
        meta = f',"_meta":{json.dumps(self._meta)}' if self._modern else ""
        body = (
            f'{{"jsonrpc":"2.0","id":{self._id},"method":"tools/call","params":{{"name":"{name}",'
            f'"arguments":{{"message":"{message(self._id)}"}}{meta}}}}}'
        ).encode()
        prefix = self._prefix.replace(b"mcp-name: @", b"mcp-name: " + name.encode())
        return prefix + b"content-length: %d\r\n\r\n" % len(body) + body

    def received(self) -> Response | None:
        """Read once, and return the response if that was the end of it."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise HttpError("the connection was closed")
        self._pending += data
        response = response_in(self._pending)
        if response is not None:
            self._pending = self._pending[response.used :]
        return response

    def check_result(self, response: Response) -> None:
        """Raise if it is not the result of a tool."""
        body = response.body
        if (
            response.status != 200
            or b'"result"' not in body
            or b'"isError":true' in body
            or b'"isError": true' in body
        ):
            raise HttpError(f"{response.status} {body[:300]!r}")

    def _exchange(self, data: bytes) -> Response:
        self.socket.sendall(data)
        while (response := self.received()) is None:
            pass
        if response.status >= 300:
            raise HttpError(f"{response.status} {response.body[:300]!r}")
        return response

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make any request and return its result."""
        body = self._exchange(self._frame(method, params)).body
        lines = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:")]
        frames = [json.loads(line) for line in lines if line.strip()] or [json.loads(body)]
        return dict(frames[-1]["result"])

    def call(self, tool: str) -> None:
        """Make one call and wait for its answer."""
        self.check_result(self._exchange(self.call_bytes(tool)))

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class Gateway:
    """One way from client to server: where it is, and which process stands there."""

    def __init__(
        self,
        name: str,
        url: str,
        pid: int | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        modern: bool = False,
        tool: str = "echo",
        slow: bool = False,
        base: str = "direct",
    ) -> None:
        self.name, self.base, self.tool = name, base, tool
        self.calls, self.burst = (SLOW_CALLS, SLOW_BURST) if slow else (CALLS, BURST)
        self.process = psutil.Process(pid) if pid else None
        self._open: Callable[[], Client] = lambda: Client(url, headers or {}, modern=modern)
        self._clients: list[Client] = []
        self.times: list[float] = []
        self.rates: list[float] = []
        self.busy_times: list[float] = []
        # Sums of CPU seconds and calls: the clock of the kernel ticks every 10 ms.
        self.cpu = [0.0, 0]
        self.busy_cpu = [0.0, 0]
        self.problem = ""

    def clients(self, count: int) -> list[Client]:
        """Return so many clients that are connected and warm."""
        for client in self._clients[:count]:
            client.renew()
        while len(self._clients) < count:
            self._clients.append(self._open())
            self._clients[-1].call(self.tool)
        return self._clients[:count]

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            client.close()

    @contextmanager
    def _counted(self, into: list[float], calls: int) -> Iterator[None]:
        """Add the CPU seconds of the process between, and the calls they were for."""
        before = self._cpu_s()
        yield
        into[0] += self._cpu_s() - before
        into[1] += calls

    def _cpu_s(self) -> float:
        if self.process is None:
            return 0.0
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def one_at_a_time(self, calls: int) -> list[float]:
        """Make calls one after another; returns milliseconds of each."""
        (client,) = self.clients(1)
        times = []
        with self._counted(self.cpu, calls):
            for _ in range(calls):
                started = time.perf_counter()
                client.call(self.tool)
                times.append((time.perf_counter() - started) * 1e3)
        return times

    def all_at_once(self, calls: int) -> None:
        """Make calls, CLIENTS at a time; notes calls per second and milliseconds of each."""
        clients = {client.socket.fileno(): client for client in self.clients(CLIENTS)}
        began: dict[int, float] = {}
        poll = select.epoll()
        with self._counted(self.busy_cpu, calls):
            sent = done = 0
            started = time.perf_counter()
            for number, client in clients.items():
                poll.register(number, select.EPOLLIN)
                began[number] = time.perf_counter()
                client.socket.sendall(client.call_bytes(self.tool))
                sent += 1
            while done < calls:
                ready = poll.poll(PATIENCE_S)
                if not ready:
                    raise HttpError(f"no answer in {PATIENCE_S} s")
                for number, _ in ready:
                    client = clients[number]
                    response = client.received()
                    if response is None:
                        continue
                    client.check_result(response)
                    done += 1
                    now = time.perf_counter()
                    self.busy_times.append((now - began[number]) * 1e3)
                    if sent < calls:
                        began[number] = now
                        client.socket.sendall(client.call_bytes(self.tool))
                        sent += 1
            self.rates.append(calls / (time.perf_counter() - started))
        poll.close()

    def row(self, base: "Gateway") -> dict[str, Any]:
        """Return one line of the table, beside `base`."""
        if self.problem:
            return {"path": self.name, "problem": self.problem}
        median, rate = statistics.median(self.times), statistics.median(self.rates)
        tail = statistics.quantiles(self.times, n=100)[98]
        direct = statistics.median(base.times)
        found: dict[str, Any] = {
            "path": self.name,
            "p50_ms": round(median, 3),
            "p99_ms": round(tail, 3),
            "p99_of_p50": round(tail / median, 1),
            "times_direct": round(median / direct, 2),
            "added_ms": round(median - direct, 3),
            "32_calls_per_s": round(rate),
            "32_of_direct": round(rate / statistics.median(base.rates), 3),
            "32_p50_ms": round(statistics.median(self.busy_times), 2),
            "32_p99_ms": round(statistics.quantiles(self.busy_times, n=100)[98], 2),
        }
        if self.process is not None:
            found["cpu_us"] = round(self.cpu[0] / self.cpu[1] * 1e6)
            found["32_cpu_us"] = round(self.busy_cpu[0] / self.busy_cpu[1] * 1e6)
            found["rss_end_mb"] = round(self.process.memory_info().rss / 1e6, 1)
        return found


# --- what stands between ------------------------------------------------------------------------


def _remit(stack: ExitStack, directory: Path, upstream: str | None) -> Daemon:
    """Start a Guard in front of a URL, or of the echo server over stdio."""
    directory.mkdir()
    extra = f'[servers.srv]\nurl = "{upstream}"\n' if upstream else ""
    servers = {} if upstream else {"srv": ECHO}
    daemon = Daemon(directory, servers, BUNDLES / "bench", extra=extra, http="127.0.0.1:0")
    stack.callback(daemon.stop)
    return daemon


def listening(daemon: Daemon) -> str:
    """Return the URL of its HTTP listener, which opens a moment after its socket."""
    until = time.monotonic() + PATIENCE_S
    while not (url := daemon.url):
        if time.monotonic() > until:
            raise TimeoutError("the daemon does not listen for HTTP")
        time.sleep(0.02)
    return url


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def _fastmcp(stack: ExitStack, directory: Path, upstream: str) -> HttpServer:
    """Start a fastmcp proxy in front of `upstream`."""
    port = free_port()
    script = directory / "fastmcp_http.py"
    script.write_text(
        "from fastmcp.server import create_proxy\n"
        f"create_proxy({upstream!r}, name='peer').run(transport='http', host='127.0.0.1',"
        f" port={port}, show_banner=False, log_level='error')\n"
    )
    command = [str(need(RIG / "py-fastmcp/bin/python", "rig-peers")), str(script)]
    return stack.enter_context(HttpServer(command, port))


def _mcp_proxy(stack: ExitStack) -> HttpServer:
    """Start mcp-proxy in front of the echo server over stdio; it has no HTTP on both sides."""
    port = free_port()
    program = str(need(RIG / "py-mcpproxy/bin/mcp-proxy", "rig-peers"))
    command = [program, "--port", str(port), "--host", "127.0.0.1", "--log-level", "ERROR"]
    return stack.enter_context(HttpServer([*command, "--", *ECHO], port))


class ContextForge:
    """ContextForge in front of an upstream: started, and told over its API what to serve."""

    def __init__(self, directory: Path, upstream: str) -> None:
        python = str(need(RIG / "py-contextforge/bin/python", "rig-peers"))
        directory.mkdir()
        secret = secrets.token_urlsafe(32)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DATABASE_URL": f"sqlite:///{directory}/mcp.db",
            "JWT_SECRET_KEY": secret,
            "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(32),
            "PLATFORM_ADMIN_EMAIL": "bench@example.com",
            "PLATFORM_ADMIN_PASSWORD": f"Aa1!{secrets.token_urlsafe(16)}",
            "DEFAULT_USER_PASSWORD": f"Aa1!{secrets.token_urlsafe(16)}",
            "BASIC_AUTH_PASSWORD": f"Aa1!{secrets.token_urlsafe(16)}",
            "CACHE_TYPE": "memory",
            "LOG_LEVEL": "ERROR",
            "MCPGATEWAY_UI_ENABLED": "false",
            "RATE_LIMITING_ENABLED": "false",
            "SSRF_ALLOW_LOCALHOST": "true",
            "USE_STATEFUL_SESSIONS": "true",
        }
        token = subprocess.run(
            [python, "-m", "mcpgateway.utils.create_jwt_token", "--username", "bench@example.com",
             "--admin", "--exp", "600", "--secret", secret],
            env=environment, cwd=directory, capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.headers = _bearer(token.stdout.strip().split("\n")[-1])
        port = free_port()
        # Its working directory is where it looks for settings and keeps its files.
        command = shlex.join(
            [python, "-m", "uvicorn", "mcpgateway.main:app", "--host", "127.0.0.1",
             "--port", str(port), "--log-level", "error", "--no-access-log"]
        )  # fmt: skip
        self.server = HttpServer(
            ["/bin/sh", "-c", f"cd {shlex.quote(str(directory))} && exec {command}"],
            port,
            environment,
        )
        base = f"http://127.0.0.1:{port}"
        try:
            gateway = {"name": "up", "url": upstream, "transport": "STREAMABLEHTTP"}
            self._ask(base, "POST", "/v1/gateways", gateway)
            tools = [tool["id"] for tool in self._ask(base, "GET", "/v1/tools", None)]
            server = {"name": "bench", "description": "bench", "associated_tools": tools}
            made = self._ask(base, "POST", "/v1/servers", {"server": server})
        except BaseException:
            self.stop()
            raise
        self.url = f"{base}/servers/{made['id']}/mcp"

    def _ask(self, base: str, method: str, path: str, body: Any) -> Any:
        import urllib.request

        request = urllib.request.Request(
            base + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={**self.headers, "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return json.loads(response.read())

    def stop(self) -> None:
        """End it."""
        self.server.stop()


# --- the bench ----------------------------------------------------------------------------------


def _gateways(stack: ExitStack, directory: Path, rows: list[dict[str, Any]]) -> list[Gateway]:
    """Start everything; a peer that does not start is a row with its problem."""
    port = free_port()
    upstream = stack.enter_context(
        HttpServer([PYTHON, "-I", "-S", str(SERVER), str(port)], port)
    ).url
    web = _remit(stack, directory / "web", upstream)
    stdio = _remit(stack, directory / "stdio", None)
    keys = {era: _bearer(web.key(agent=era)) for era in ("legacy", "modern")}
    here, there, pid = f"{listening(web)}/mcp/srv", f"{listening(stdio)}/mcp/srv", web.process.pid
    found = [
        Gateway("direct", upstream),
        Gateway("direct, modern", upstream, modern=True),
        Gateway("remit, read", here, pid, keys["legacy"]),
        Gateway(
            "remit, read, modern", here, pid, keys["modern"], modern=True, base="direct, modern"
        ),
        Gateway("remit, write", here, pid, keys["legacy"], tool="touch"),
        Gateway("remit, read, to stdio", there, stdio.process.pid, _bearer(stdio.key())),
    ]

    def fastmcp() -> Gateway:
        peer = _fastmcp(stack, directory, upstream)
        return Gateway("fastmcp proxy", peer.url, peer.process.pid, slow=True)

    def mcp_proxy() -> Gateway:
        peer = _mcp_proxy(stack)
        return Gateway("mcp-proxy, to stdio", peer.url, peer.process.pid, slow=True)

    def contextforge() -> Gateway:
        peer = ContextForge(directory / "contextforge", upstream)
        stack.callback(peer.stop)
        pid = peer.server.process.pid
        return Gateway("ContextForge", peer.url, pid, peer.headers, slow=True)

    for name, start in (
        ("fastmcp proxy", fastmcp),
        ("mcp-proxy, to stdio", mcp_proxy),
        ("ContextForge", contextforge),
    ):
        try:
            found.append(start())
        except (OSError, ValueError, AssertionError, subprocess.SubprocessError) as error:
            rows.append({"path": name, "problem": f"{type(error).__name__}: {error}"})
    for gateway in found:
        stack.callback(gateway.close)
    return found


def _measured(gateway: Gateway, work: Callable[[], Any]) -> None:
    """Do it; a peer that fails is out of the race, Remit and the bare server may not."""
    if gateway.problem:
        return
    try:
        work()
    except (HttpError, OSError) as error:
        if gateway.name.startswith(("direct", "remit")):
            raise
        gateway.problem = str(error)[:80]


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run all measurements and return the rows of the table; `--quick` takes seconds."""
    rounds, share = (2, 4) if "--quick" in arguments else (ROUNDS, 1)
    problems: list[dict[str, Any]] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateways = _gateways(stack, directory, problems)
        for gateway in gateways:
            _measured(gateway, lambda g=gateway: g.one_at_a_time(g.calls // 4))
            gateway.cpu = [0.0, 0]
        for number in range(rounds):
            for gateway in gateways if number % 2 else reversed(gateways):
                _measured(
                    gateway, lambda g=gateway: g.times.extend(g.one_at_a_time(g.calls // share))
                )
        for number in range(rounds):
            for gateway in gateways if number % 2 else reversed(gateways):
                _measured(gateway, lambda g=gateway: g.all_at_once(g.burst // share))
        by_name = {gateway.name: gateway for gateway in gateways}
        return [gateway.row(by_name[gateway.base]) for gateway in gateways] + problems


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)
