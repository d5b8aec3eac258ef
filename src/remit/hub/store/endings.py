"""The :class:`~remit.hub.admission.renewal.Endings` port over a database."""

from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.hub.store import words
from remit.hub.store.database import Database


class SqlEndings:
    """What was decided and has to be again.

    Args:
        database, clock: of the Hub.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def due(self, count: int) -> int:
        """Reopen what ends."""
        now = self._clock.now_us()
        found = await self._database.look(lambda c: words.due(c, now, count))
        if not found:
            return 0
        return await self._database.change(lambda c: words.reopen_all(c, found))

    async def outdated(self, policy: Digest, count: int) -> int:
        """Reopen what was decided under another policy."""
        found = await self._database.look(lambda c: words.outdated(c, policy, count))
        if not found:
            return 0
        return await self._database.change(lambda c: words.reopen_all(c, found))
