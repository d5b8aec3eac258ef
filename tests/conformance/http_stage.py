"""A Guard with an HTTP listener over the recorder, and clients that send exact bytes to it."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.rig.daemon import Daemon, recorder_daemon, wait_until
from tests.rig.web import Answer, HttpClient
from tests.rig.wire import DEADLINE_S, LEGACY, MODERN

ERAS = [LEGACY, MODERN]


class Events:
    """A response that is read event by event, and can be cut off."""

    def __init__(self, client: HttpClient, method: str, body: bytes | None, headers: Any) -> None:
        self._connection = http.client.HTTPConnection(*client._address, timeout=DEADLINE_S)
        self._connection.request(method, client.path, body, dict(headers))
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}
        self.last_id = ""

    def next(self) -> Any:
        """Return the frame of the next event, `None` at the end; comments are skipped."""
        data = b""
        while line := self._response.readline():
            name, _, value = line.rstrip(b"\n").partition(b": ")
            if name == b"data":
                data = value
            elif name == b"id":
                self.last_id = value.decode()
            elif line == b"\n" and data:
                return json.loads(data)
        return None

    def rest(self) -> list[Any]:
        """Return all frames until the end."""
        return list(iter(self.next, None))

    def whole(self) -> Any:
        """Return the body as one JSON value."""
        return json.loads(self._response.read())

    def close(self) -> None:
        """Cut the connection."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stage:
    """The recorder behind Guard's listener, and two callers."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.daemon: Daemon = recorder_daemon(directory, http="127.0.0.1:0", **more)
        # Guard answers on its socket a moment before it listens here.
        self.url: str = wait_until(lambda: self.daemon.url, "there is no listener")
        host, _, port = self.url.removeprefix("http://").partition(":")
        self.address = (host, int(port))
        self.log = directory / "server.log"
        self.keys = {
            "ann": self.daemon.key("tester", "ann"),
            "eve": self.daemon.key("tester", "eve"),
        }
        self._marks = 0

    def client(self, era: str, who: str = "ann", capabilities: Any = None) -> HttpClient:
        """Return an open client."""
        client = HttpClient(self.url, self.keys[who], modern=era == MODERN)
        client.open(capabilities)
        return client

    def mark(self) -> str:
        """Return a text that occurs nowhere else."""
        self._marks += 1
        return f"MARK-{self._marks:05d}-{time.monotonic_ns()}"

    def entries(self) -> list[dict[str, Any]]:
        """Return what the server wrote down."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def reached(self, mark: str) -> bool:
        """Whether `mark` reached the server in any frame."""
        return self.log.exists() and mark in self.log.read_text()

    def frames(self, mark: str) -> list[Any]:
        """Return the frames with `mark` as the server got them."""
        return [json.loads(e["frame"]) for e in self.entries() if mark in e.get("frame", "")]

    def works(self, client: HttpClient) -> None:
        """Assert that a permitted call goes through."""
        mark = self.mark()
        answer = client.call("echo", message=mark)
        assert answer.status == 200, answer.body
        assert mark in answer.frame["result"]["content"][0]["text"]

    def begin(self, client: HttpClient, frame: Mapping[str, Any], **headers: str) -> Events:
        """Send a request and return its response unread."""
        return Events(
            client, "POST", json.dumps(frame).encode(), {**client.fitting(frame), **headers}
        )

    def listen(self, client: HttpClient, **headers: str) -> Events:
        """Open the stream of what the server says by itself."""
        usual = client.headers(Accept="text/event-stream", Content_Type=None)
        return Events(client, "GET", None, {**usual, **headers})

    def post(self, client: HttpClient, frame: Mapping[str, Any], **headers: str | None) -> Answer:
        """Send a frame with some headers changed; underscores are hyphens, `None` takes one out."""
        usual: dict[str, str | None] = {**client.fitting(frame)}
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in usual.items() if value is not None}
        return client.send("POST", json.dumps(frame).encode(), given)

    def echo(self, client: HttpClient, mark: str) -> dict[str, Any]:
        """Return a call that everybody may make."""
        return dict(client.frame("tools/call", {"name": "echo", "arguments": {"message": mark}}))

    def raw(self, data: bytes, deadline_s: float = 10.0) -> bytes:
        """Send exact bytes and return all that comes back until the other side closes."""
        with socket.create_connection(self.address, deadline_s) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            return read_all(connection)

    def head(self, client: HttpClient, frame: Mapping[str, Any], *extra: str, **drop: Any) -> bytes:
        """Return the head of a raw request of that frame, without its end, but for `drop`."""
        headers = {"Host": f"{self.address[0]}:{self.address[1]}", **client.fitting(frame)}
        kept = [f"{name}: {value}" for name, value in headers.items() if name not in drop]
        lines = [f"POST {client.path} HTTP/1.1", *kept, *extra]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n"


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends or resets."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            data += piece
    return data


def inject(*frames: Mapping[str, Any]) -> str:
    """Return what makes the tool `raw` write these frames after its answer.

    Every frame must end with an object in an object, as the tool closes two.
    """
    lines = ["{}}}", *(json.dumps(frame) for frame in frames)]
    text = "\n".join(lines)
    assert text.endswith("}}")
    return text[:-2]
