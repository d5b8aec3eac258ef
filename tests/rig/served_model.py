"""A server with an interface as OpenAI's whose model is a script: only what it says is made up.

``obeys`` repeats what it was told, with whatever was smuggled into it; ``refuses`` declines. The rest
of the names are servers that are broken.
"""

import base64
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

Manner = Literal["obeys", "refuses", "half", "fails", "empty", "hangs", "floods", "gone"]
_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}={0,2}")
REFUSAL = "I'm sorry, but I can't help with that."


class Served:
    """One that is running.

    Attributes:
        url: up to ``/v1/``.
        asked: bodies of the requests.
        keys: what came as a bearer's token.
    """

    def __init__(self, manner: Manner, pause: float) -> None:
        self.url = ""
        self.asked: list[Mapping[str, Any]] = []
        self.keys: set[str] = set()
        self.manner = manner
        self.pause = pause
        self._lock = threading.Lock()

    def take(self, body: Mapping[str, Any], key: str) -> int:
        """Note a request; its number."""
        with self._lock:
            self.asked.append(body)
            self.keys.add(key)
            return len(self.asked)


def answer(manner: Manner, number: int, told: str) -> str:
    """What the model says."""
    if manner == "refuses" or (manner == "half" and number % 2):
        return REFUSAL
    return "" if manner == "empty" else told + "".join(_decoded(told))


def _decoded(told: str) -> Iterator[str]:
    """What is hidden in it: a model that obeys reads that, too."""
    for word in _BASE64.findall(told):
        with suppress(ValueError):
            yield "\n" + base64.b64decode(word, validate=True).decode()


@contextmanager
def serve(manner: Manner, pause: float = 0.0) -> Iterator[Served]:
    """A model on a port of this machine.

    Args:
        manner: what it says, or how it is broken.
        pause: seconds before each answer.
    """
    served = Served(manner, pause)
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = served.take(body, self.headers.get("Authorization", ""))
            if served.manner == "gone":
                self.close_connection = True
                return
            if served.manner == "fails":
                self._say(500, {"error": {"message": "no", "type": "server_error"}})
                return
            if served.manner == "hangs":
                stop.wait(120)
                return
            if served.manner == "floods":
                self._flood()
                return
            time.sleep(served.pause)
            told = "\n".join(str(each.get("content", "")) for each in body.get("messages", ()))
            self._say(200, _completion(body, answer(served.manner, number, told)))

        def _flood(self) -> None:
            """An answer without an end."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.close_connection = True
            with suppress(OSError):
                self.wfile.write(b'{"choices": [{"message": {"content": "')
                while not stop.is_set():
                    self.wfile.write(b"a" * 1_000_000)

        def _say(self, status: int, value: Mapping[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(OSError):  # who asked may be gone
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/v1/"
        try:
            yield served
        finally:
            stop.set()
            server.shutdown()
            thread.join()


def _completion(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", ""),
        "choices": [
            {"index": each, "message": message, "finish_reason": "stop"}
            for each in range(int(body.get("n") or 1))
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
