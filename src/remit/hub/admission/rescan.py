"""Looking again: other scanners or rules, a long time, an admission that ends.

What is admitted stays so meanwhile; if it fails now, it is withdrawn.
"""

import asyncio
import logging
from typing import Protocol

from remit.core.errors import RemitError

_log = logging.getLogger("remit.hub")
EVERY_S = 20.0
BUSY_S = 5.0


class Due(Protocol):
    """What is to be scanned again."""

    async def rescan_due(self, every_us: int) -> int:
        """Ask for scans of it, not too many at once; how many."""
        ...


class Rescan:
    """Asks for scans until it is cancelled.

    Args:
        due: what is to be scanned again.
        every_us: age of a scan at which it is done again; 0 for never.
    """

    def __init__(self, due: Due, every_us: int) -> None:
        self._due = due
        self._every_us = every_us

    async def run(self) -> None:
        """Ask now and every :data:`EVERY_S`."""
        while True:
            pause = EVERY_S
            try:
                if await self._due.rescan_due(self._every_us):
                    pause = BUSY_S
            except (RemitError, OSError) as error:
                _log.error("nothing is scanned again: %s", error)
            await asyncio.sleep(pause)
