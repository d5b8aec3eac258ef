"""The daemon and its shim: calls, many clients at once, start-up and memory, beside the bare server.

Bare server, daemon and `remit mcp exec` take turns in alternating rounds, so that a busy machine
hurts them alike: read the ratios, not the milliseconds. Every call has arguments of its own; policy,
limits, schema check and log are on.

- `p50_ms`, `p99_ms`: a closed loop of one call, or one start of a program.
- `per_s`: calls per second of 16 clients together, 16 calls of each in flight.
- `cpu_us`: CPU time per call of the daemon's process, all its threads.
- `mb`: resident memory, megabytes of 10^6 bytes.

A start of the shim ends when the daemon acknowledges the hand-over; the server's process is started
by then. `hello` is the part until the daemon has the descriptors: the shim's own start-up.
"""

import json
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from tests.bench.bench_http import Client, listening
from tests.bench.bench_stdio import (
    CALLS,
    ECHO,
    ROUNDS,
    Stdio,
    compare,
    message,
    remit_command,
    row,
    timed,
)
from tests.rig.daemon import SHIM, Daemon
from tests.rig.governed import BUNDLES, PYTHON

CLIENTS = 16
IN_FLIGHT = 16
EACH = 250
STARTS = 30
SESSIONS = 64
PATIENCE_S = 60.0
SETTLE_S = 1.0


def together(clients: Sequence[Stdio], tool: str, each: int) -> float:
    """Make `each` calls with every client, all clients at once; returns calls per second."""
    pending: dict[int, bytes] = {}
    sent: dict[int, int] = {}
    inputs: dict[int, Stdio] = {client._out: client for client in clients}
    poll = select.epoll()

    def send(number: int, count: int) -> None:
        client = inputs[number]
        count = min(count, each - sent[number])
        frames = []
        for _ in range(count):
            client._id += 1
            frames.append(
                f'{{"jsonrpc":"2.0","id":{client._id},"method":"tools/call","params":'
                f'{{"name":"{tool}","arguments":{{"message":"{message(client._id)}"}}}}}}\n'
            )
        sent[number] += count
        if frames:
            os.write(client._in, "".join(frames).encode())

    total, done = each * len(clients), 0
    started = time.perf_counter()
    for number in inputs:
        poll.register(number, select.EPOLLIN)
        pending[number], sent[number] = b"", 0
        send(number, IN_FLIGHT)
    while done < total:
        ready = poll.poll(PATIENCE_S)
        if not ready:
            raise TimeoutError(f"no answer in {PATIENCE_S} s")
        for number, _ in ready:
            data = os.read(number, 1 << 18)
            if not data:
                raise EOFError("the program ended")
            *lines, pending[number] = (pending[number] + data).split(b"\n")
            answered = 0
            for line in lines:
                if b'"isError":true' in line or b'"error"' in line:
                    raise RuntimeError(line[:500])
                answered += b'"id"' in line
            done += answered
            send(number, answered)
    taken = time.perf_counter() - started
    poll.close()
    return total / taken


class Relay:
    """Stands on a socket between shim and daemon and sees when the hand-over is acknowledged."""

    def __init__(self, directory: Path, daemon: Daemon) -> None:
        self._daemon = daemon
        # A path of pytest's or TMPDIR's is easily longer than a socket's name may be.
        self._path = f"{daemon.socket}.relay"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self._path)
        self._listening.listen()
        self._listening.settimeout(PATIENCE_S)

    def start(self) -> tuple[float, float]:
        """Start a shim and end it; returns milliseconds to its hello and to the acknowledgement."""
        started = time.perf_counter()
        process = subprocess.Popen(
            [SHIM, "--socket", self._path, "srv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        peer, _ = self._listening.accept()
        with peer, socket.socket(socket.AF_UNIX) as onward:
            line, streams, _, _ = socket.recv_fds(peer, 4096, 3)
            hello = (time.perf_counter() - started) * 1e3
            onward.settimeout(PATIENCE_S)
            onward.connect(str(self._daemon.socket))
            socket.send_fds(onward, [line], streams)
            answer = onward.recv(4096)
            acknowledged = (time.perf_counter() - started) * 1e3
            for stream in streams:
                os.close(stream)
            if b'"ok":true' not in answer:
                raise RuntimeError(answer[:500])
            peer.sendall(answer)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            while b'"end"' not in answer:
                answer = onward.recv(4096)
                if not answer:
                    raise EOFError("the daemon closed the hand-over")
                peer.sendall(answer)
        process.wait(PATIENCE_S)
        process.stdout.close()
        return hello, acknowledged

    def close(self) -> None:
        """Remove the socket."""
        self._listening.close()
        Path(self._path).unlink()


def _milliseconds(command: Sequence[str]) -> float:
    """Run a program to its end; returns milliseconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1e3


def _daemon(stack: ExitStack, directory: Path) -> Daemon:
    """Start a daemon with the HTTP listener on, over the echo server."""
    directory.mkdir()
    daemon = Daemon(directory, {"srv": ECHO}, BUNDLES / "bench", http="127.0.0.1:0")
    stack.callback(daemon.stop)
    return daemon


def _cpu_s(daemon: Daemon) -> float:
    times = psutil.Process(daemon.process.pid).cpu_times()
    return float(times.user + times.system)


def _mb(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def _calls(stack: ExitStack, directory: Path, rounds: int) -> list[dict[str, Any]]:
    """One client at a time."""
    daemon = _daemon(stack, directory / "calls")
    bare, shim = Stdio(ECHO), Stdio(daemon.shim("srv"))
    alone = Stdio(remit_command(ECHO, directory))
    for each in (bare, shim, alone):
        stack.callback(each.close)
    times = compare(
        {
            "bare server": (bare, "echo", CALLS),
            "shim and daemon, read": (shim, "echo", CALLS),
            "shim and daemon, write": (shim, "touch", CALLS),
            "remit mcp exec, read": (alone, "echo", CALLS),
        },
        rounds,
    )
    base = statistics.median(times["bare server"])
    rows = [row(name, taken, base) for name, taken in times.items()]
    for each, tool in zip(rows[1:3], ("echo", "touch"), strict=True):
        cpu = _cpu_s(daemon)
        timed(shim, tool, CALLS * 2)
        each["cpu_us"] = round((_cpu_s(daemon) - cpu) / (CALLS * 2) * 1e6)
    return rows


def _many(stack: ExitStack, directory: Path, rounds: int) -> list[dict[str, Any]]:
    """CLIENTS at once."""
    daemon = _daemon(stack, directory / "many")
    bare = [Stdio(ECHO) for _ in range(CLIENTS)]
    shims = [Stdio(daemon.shim("srv")) for _ in range(CLIENTS)]
    for each in (*bare, *shims):
        stack.callback(each.close)
    ways = {
        f"{CLIENTS} bare servers": (bare, "echo", EACH * 4),
        f"{CLIENTS} shims, one daemon, read": (shims, "echo", EACH),
        f"{CLIENTS} shims, one daemon, write": (shims, "touch", EACH),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    cpu = dict.fromkeys(ways, 0.0)
    for clients, tool, each in ways.values():
        together(clients, tool, each // 4)
    for number in range(rounds):
        order = list(ways.items())
        for name, (clients, tool, each) in order if number % 2 else reversed(order):
            before = _cpu_s(daemon)
            rates[name].append(together(clients, tool, each))
            cpu[name] += _cpu_s(daemon) - before
    top = statistics.median(next(iter(rates.values())))
    rows = []
    for name, (clients, _, each) in ways.items():
        rate = statistics.median(rates[name])
        rows.append({"path": name, "per_s": round(rate), "of_bare": round(rate / top, 3)})
        if clients is shims:
            rows[-1]["cpu_us"] = round(cpu[name] / (each * CLIENTS * rounds) * 1e6)
            rows[-1]["mb"] = round(_mb(daemon.process), 1)
    return rows


def _starts(stack: ExitStack, directory: Path, starts: int) -> list[dict[str, Any]]:
    """From nothing to a session."""
    daemon = _daemon(stack, directory / "starts")
    relay = Relay(directory, daemon)
    stack.callback(relay.close)
    hellos: list[float] = []

    def shim() -> float:
        hello, acknowledged = relay.start()
        hellos.append(hello)
        return acknowledged

    def ready(command: Sequence[str]) -> float:
        with Stdio(command) as client:
            return client.ready_s * 1e3

    ways: dict[str, Callable[[], float]] = {
        "start: python -c pass": lambda: _milliseconds([PYTHON, "-c", "pass"]),
        "start: python -I -S -c pass": lambda: _milliseconds([PYTHON, "-I", "-S", "-c", "pass"]),
        "start: shim to acknowledged": shim,
        "ready: bare server": lambda: ready(ECHO),
        "ready: shim and daemon": lambda: ready(daemon.shim("srv")),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(starts + 1):
        order = list(ways.items())
        for name, work in order if number % 2 else reversed(order):
            taken = work()
            if number:
                times[name].append(taken)
    times["start: shim to hello"] = hellos[1:]
    rows = []
    for name in sorted(times, key=lambda name: (name[:5], statistics.median(times[name]))):
        base = times["ready: bare server" if name.startswith("ready") else "start: python -c pass"]
        rows.append(
            {
                "path": name,
                "p50_ms": round(statistics.median(times[name]), 1),
                "best_ms": round(min(times[name]), 1),
                "p99_ms": round(statistics.quantiles(times[name], n=100)[98], 1),
                "times_bare": round(statistics.median(times[name]) / statistics.median(base), 2),
                "added_ms": round(statistics.median(times[name]) - statistics.median(base), 1),
            }
        )
    return rows


def _memory(stack: ExitStack, directory: Path, sessions: int) -> list[dict[str, Any]]:
    """Of a daemon that idles, of its sessions, of a shim."""
    rows: list[dict[str, Any]] = []
    for kind in ("stdio", "HTTP"):
        daemon = _daemon(stack, directory / f"memory-{kind}")
        time.sleep(SETTLE_S)
        idle = _mb(daemon.process)
        open_: list[Any] = []
        if kind == "stdio":
            rows.append({"path": "daemon, idle, HTTP listener on", "mb": round(idle, 1)})
            open_ += [Stdio(daemon.shim("srv")) for _ in range(sessions)]
        else:
            headers = {"authorization": f"Bearer {daemon.key()}"}
            url = f"{listening(daemon)}/mcp/srv"
            open_ += [Client(url, headers, modern=False) for _ in range(sessions)]
        time.sleep(SETTLE_S)
        full = _mb(daemon.process)
        rows.append(
            {
                "path": f"daemon, {sessions} idle sessions over {kind}",
                "mb": round(full, 1),
                "mb_per_session": round((full - idle) / sessions, 2),
            }
        )
        if kind == "stdio":
            shims = [_mb(client.process) for client in open_]
            rows.append({"path": "one shim", "mb": round(statistics.median(shims), 1)})
            rows.append({"path": "python -c pass", "mb": round(_python_mb(), 1)})
        for client in open_:
            client.close()
        daemon.stop()
    return rows


def _python_mb() -> float:
    """Return the memory of an interpreter that has done nothing."""
    command = [PYTHON, "-c", "import os; os.write(1, b'x'); os.read(0, 1)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        memory = _mb(process)
        process.communicate(b"x")
    return memory


def main(arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run all measurements and return the rows of the table; `--quick` takes seconds."""
    quick = "--quick" in arguments
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = _memory(stack, directory, SESSIONS // 4 if quick else SESSIONS)
        rows += _calls(stack, directory, 2 if quick else ROUNDS)
        rows += _many(stack, directory, 2 if quick else ROUNDS)
        rows += _starts(stack, directory, 6 if quick else STARTS)
        return rows


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(json.dumps(line))
