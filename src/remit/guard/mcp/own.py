"""Requests of Guard's own, in either direction: to list tools, to ask a person."""

import asyncio
import itertools
import os
from collections.abc import Callable
from typing import Any

from remit.guard.errors import GuardError
from remit.guard.mcp.messages import Id, Request, Response


class OwnRequests:
    """Pending requests of Guard to one peer.

    Their ids carry a random prefix, so that neither a peer's own id nor a guessed answer meets
    them.
    """

    def __init__(self, write: Callable[[Request], None]) -> None:
        self._write = write
        self._prefix = f"remit-{os.urandom(6).hex()}-"
        self._numbers = itertools.count(1)
        self._waiting: dict[Id, asyncio.Future[dict[str, Any]]] = {}

    def owns(self, number: Id) -> bool:
        """Whether an id belongs to this space; a peer may not use one for its own requests."""
        return isinstance(number, str) and number.startswith(self._prefix)

    async def ask(self, method: str, params: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Send a request and wait for its result.

        Raises:
            GuardError: an error answer, none in time, or the peer is gone.
        """
        loop = asyncio.get_running_loop()
        number = f"{self._prefix}{next(self._numbers)}"
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        self._waiting[number] = future
        timer = loop.call_later(timeout_s, _fail, future, "no answer in time", "mcp.timeout")
        try:
            self._write(Request(id=number, method=method, params=params))
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    def settle(self, message: Response) -> bool:
        """Take an answer; whether it was one to a request of Guard."""
        if message.id is None or not self.owns(message.id):
            return False
        future = self._waiting.get(message.id)
        if future is not None and not future.done():
            if message.result is not None:
                future.set_result(message.result)
            else:
                _fail(future, "the request was refused", "mcp.own_request")
        return True

    def fail(self, reason: str) -> None:
        """The peer is gone: nobody waits any longer."""
        for future in list(self._waiting.values()):
            _fail(future, reason, "mcp.server_gone")


def _fail(future: asyncio.Future[dict[str, Any]], message: str, code: str) -> None:
    if not future.done():
        future.set_exception(GuardError(message, code=code))
