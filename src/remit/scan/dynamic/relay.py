"""The one way out of the sandbox of a program that asks a model: a socket that leads to its server.

The sandbox has a network of its own with nothing on it. Connections to the socket are passed on to
one host and port, chosen before the program starts; nothing that comes through chooses another.
Bytes are passed as they are, so TLS is between the program and the server.
"""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_AT_A_TIME = 64
CONNECT_S = 10.0
_PIECE = 65_536


class Relay:
    """Listens while the block runs.

    Args:
        place: of the socket, which is made; at most about 100 bytes.
        host, port: where all that comes is passed on to.
    """

    def __init__(self, place: Path, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(place))
        self._listener.listen(MAX_AT_A_TIME)
        self._room = threading.BoundedSemaphore(MAX_AT_A_TIME)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()  # guarded by the lock, as is what follows
        self._ended = False
        self.reached = False
        """Whether the server was ever reached."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended = True
            found = list(self._open)
        for each in (self._listener, *found):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            if not self._room.acquire(blocking=False):
                inner.close()
                continue
            threading.Thread(target=self._pass_on, args=(inner,), daemon=True).start()

    def _pass_on(self, inner: socket.socket) -> None:
        try:
            with inner, socket.create_connection(self._target, CONNECT_S) as outer:
                outer.settimeout(None)
                self.reached = True
                if self._hold(inner, outer):
                    back = threading.Thread(target=pump, args=(outer, inner), daemon=True)
                    back.start()
                    pump(inner, outer)
                    back.join()
                with self._lock:
                    self._open -= {inner, outer}
        except OSError:
            pass  # the program sees a connection that ends
        finally:
            self._room.release()

    def _hold(self, *both: socket.socket) -> bool:
        with self._lock:
            if not self._ended:
                self._open.update(both)
            return not self._ended


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until there are no more, and then say so."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
