"""A TCP proxy that breaks connections: the network of somebody who pushes from a train."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

PIECE = 256 * 1024


class Cut:
    """Forwards to `target` until `after` bytes came from clients, then resets that connection.

    Args:
        target: ``HOST:PORT``.
        after: bytes of all clients together, headers included; each cut happens once, in order.
        change: what is made of the bytes that clients send; as they are by default.
    """

    def __init__(
        self, target: str, after: list[int], change: Callable[[bytes], bytes] = lambda data: data
    ) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._after = sorted(after, reverse=True)
        self._change = change
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self.sent = 0
        self.cuts = 0
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A listener that is only closed leaves the thread in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            open_now = list(self._open)
        for each in open_now:
            _reset(each)
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
            for source, sink, counts in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._forward, args=(source, sink, counts), daemon=True
                ).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        try:
            while data := source.recv(PIECE):
                sink.sendall(self._change(data) if counts else data)
                if counts and self._reached(len(data)):
                    _reset(source)
                    _reset(sink)
                    return
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source)
            _reset(sink)

    def _reached(self, size: int) -> bool:
        with self._lock:
            self.sent += size
            if self._after and self.sent >= self._after[-1]:
                self._after.pop()
                self.cuts += 1
                return True
            return False


def _reset(connection: socket.socket) -> None:
    """Close with RST, as a middlebox or a killed process does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
