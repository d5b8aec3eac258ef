"""Having decided again what ends, and what another policy decided.

An admission ends with what it rests on, and is decided again then; one that ends only because
summaries do is decided again some days before, so that whoever is offline has a fresh one.
"""

import asyncio
import logging
from typing import Protocol

from remit.core.digest import Digest
from remit.core.errors import RemitError

_log = logging.getLogger("remit.hub")
EVERY_S = 15.0
BATCH = 200


class Endings(Protocol):
    """What was decided and has to be again."""

    async def due(self, count: int) -> int:
        """Reopen what ends; how much that was."""
        ...

    async def outdated(self, policy: Digest, count: int) -> int:
        """Reopen what was decided under another policy; how much that was."""
        ...


class Renewal:
    """Reopens until it is cancelled.

    Args:
        endings: what was decided.
        policy: digest of the one in force here.
        every_s: how often it looks.
    """

    def __init__(self, endings: Endings, policy: Digest, *, every_s: float = EVERY_S) -> None:
        self._endings = endings
        self._policy = policy
        self._every_s = every_s

    async def run(self) -> None:
        """Once for the policy; two Hubs of different policies would go on for ever."""
        changed = True
        while True:
            try:
                while changed and await self._endings.outdated(self._policy, BATCH):
                    pass
                changed = False
                while await self._endings.due(BATCH):
                    pass
            except (RemitError, OSError) as error:
                _log.error("what ends is not decided again: %s", error)
            await asyncio.sleep(self._every_s)
