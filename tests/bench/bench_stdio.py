"""MCP over stdio: what stands between a client and its server, beside the bare server and peers.

All paths run in the same process tree, in alternating rounds, so that a busy machine hurts them
alike: read the ratios, not the milliseconds. Latency is a closed loop of one call; throughput keeps
64 calls in flight. Guard runs with policy and audit on: `echo` is a read, `touch` a write whose
record is on disk before the call goes on.
"""

import http.client
import json
import os
import select
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from tests.rig.governed import BUNDLES, PYTHON, exec_command
from tests.rig.programs import RIG, ROOT, everything_server, need

ECHO = [PYTHON, "-I", "-S", str(ROOT / "tests/conformance/servers/echo.py")]
TEXT = "m" * 120
ROUNDS = 5
CALLS = 400
SLOW_CALLS = 100
PIPELINED = 2_000
WINDOW = 64


def message(number: int) -> str:
    """A text of its own for each call: no answer can come from the memory of answers."""
    return f"{number:08d}{TEXT[8:]}"


OPENING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


class Path_(Protocol):  # noqa: N801 - `Path` is pathlib's
    """One way from client to server."""

    def call(self, tool: str) -> None:
        """Make one call and wait for its answer."""

    def close(self) -> None:
        """End it."""


class Stdio:
    """A client over pipes that adds as little as possible."""

    def __init__(self, command: Sequence[str]) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._pending = b""
        self._id = 0
        self._request("initialize", OPENING)
        self.ready_s = time.perf_counter() - started
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self._request("tools/list", {})

    def _write(self, frame: dict[str, Any]) -> None:
        os.write(self._in, json.dumps(frame).encode() + b"\n")

    def _lines(self) -> list[bytes]:
        """Return the next complete lines, at least one."""
        while b"\n" not in self._pending:
            if not select.select([self._out], [], [], 60)[0]:
                raise TimeoutError("no answer in 60 s")
            chunk = os.read(self._out, 1 << 18)
            if not chunk:
                raise EOFError("the program ended")
            self._pending += chunk
        *lines, self._pending = self._pending.split(b"\n")
        return lines

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._id += 1
        self._write({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        while True:
            for line in self._lines():
                frame = json.loads(line)
                if frame.get("id") == self._id:
                    if "result" not in frame or frame["result"].get("isError"):
                        raise RuntimeError(line[:500])
                    return dict(frame["result"])

    def call(self, tool: str) -> None:
        self._request("tools/call", {"name": tool, "arguments": {"message": message(self._id)}})

    def pipelined(self, tool: str, count: int) -> float:
        """Make `count` calls, WINDOW in flight; returns calls per second."""
        sent = done = 0
        first = self._id + 1
        self._id += count

        def frames(number: int) -> bytes:
            nonlocal sent
            out = []
            for _ in range(number):
                out.append(
                    f'{{"jsonrpc":"2.0","id":{first + sent},"method":"tools/call","params":'
                    f'{{"name":"{tool}","arguments":{{"message":"{message(first + sent)}"}}}}}}\n'
                )
                sent += 1
            return "".join(out).encode()

        started = time.perf_counter()
        os.write(self._in, frames(WINDOW))
        while done < count:
            answered = 0
            for line in self._lines():
                if b'"id"' in line:
                    if b'"isError":true' in line or b'"error"' in line:
                        raise RuntimeError(line[:500])
                    answered += 1
            done += answered
            if more := min(answered, count - sent):
                os.write(self._in, frames(more))
        return count / (time.perf_counter() - started)

    def memory_mb(self) -> float:
        """Return the resident memory of the process itself, without its server."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def cpu_s(self) -> float:
        """Return the CPU time of the process itself."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class Repeated:
    """The same call again and again through a path: the best case of the memory of answers."""

    def __init__(self, path: Stdio) -> None:
        self._path = path

    def call(self, tool: str) -> None:
        """Make the call."""
        self._path._request("tools/call", {"name": tool, "arguments": {"message": TEXT}})

    def close(self) -> None:
        """The path is closed by its owner."""


class Http:
    """`mcp-proxy` offers a stdio server over HTTP: the same call with HTTP in front."""

    def __init__(self, command: Sequence[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        program = str(need(RIG / "py-mcpproxy/bin/mcp-proxy"))
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [program, "--port", str(self._port), "--host", "127.0.0.1", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        self._id = 0
        while True:
            try:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                self._connection.connect()
                break
            except OSError:
                if time.perf_counter() - started > 30:
                    raise
                time.sleep(0.02)
        assert self._connection.sock is not None
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request("initialize", OPENING)
        self.ready_s = time.perf_counter() - started
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self._request("tools/list", {})

    def _post(self, frame: dict[str, Any]) -> bytes:
        self._connection.request("POST", "/mcp", json.dumps(frame), self._headers)
        response = self._connection.getresponse()
        session = response.headers.get("mcp-session-id")
        if session:
            self._headers["mcp-session-id"] = session
        body = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{response.status} {body[:300]!r}")
        return body

    def _request(self, method: str, params: dict[str, Any]) -> None:
        self._id += 1
        body = self._post({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        if b'"result"' not in body or b'"isError":true' in body:
            raise RuntimeError(body[:500])

    def call(self, tool: str) -> None:
        self._request("tools/call", {"name": tool, "arguments": {"message": message(self._id)}})

    def memory_mb(self) -> float:
        """Return the resident memory of the process itself, without its server."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def close(self) -> None:
        self._connection.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def fastmcp_command(command: Sequence[str], directory: Path) -> list[str]:
    """Return the command of a fastmcp proxy in front of `command`."""
    script = directory / "fastmcp_proxy.py"
    config = {"mcpServers": {"default": {"command": command[0], "args": list(command[1:])}}}
    script.write_text(
        "from fastmcp.server import create_proxy\n"
        f"create_proxy({config!r}, name='peer').run(transport='stdio', show_banner=False)\n"
    )
    return [str(need(RIG / "py-fastmcp/bin/python")), str(script)]


def remit_command(command: Sequence[str], directory: Path) -> list[str]:
    """Return the command of Guard in front of `command`."""
    return exec_command("srv", command, BUNDLES / "bench", directory / "state")


def timed(path: Path_, tool: str, calls: int) -> list[float]:
    """Return the time of each call in milliseconds."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        path.call(tool)
        times.append((time.perf_counter() - started) * 1e3)
    return times


def row(name: str, times: Sequence[float], base: float, **more: Any) -> dict[str, Any]:
    """Return one line of the table."""
    median = statistics.median(times)
    return {
        "path": name,
        "p50_ms": round(median, 3),
        "p99_ms": round(statistics.quantiles(times, n=100)[98], 3),
        "times_bare": round(median / base, 2),
        "added_ms": round(median - base, 3),
        **more,
    }


def compare(paths: dict[str, tuple[Path_, str, int]], rounds: int) -> dict[str, list[float]]:
    """Measure all paths (name → path, tool, calls per round) in alternating rounds."""
    times: dict[str, list[float]] = {name: [] for name in paths}
    for path, tool, calls in paths.values():
        timed(path, tool, calls // 4)
    for number in range(rounds):
        order = list(paths.items())
        for name, (path, tool, calls) in order if number % 2 else reversed(order):
            times[name] += timed(path, tool, calls)
    return times


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run all measurements and return the rows of the table; `--quick` takes seconds."""
    rounds, windows = (2, 1) if "--quick" in arguments else (ROUNDS, 3)
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "everything").mkdir()
        bare = Stdio(ECHO)
        guard = Stdio(remit_command(ECHO, directory))
        peer = Stdio(fastmcp_command(ECHO, directory))
        web = Http(ECHO)
        for each in (bare, guard, peer, web):
            stack.callback(each.close)
        fresh = [path.memory_mb() for path in (guard, guard, peer, web)]
        times = compare(
            {
                "bare server": (bare, "echo", CALLS),
                "remit, read": (guard, "echo", CALLS),
                "remit, write": (guard, "touch", CALLS),
                "fastmcp proxy": (peer, "echo", SLOW_CALLS),
                "mcp-proxy (HTTP)": (web, "echo", SLOW_CALLS),
                "remit, read, repeated": (Repeated(guard), "echo", CALLS),
            },
            rounds,
        )
        cpu = guard.cpu_s()
        timed(guard, "echo", CALLS * 2)
        cpu_us = (guard.cpu_s() - cpu) / (CALLS * 2) * 1e6
        base = statistics.median(times["bare server"])
        for name, taken in times.items():
            rows.append(row(name, taken, base))
        rows[1]["cpu_us"] = round(cpu_us)
        rates: dict[str, list[float]] = {}
        for _ in range(windows):
            for name, path, tool, count in (
                ("bare server", bare, "echo", PIPELINED),
                ("remit, read", guard, "echo", PIPELINED),
                ("remit, write", guard, "touch", PIPELINED),
                ("fastmcp proxy", peer, "echo", PIPELINED // 8),
            ):
                rates.setdefault(name, []).append(path.pipelined(tool, count))
        top = statistics.median(rates["bare server"])
        for each in rows:
            if each["path"] in rates:
                rate = statistics.median(rates[each["path"]])
                each["pipelined_per_s"] = round(rate)
                each["pipelined_of_bare"] = round(rate / top, 3)
        for each, path, ready in zip(rows[1:5], (guard, guard, peer, web), fresh, strict=True):
            each["rss_ready_mb"] = round(ready, 1)
            each["rss_end_mb"] = round(path.memory_mb(), 1)
        _ready(rows, directory)
        _real(rows, directory / "everything", stack)
    return rows


def _ready(rows: list[dict[str, Any]], directory: Path) -> None:
    """Add the time from start to the answer of `initialize`, best of 5."""
    commands = {
        "bare server": ECHO,
        "remit, read": remit_command(ECHO, directory),
        "fastmcp proxy": fastmcp_command(ECHO, directory),
    }
    for each in rows:
        if each["path"] in commands:
            best = float("inf")
            for number in range(5):
                command = commands[each["path"]]
                if each["path"].startswith("remit"):
                    command = exec_command(
                        "srv", ECHO, BUNDLES / "bench", directory / f"fresh-{number}" / "state"
                    )
                with Stdio(command) as path:
                    best = min(best, path.ready_s)
            each["ready_ms"] = round(best * 1e3)


def _real(rows: list[dict[str, Any]], directory: Path, stack: ExitStack) -> None:
    """Add a real server: `echo` of server-everything."""
    bare = Stdio(everything_server())
    guard = Stdio(remit_command(everything_server(), directory))
    stack.callback(bare.close)
    stack.callback(guard.close)
    times = compare(
        {
            "server-everything, bare": (bare, "echo", SLOW_CALLS),
            "server-everything, remit": (guard, "echo", SLOW_CALLS),
        },
        ROUNDS,
    )
    base = statistics.median(times["server-everything, bare"])
    rows += [row(name, taken, base) for name, taken in times.items()]


if __name__ == "__main__":
    for line in main():
        print(line)
