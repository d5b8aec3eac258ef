"""Flow control between a client and a server that do not keep up with each other."""

import asyncio
from collections.abc import Callable
from typing import Protocol

PATIENCE_S = 5.0


class Held(Protocol):
    """Somebody who can be kept from being read."""

    def hold(self, why: str, *, full: bool) -> None:
        """Stop reading for a reason, or drop the reason."""
        ...


class Flow:
    """Who does not read makes the others wait, within reason.

    * A client that does not take its answers is not read, and neither is the server.
    * A server that is slow makes the client wait. One that reads nothing for ``PATIENCE_S`` is
      ``stalled``: the client is read again, so that it is answered with errors, can cancel, and can
      leave.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._timer: asyncio.TimerHandle | None = None
        self.stalled = False

    def connect(self, client: Held, server: Held) -> tuple[Callable[[bool], None], ...]:
        """Callbacks for the pressure on the client's and on the server's input."""

        def client_full(full: bool) -> None:  # noqa: FBT001 - a callback with one meaning
            server.hold("client", full=full)
            client.hold("client", full=full)

        def stall() -> None:
            self.stalled = True
            client.hold("server", full=False)

        def server_full(full: bool) -> None:  # noqa: FBT001 - a callback with one meaning
            if self._timer is not None:
                self._timer.cancel()
            self.stalled = False
            client.hold("server", full=full)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience_s, stall) if full else None

        return client_full, server_full
