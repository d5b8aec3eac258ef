"""A TCP proxy that can be shut: the network between a Hub and what it stands on."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

OPEN, SHUT, SILENT = "open", "shut", "silent"


class Gate:
    """Forwards to `port` of this machine while it is open.

    When it is shut, connections are reset; when it is silent, they are kept and nothing passes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._passes = threading.Event()
        self._passes.set()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._state = OPEN
        self._ended = False
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self.turn(SHUT)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def turn(self, state: str) -> None:
        """Be `OPEN`, `SHUT` or `SILENT` from now on."""
        self._state = state
        if state == SILENT:
            self._passes.clear()
            return
        self._passes.set()
        if state == SHUT:
            with self._lock:
                found, self._open = self._open, set()
            for each in found:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._state == SHUT:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()
