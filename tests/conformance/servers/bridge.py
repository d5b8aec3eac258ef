"""The recorder over Streamable HTTP, as careless as over stdio: a body is a line of its input.

Arguments: port, then the recorder's own command. One recorder serves everybody; sessions are named
and not checked. Answers are JSON, or server-sent events if the recorder says something else first.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

PORT, COMMAND = int(sys.argv[1]), sys.argv[2:]
recorder = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
waiting: dict[str, "list[bytes]"] = {}
changed = threading.Condition()
writing = threading.Lock()


def listen() -> None:
    """Give the recorder's lines to whoever waits for them."""
    assert recorder.stdout is not None
    pending = b""
    while chunk := os.read(recorder.stdout.fileno(), 1 << 16):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            take(line)


def take(line: bytes) -> None:
    """Keep one line for its request; what belongs to nobody goes to everybody."""
    try:
        frame: Any = json.loads(line)
    except ValueError:
        frame = None
    with changed:
        key = (
            json.dumps(frame.get("id")) if isinstance(frame, dict) and "method" not in frame else ""
        )
        for name, lines in waiting.items():
            if name == key or key not in waiting:
                lines.append(line)
        changed.notify_all()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """There is no stream of server messages."""
        self._send(405, b"")

    do_DELETE = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Pass the body on; wait for the answer if it is a request."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            frame = json.loads(body)
        except ValueError:
            frame = None
        asks = isinstance(frame, dict) and "method" in frame and "id" in frame
        key = json.dumps(frame["id"]) if asks else ""
        lines: list[bytes] = []
        if asks:
            with changed:
                waiting[key] = lines
        assert recorder.stdin is not None
        with writing:
            recorder.stdin.write(body + b"\n")
        if not asks:
            self._send(202, b"")
            return
        with changed:
            changed.wait_for(lambda: any(is_answer(line, key) for line in lines), 20)
            waiting.pop(key, None)
        if len(lines) == 1:
            self._send(200, lines[0], "application/json")
        else:
            events = b"".join(b"event: message\ndata: " + line + b"\n\n" for line in lines)
            self._send(200, events, "text/event-stream")

    def _send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("mcp-session-id", "recorder")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def is_answer(line: bytes, key: str) -> bool:
    """Whether a line answers the request of that id."""
    try:
        frame = json.loads(line)
    except ValueError:
        return False
    return isinstance(frame, dict) and "method" not in frame and json.dumps(frame.get("id")) == key


if __name__ == "__main__":
    threading.Thread(target=listen, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: (recorder.kill(), os._exit(0)))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True
    try:
        server.serve_forever()
    finally:
        recorder.kill()
