"""A loop over what is left to do: what cannot be done now is tried again later, and waits alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.ledger import LogUnavailableError

_log = logging.getLogger("remit.hub")
_T = TypeVar("_T")
BATCH = 20
TROUBLE_S = 5.0
LATER_US = 10_000_000


class OneByOne(Generic[_T]):
    """Does what there is until it is cancelled.

    Args:
        what: is not done in times of trouble, for the operator: ``scans are not decided on``.
        left: the oldest of what is left to do, at most so many.
        called: tells one from another.
        do: does one.
        clock: when to try again.
        poll_s: how often to look when nothing is left.
    """

    def __init__(
        self,
        what: str,
        left: Callable[[int], Awaitable[Sequence[_T]]],
        called: Callable[[_T], str],
        do: Callable[[_T], Awaitable[None]],
        clock: Clock,
        poll_s: float,
    ) -> None:
        self._what = what
        self._left = left
        self._called = called
        self._do = do
        self._clock = clock
        self._poll_s = poll_s
        self._later: dict[str, int] = {}

    async def run(self) -> None:
        """Do whatever there is, whenever there is something."""
        while True:
            pause = self._poll_s
            try:
                while await self.once():
                    pass
            except (RemitError, OSError) as error:
                # The database or the log cannot be used. What is left waits.
                _log.error("%s: %s", self._what, error)
                pause = TROUBLE_S
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """Do some; how many there were.

        Raises:
            RemitError, OSError: the database or the log cannot be used.
        """
        now = self._clock.now_us()
        self._later = {name: until for name, until in self._later.items() if until > now}
        found = await self._left(BATCH + len(self._later))
        ready = [each for each in found if self._called(each) not in self._later]
        for each in ready:
            await self._tried(each)
        return len(ready)

    async def _tried(self, one: _T) -> None:
        try:
            await self._do(one)
        except LogUnavailableError:
            raise
        except (RemitError, OSError) as error:
            _log.error("%s, `%s`: %s", self._what, self._called(one), error)
            self._later[self._called(one)] = self._clock.now_us() + LATER_US
