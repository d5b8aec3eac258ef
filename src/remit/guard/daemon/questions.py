"""Confirmations that wait for a person at Guard's own command line."""

import asyncio
import secrets
from typing import Any

import msgspec

from remit.core.clock import Clock

MAX_OPEN = 256


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One open question.

    Attributes:
        id: how the command line names it.
        text: what the person is shown: complete, or visibly cut.
        asked_us: wall time of the question.
        expires_us: wall time at which silence has become a no.
    """

    id: str
    text: str
    asked_us: int
    expires_us: int


class Questions:
    """Open questions of all sessions. Belongs to the event loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, tuple[Question, asyncio.Future[bool]]] = {}

    async def ask(self, text: str, timeout_s: float) -> bool:
        """Wait for an explicit yes; silence, and too many questions at once, are a no."""
        if len(self._open) >= MAX_OPEN:
            return False
        now = self._clock.now_us()
        name = secrets.token_hex(4)
        expires = now + int(timeout_s * 1e6)
        question = Question(id=name, text=text, asked_us=now, expires_us=expires)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[name] = (question, future)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._open.pop(name, None)

    def is_open(self, name: str) -> bool:
        """Whether a question waits for its answer."""
        _, future = self._open.get(name, (None, None))
        return future is not None and not future.done()

    def answer(self, name: str, *, yes: bool) -> bool:
        """Settle a question; whether it was open."""
        if not self.is_open(name):
            return False
        self._open[name][1].set_result(yes)
        return True

    def listing(self) -> list[dict[str, Any]]:
        """The open questions, oldest first."""
        return [msgspec.structs.asdict(question) for question, _ in self._open.values()]
