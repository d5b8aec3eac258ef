"""Both ends of the transport, with real processes and pipes."""

import asyncio
import io
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from remit.guard.errors import GuardError
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.pipes import Client, Server, StderrRelay
from tests.unit.guard.helpers import go


class Seen:
    def __init__(self):
        self.lines = []
        self.ends = []

    def server(self, limit=1 << 20):
        return Server(limit, self.lines.append, self.ends.append)

    async def until(self, condition, timeout_s=5):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, (self.lines, self.ends)
            await asyncio.sleep(0.002)


def test_cat_gives_back_what_was_sent():
    async def play():
        seen = Seen()
        server = seen.server()
        await server.start(["cat"], None, None)
        assert server.pid > 0
        for number in range(100):
            server.send(b'{"n":%d}\n' % number)
        await seen.until(lambda: len(seen.lines) == 100)
        assert seen.lines[99] == Line(b'{"n":99}')
        await server.stop()
        await seen.until(lambda: seen.ends)
        assert len(seen.ends) == 1
        server.send(b"late\n")

    go(play())


def test_a_large_message_passes_and_one_too_large_does_not():
    async def play():
        seen = Seen()
        server = seen.server(1 << 20)
        await server.start(["cat"], None, None)
        server.send(b"x" * (1 << 20) + b"\n")
        server.send(b"y" * ((1 << 20) + 1) + b"\n")
        server.send(b"end\n")
        await seen.until(lambda: len(seen.lines) == 3)
        assert len(seen.lines[0].data) == 1 << 20
        assert isinstance(seen.lines[1], Overlong)
        assert seen.lines[2] == Line(b"end")
        await server.stop()

    go(play())


@pytest.mark.parametrize(
    ("command", "end"),
    [
        (["sh", "-c", "exit 3"], "exited with status 3"),
        (["sh", "-c", "kill -9 $$"], "died of signal 9"),
        (["true"], "exited with status 0"),
        (["sh", "-c", "exec 1>&-; sleep 5"], "closed its output"),
    ],
)
def test_an_end_is_told_once(command, end):
    async def play():
        seen = Seen()
        server = seen.server()
        await server.start(command, None, None)
        await seen.until(lambda: seen.ends)
        await asyncio.sleep(0.02)
        assert len(seen.ends) == 1
        assert seen.ends[0] in {end, "closed its output"}
        server._signal(9)
        await server.stop()

    go(play())


def test_a_last_line_without_line_feed_counts():
    async def play():
        seen = Seen()
        server = seen.server()
        await server.start(["printf", "one\\ntwo"], None, None)
        await seen.until(lambda: seen.ends)
        assert seen.lines == [Line(b"one"), Line(b"two")]
        await server.stop()

    go(play())


@pytest.mark.parametrize("command", [["/no/such/program"], ["/etc/passwd"], ["a\0b"], [""]])
def test_what_cannot_be_started_is_an_error(command):
    async def play():
        with pytest.raises(GuardError) as error:
            await Seen().server().start(command, None, None)
        assert error.value.code == "mcp.no_server"

    go(play())


def test_a_server_that_ignores_everything_is_killed(monkeypatch):
    monkeypatch.setattr("remit.guard.mcp.pipes.STOP_GRACE_S", 0.1)

    async def play():
        seen = Seen()
        server = seen.server()
        code = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "print('up', flush=True); time.sleep(60)"
        )
        await server.start([sys.executable, "-c", code], None, None)
        await seen.until(lambda: seen.lines)
        pid, start = server.pid, time.monotonic()
        await server.stop()
        assert time.monotonic() - start < 3
        await seen.until(lambda: not Path(f"/proc/{pid}").exists())

    go(play())


def test_stop_without_start_is_nothing():
    go(Seen().server().stop())


def test_a_server_that_does_not_read_has_a_backlog_and_nothing_blocks():
    async def play():
        seen = Seen()
        server = seen.server()
        await server.start(["sleep", "30"], None, None)
        start = time.monotonic()
        for _ in range(40):
            server.send(b"x" * 65536)
        assert time.monotonic() - start < 1
        assert server.backlog > 40 * 65536 - 2 * 65536
        server._signal(9)
        await server.stop()

    go(play())


# --- our own streams ----------------------------------------------------------------------------


class Ends:
    """A client over two pipes."""

    def __init__(self, limit=1 << 20):
        self.lines, self.closed = [], []
        in_read, self.type = os.pipe()
        self.read, out_write = os.pipe()
        self.source, self.sink = os.fdopen(in_read, "rb", 0), os.fdopen(out_write, "wb", 0)
        self.client = Client(limit, self.lines.append, lambda: self.closed.append(1))

    async def open(self):
        await self.client.open(self.source, self.sink)

    def close(self):
        for descriptor in (self.type, self.read):
            try:
                os.close(descriptor)
            except OSError:
                continue
        for transport in (self.client._reader, self.client._writer):
            if transport is not None:
                transport.close()


def test_lines_of_the_client_and_its_end():
    async def play():
        ends = Ends()
        await ends.open()
        os.write(ends.type, b'{"a":1}\n{"b":')
        os.write(ends.type, b"2}")
        ends.client.send(b"hello\n")
        await ends.client.drain(1)
        assert os.read(ends.read, 100) == b"hello\n"
        os.close(ends.type)
        for _ in range(200):
            if ends.closed:
                break
            await asyncio.sleep(0.005)
        assert ends.lines == [Line(b'{"a":1}'), Line(b'{"b":2}')]
        ends.close()
        await asyncio.sleep(0)

    go(play())


def test_a_client_that_stops_reading_is_noticed():
    async def play():
        ends = Ends()
        pressure = []
        ends.client.on_pressure = lambda *a, **k: pressure.append(a or tuple(k.values()))
        await ends.open()
        for _ in range(40):
            ends.client.send(b"x" * 65535 + b"\n")
        assert pressure == [(True,)]
        os.close(ends.read)
        for _ in range(200):
            if ends.closed:
                break
            await asyncio.sleep(0.005)
        assert ends.closed
        ends.client.send(b"into the void\n")
        ends.close()
        await asyncio.sleep(0)

    go(play())


def test_regular_files_are_driven_by_threads(tmp_path):
    async def play():
        (tmp_path / "in").write_bytes(b"one\ntwo\nthree")
        lines, closed = [], []
        client = Client(1000, lines.append, lambda: closed.append(1))
        with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
            await client.open(source, sink)
            client.send(b"answer\n")
            for _ in range(200):
                if closed:
                    break
                await asyncio.sleep(0.005)
            await client.drain(1)
            await asyncio.sleep(0.02)
        assert lines == [Line(b"one"), Line(b"two"), Line(b"three")]
        assert (tmp_path / "out").read_bytes() == b"answer\n"

    go(play())


def test_a_socket_is_as_good_as_pipes():
    async def play():
        ours, theirs = socket.socketpair()
        lines = []
        client = Client(1000, lines.append, lambda: None)
        with os.fdopen(os.dup(ours.fileno()), "rb", 0) as source, ours.makefile("wb", 0) as sink:
            await client.open(source, sink)
            theirs.send(b"hi\n")
            client.send(b"ho\n")
            await asyncio.sleep(0.05)
            assert lines == [Line(b"hi")]
            theirs.settimeout(2)
            assert theirs.recv(10) == b"ho\n"
            client._reader.close()
            client._writer.close()
            await asyncio.sleep(0.01)
        ours.close()
        theirs.close()

    go(play())


# --- the server's standard error ----------------------------------------------------------------


class Blocked(io.RawIOBase):
    """A standard error that nobody reads."""

    def __init__(self):
        super().__init__()
        import threading

        self.gate = threading.Event()
        self.got = b""

    def write(self, data):
        self.gate.wait(10)
        self.got += bytes(data)
        return len(data)

    def flush(self):
        return


def test_the_relay_never_blocks_and_drops():
    blocked = Blocked()
    relay = StderrRelay(blocked)
    start = time.monotonic()
    for _ in range(100):
        relay.write(b"x" * 65536)
    assert time.monotonic() - start < 1
    assert relay._held <= StderrRelay.LIMIT
    blocked.gate.set()
    asyncio.run(relay.close())
    assert 0 < len(blocked.got) <= StderrRelay.LIMIT + 65536


def test_the_relay_takes_out_control_sequences():
    open_stream = Blocked()
    open_stream.gate.set()
    relay = StderrRelay(open_stream)
    relay.write(b"ok\tfine\n\x1b[2J\x07\x00\r\x7f\n")
    asyncio.run(relay.close())
    assert open_stream.got == b"ok\tfine\n?[2J????\n"


def test_a_server_that_floods_its_standard_error_still_answers():
    blocked = Blocked()

    async def play():
        seen = Seen()
        server = seen.server()
        code = (
            "import sys\nfor line in sys.stdin:\n"
            "  sys.stderr.write('e' * 4_000_000); sys.stderr.flush(); print(line, end='', flush=True)"
        )
        await server.start([sys.executable, "-c", code], None, None, blocked)
        server.send(b"hello\n")
        await seen.until(lambda: seen.lines)
        blocked.gate.set()
        await server.stop()

    go(play())
