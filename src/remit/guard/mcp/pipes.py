"""Both ends of the stdio transport: our own standard streams and the server's process.

Ownership: everything here runs in the event loop's thread, except the relay of the server's
standard error, which has a thread of its own so that a client that does not read it can stop
neither Guard nor the server.
"""

import asyncio
import codecs
import collections
import contextlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, ClassVar

from remit.guard.errors import GuardError
from remit.guard.mcp.framing import Line, LineBuffer, Overlong

OnLine = Callable[[Line | Overlong], None]

HIGH_WATER_BYTES = 1 << 20
STOP_GRACE_S = 2.0
EXIT_STATUS_S = 0.1
RELAY_S = 0.5


class Client(asyncio.Protocol):
    """Our standard input and output: the client that started us."""

    def __init__(self, limit: int, on_line: OnLine, on_close: Callable[[], None]) -> None:
        self._lines = LineBuffer(limit)
        self._on_line = on_line
        self._on_close = on_close
        self._reader: asyncio.ReadTransport | None = None
        self._writer: asyncio.WriteTransport | None = None
        self._outbox: collections.deque[bytes] | None = None
        self._wake = threading.Event()
        self._closed = False
        self._holds: set[str] = set()
        self.on_pressure: Callable[[bool], None] = lambda _full: None

    async def open(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Start reading ``source`` and make ``sink`` writable.

        Pipes, sockets and terminals are driven by the loop; anything else (a regular file, any
        stream on Windows) by a thread.
        """
        loop = asyncio.get_running_loop()
        try:
            made = _Sink(self.connection_lost, self._pressed)
            writer, _ = await loop.connect_write_pipe(lambda: made, sink)
            self._writer = writer
            self._writer.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        except (ValueError, NotImplementedError, OSError):
            self._outbox = collections.deque()
            threading.Thread(target=self._pump_out, args=(sink,), daemon=True).start()
        try:
            if _pollable(source):
                self._reader, _ = await loop.connect_read_pipe(lambda: self, source)
        except (ValueError, NotImplementedError, OSError):
            self._reader = None
        if self._reader is None:
            threading.Thread(target=self._pump_in, args=(source, loop), daemon=True).start()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        for line in self._lines.feed(data):
            self._on_line(line)

    def eof_received(self) -> bool:
        """The client closed its side; what it left without a line feed is still a message."""
        line = self._lines.close()
        if line is not None:
            self._on_line(line)
        self._on_close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self._on_close()

    def _pressed(self, full: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        self.on_pressure(full)

    def send(self, data: bytes) -> None:
        """Write to the client; never blocks."""
        if self._writer is not None:
            if not self._writer.is_closing():
                self._writer.write(data)
        elif self._outbox is not None:
            self._outbox.append(data)
            self._wake.set()

    def hold(self, why: str, *, full: bool) -> None:
        """Stop reading for a reason, or drop the reason; it is read when none is left."""
        (self._holds.add if full else self._holds.discard)(why)
        _pause(self._reader, paused=bool(self._holds))

    def close(self) -> None:
        """Close both streams; what was not sent by now is lost."""
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            self._writer.abort()
        self._closed = True
        self._wake.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until what was sent has left, at most ``timeout_s``."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            if self._writer is not None:
                if self._writer.is_closing() or not self._writer.get_write_buffer_size():
                    return
            elif not self._outbox:
                return
            await asyncio.sleep(0.005)

    def _pump_in(self, source: BinaryIO, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError, OSError, ValueError):
            while data := os.read(source.fileno(), 1 << 16):
                loop.call_soon_threadsafe(self.data_received, data)
            loop.call_soon_threadsafe(self.eof_received)

    def _pump_out(self, sink: BinaryIO) -> None:
        outbox = self._outbox
        assert outbox is not None
        with contextlib.suppress(OSError, ValueError):
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._closed:
                    return
                while outbox:
                    sink.write(outbox[0])
                    sink.flush()
                    outbox.popleft()


class _Sink(asyncio.BaseProtocol):
    """The end of a pipe that we write to."""

    def __init__(
        self, on_lost: Callable[[Exception | None], None], on_pressure: Callable[[bool], None]
    ) -> None:
        self._on_lost = on_lost
        self._on_pressure = on_pressure

    def pause_writing(self) -> None:
        self._on_pressure(True)

    def resume_writing(self) -> None:
        self._on_pressure(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(exc)


class _Output(asyncio.Protocol):
    """The server's standard output."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def data_received(self, data: bytes) -> None:
        self._server.output(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.output_ended()


class Server(asyncio.SubprocessProtocol):
    """The governed server's process.

    It is started in a session of its own, so that a terminal's interrupt reaches Guard, which
    stops it in order. Its input and output are pipes of our own: asyncio's for a process take a
    turn of the loop more for everything that is read.
    """

    def __init__(self, limit: int, on_line: OnLine, on_exit: Callable[[str], None]) -> None:
        self._lines = LineBuffer(limit)
        self._on_line = on_line
        self._on_exit = on_exit
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._relay = StderrRelay(None)
        self._exited = asyncio.Event()
        self._status = ""
        self._told = False
        self._holds: set[str] = set()
        self.on_pressure: Callable[[bool], None] = lambda _full: None

    async def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        cwd: str | None,
        errors: BinaryIO | None = None,
    ) -> None:
        """Start the process; its standard error goes to ``errors``, or nowhere.

        Raises:
            GuardError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        self._relay = StderrRelay(errors)
        theirs_in, stdin = os.pipe()
        stdout, theirs_out = os.pipe()
        ours = os.fdopen(stdin, "wb", 0), os.fdopen(stdout, "rb", 0)
        try:
            self._transport, _ = await loop.subprocess_exec(
                lambda: self,
                *command,
                stdin=theirs_in,
                stdout=theirs_out,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            for pipe in ours:
                pipe.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise GuardError(
                f"the server `{command[0]}` cannot be started: {reason}",
                code="mcp.no_server",
                hint="check the command after `--`, or `command` of the server in remit.toml",
            ) from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        sink = _Sink(lambda _: None, self._pressed)
        self._stdin, _ = await loop.connect_write_pipe(lambda: sink, ours[0])
        self._stdin.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._stdout, _ = await loop.connect_read_pipe(lambda: _Output(self), ours[1])

    def _pressed(self, full: bool) -> None:  # noqa: FBT001 - a callback with one meaning
        self.on_pressure(full)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._transport.get_pid() if self._transport else 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """Bytes of the server's standard error, the one stream that asyncio reads for us."""
        del fd
        assert isinstance(data, bytes)
        self._relay.write(data)

    def output(self, data: bytes) -> None:
        """Bytes of the server's standard output."""
        for line in self._lines.feed(data):
            self._on_line(line)

    def output_ended(self) -> None:
        """Without its output there is no server."""
        line = self._lines.close()
        if line is not None:
            self._on_line(line)
        if self._status:
            self._tell(self._status)
        else:
            # If it ends as well, its status says more.
            asyncio.get_running_loop().call_later(EXIT_STATUS_S, self._tell, "closed its output")

    def process_exited(self) -> None:
        """The process ended."""
        code = self._transport.get_returncode() if self._transport else None
        self._exited.set()
        self._status = (
            f"exited with status {code}" if (code or 0) >= 0 else f"died of signal {-(code or 0)}"
        )
        # What it wrote last is still to be read; a child of its own may keep the pipe open.
        asyncio.get_running_loop().call_later(EXIT_STATUS_S, self._tell, self._status)

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            asyncio.get_running_loop().call_soon(self._on_exit, reason)

    def send(self, data: bytes) -> None:
        """Write to the server; never blocks."""
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)

    @property
    def backlog(self) -> int:
        """Bytes that wait for the server to read them."""
        return self._stdin.get_write_buffer_size() if self._stdin is not None else 0

    def hold(self, why: str, *, full: bool) -> None:
        """Stop reading for a reason, or drop the reason; it is read when none is left."""
        (self._holds.add if full else self._holds.discard)(why)
        _pause(self._stdout, paused=bool(self._holds))

    async def stop(self, *, at_once: bool = False) -> None:
        """Close its input, then terminate, then kill: the order of the MCP stdio transport.

        Args:
            at_once: kill it, with all that it started.
        """
        if self._transport is None:
            return
        if self._stdin is not None and not self._stdin.is_closing():
            if self.backlog or at_once:
                # What it has not read by now it will not read any more.
                self._stdin.abort()
            else:
                self._stdin.close()
        kill = getattr(signal, "SIGKILL", signal.SIGTERM)
        for step in (kill,) if at_once else (None, signal.SIGTERM, kill):
            if step is not None:
                self._signal(step)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exited.wait(), STOP_GRACE_S)
                break
        if self._stdout is not None:
            self._stdout.close()
        self._transport.close()
        await self._relay.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.pid, number)
            elif self._transport is not None:
                self._transport.send_signal(number)


class StderrRelay:
    """Passes the server's standard error on, and drops what our own reader does not take.

    Terminal control sequences are taken out: they are the server's, and the terminal is the
    user's.
    """

    LIMIT = 1 << 20
    _CONTROLS: ClassVar = {c: "?" for c in (*range(32), *range(127, 160)) if chr(c) not in "\t\n"}

    def __init__(self, sink: BinaryIO | None) -> None:
        self._sink = sink
        self._queue: collections.deque[bytes] = collections.deque()
        self._held = 0
        self._wake = threading.Event()
        self._done = False
        self._thread: threading.Thread | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> None:
        """Take bytes of the server; never blocks."""
        if self._sink is None:
            return
        shown = self._decoder.decode(data).translate(self._CONTROLS).encode()
        if self._held + len(shown) > self.LIMIT:
            return
        self._held += len(shown)
        self._queue.append(shown)
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="remit-stderr", daemon=True)
            self._thread.start()
        self._wake.set()

    async def close(self) -> None:
        """Let the thread end when it has written what it holds; wait a moment for that."""
        self._done = True
        self._wake.set()
        deadline = time.monotonic() + RELAY_S
        while self._thread is not None and self._thread.is_alive():
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.005)

    def _pump(self) -> None:
        sink = self._sink
        assert sink is not None
        with contextlib.suppress(OSError, ValueError):
            while True:
                self._wake.wait()
                self._wake.clear()
                while self._queue:
                    data = self._queue.popleft()
                    self._held -= len(data)
                    sink.write(data)
                    sink.flush()
                if self._done:
                    return


def _pollable(stream: BinaryIO) -> bool:
    """Whether a loop can wait for it: epoll refuses devices such as /dev/null."""
    mode = os.fstat(stream.fileno()).st_mode
    return not stat.S_ISCHR(mode) or os.isatty(stream.fileno())


def _pause(transport: asyncio.ReadTransport | None, *, paused: bool) -> None:
    if transport is None or transport.is_closing():
        return
    if paused:
        transport.pause_reading()
    else:
        transport.resume_reading()
