"""A raw JSON-RPC driver over stdio: exact bytes in, lines out, and a deadline on everything."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
DEADLINE_S = float(os.environ.get("REMIT_DEADLINE_S", "15"))
_STDERR_KEPT = 256 * 1024


class SilenceError(AssertionError):
    """Nothing came within the deadline: what a client sees as a hang."""


class EndedError(AssertionError):
    """The program closed its output."""


class Wire:
    """One child process that speaks newline-delimited JSON on its standard streams."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            bufsize=0,
            start_new_session=True,
        )
        self.frames: list[Any] = []
        """Every parsed frame the program ever wrote, in order."""
        self.last_line = b""
        """The line of the last parsed frame, as it came."""
        self.garbage: list[bytes] = []
        """Lines that are not JSON: a governed program must never write one."""
        self._unclaimed: list[Any] = []
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._stderr = bytearray()
        self._ids = 0
        self._reading = threading.Event()
        self._reading.set()
        self._threads = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        pending = bytearray()
        fd = self.process.stdout.fileno()
        while chunk := os.read(fd, 1 << 20):
            self._reading.wait()
            pending += chunk
            if b"\n" in chunk:
                *lines, rest = bytes(pending).split(b"\n")
                pending = bytearray(rest)
                for line in lines:
                    self._lines.put(line)
        if pending:
            self._lines.put(bytes(pending))
        self._lines.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 1 << 16):
            self._stderr += chunk
            if len(self._stderr) > _STDERR_KEPT:
                del self._stderr[:-_STDERR_KEPT]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Read nothing more than what is being read just now."""
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    @property
    def stderr(self) -> str:
        """The end of what the program wrote to stderr."""
        return self._stderr.decode(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def write(self, data: bytes) -> None:
        """Write exact bytes, all of them."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self.process.stdin.fileno(), view) :]

    def send(self, message: object) -> None:
        """Write one message as one line."""
        self.write(json.dumps(message).encode() + b"\n")

    def next_frame(self, deadline_s: float = DEADLINE_S) -> Any:
        """Return the next frame, claimed by nobody. Raises SilenceError or EndedError."""
        if self._unclaimed:
            return self._unclaimed.pop(0)
        return self._pull(time.monotonic() + deadline_s)

    def _pull(self, until: float) -> Any:
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise SilenceError(f"no frame in time; stderr: {self.stderr[-2000:]}") from None
            if line is None:
                self._lines.put(None)
                raise EndedError(f"the program ended; stderr: {self.stderr[-2000:]}")
            try:
                frame = json.loads(line)
            except ValueError:
                self.garbage.append(line)
                continue
            self.frames.append(frame)
            self.last_line = line
            return frame

    def wait_for(self, matches: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Return the first frame that `matches(frame)`; the others stay for later."""
        for index, frame in enumerate(self._unclaimed):
            if matches(frame):
                return self._unclaimed.pop(index)
        until = time.monotonic() + deadline_s
        while True:
            frame = self._pull(until)
            if matches(frame):
                return frame
            self._unclaimed.append(frame)

    def response(self, request_id: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Return the response to `request_id` (type and value must agree: 1 is not "1" or true)."""

        def matches(frame: Any) -> bool:
            return (
                isinstance(frame, dict)
                and "method" not in frame
                and "id" in frame
                and type(frame["id"]) is type(request_id)
                and frame["id"] == request_id
            )

        return self.wait_for(matches, deadline_s)

    def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        modern: bool = False,
    ) -> Any:
        """Send a request under a fresh id and return its response."""
        request_id = self.fresh_id()
        self.send(call_frame(method, params, request_id, modern=modern))
        return self.response(request_id, deadline_s)

    def drain(self) -> None:
        """Forget what came and nobody asked for."""
        self._unclaimed.clear()
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return
            if line is None:
                self._lines.put(None)
                return

    def fresh_id(self) -> int:
        """Return an id that this driver has not used."""
        self._ids += 1
        return 100_000 + self._ids

    def open(self, era: str, capabilities: Mapping[str, Any] | None = None) -> Any:
        """Do the opening of an era; returns the result of initialize or server/discover."""
        if era == MODERN:
            answer = self.request("server/discover", {}, modern=True, deadline_s=30)
        else:
            answer = self.request(
                "initialize",
                {
                    "protocolVersion": LEGACY,
                    "capabilities": dict(capabilities or {}),
                    "clientInfo": {"name": "rig", "version": "1"},
                },
                deadline_s=30,
            )
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert "result" in answer, answer
        return answer["result"]

    def close_stdin(self) -> None:
        """Close the program's input: how a client says goodbye."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self, deadline_s: float = 10.0) -> int:
        """Close the input, wait, kill if needed; return the exit code."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def modern_meta() -> dict[str, Any]:
    """Return the `_meta` that every modern request must carry."""
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        "io.modelcontextprotocol/clientInfo": {"name": "rig", "version": "1"},
    }


def call_frame(
    method: str, params: Mapping[str, Any] | None, request_id: Any, *, modern: bool
) -> dict[str, Any]:
    """Return a request frame of either era."""
    frame: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if modern:
        frame["params"] = {
            **(params or {}),
            "_meta": {**modern_meta(), **(params or {}).get("_meta", {})},
        }
    elif params is not None:
        frame["params"] = dict(params)
    return frame
