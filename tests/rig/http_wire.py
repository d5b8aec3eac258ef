"""The driver of `wire.py` over HTTP: a line that is written is posted, what comes back is a frame."""

import json
import queue
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from remit.guard.http.heads import encoded
from tests.rig.daemon import Daemon
from tests.rig.web import Answer, HttpClient
from tests.rig.wire import Wire


class HttpWire(Wire):
    """One client over HTTP; each line goes as a request of its own, in the order of writing."""

    def __init__(self, daemon: Daemon, key: str, server: str, *, modern: bool) -> None:
        self.http = HttpClient(daemon.url, key, server, modern=modern)
        self.process = daemon.process
        self.statuses: list[int] = []
        self.frames: list[Any] = []
        self.last_line = b""
        self.garbage: list[bytes] = []
        self._unclaimed: list[Any] = []
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reading = threading.Event()
        self._stderr = bytearray()
        self._ids = 0
        self._pool = ThreadPoolExecutor(64)
        self._order = threading.Lock()

    def write(self, data: bytes) -> None:
        """Post each line; white space alone is no message."""
        for line in data.split(b"\n"):
            if line.strip():
                self._pool.submit(self._post, line)

    def _post(self, line: bytes) -> None:
        try:
            answer = self.http.send("POST", line, self._headers(line))
        except OSError as error:
            self.garbage.append(repr(error).encode())
            return
        self.statuses.append(answer.status)
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        if answer.headers.get("mcp-session-id"):
            self.http.session = answer.headers["mcp-session-id"]
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            lines = [x[6:] for x in answer.body.split(b"\n") if x.startswith(b"data: ")]
        else:
            lines = [answer.body] if answer.body else []
        for each in lines:
            self._lines.put(each)

    def _headers(self, line: bytes) -> Mapping[str, str]:
        """What a client would say of this line, as far as it can be read at all."""
        try:
            frame = json.loads(line)
            method, name = str(frame["method"]), frame.get("params", {}).get("name")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            method, name = "tools/call", "echo"
        shown = {"method": method, "params": {"name": name if isinstance(name, str) else "echo"}}
        headers = self.http.fitting(shown)
        return {k: encoded(v) if k.startswith("Mcp-") else v for k, v in headers.items()}

    def open(self, era: str, capabilities: Mapping[str, Any] | None = None) -> Any:
        """Open the era."""
        del era
        return self.http.open(capabilities)

    def close_stdin(self) -> None:
        """Say goodbye."""
        self.close()

    def close(self, deadline_s: float = 10.0) -> int:
        """End the session."""
        del deadline_s
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self.http.session:
            self.http.send("DELETE")
            self.http.session = ""
        return 0
