"""The :class:`~remit.hub.ledger.Outbox` port over a database."""

from collections.abc import Sequence

from remit.core.clock import Clock
from remit.hub.registry.ports import Record
from remit.hub.store import outbox
from remit.hub.store.database import Database

LEFT_US = 60_000_000
"""A record that waits for so long was left by a process that is gone."""


class SqlOutbox:
    """Where records wait for the log of a Hub."""

    def __init__(self, database: Database, clock: Clock, node: str) -> None:
        self._database = database
        self._clock = clock
        self._node = node

    async def waiting(self, *, mine: bool) -> Sequence[tuple[str, Record]]:
        """Records that nobody else is about to log."""
        before = self._clock.now_us() - LEFT_US
        node = self._node if mine else ""
        found = await self._database.change(
            lambda connection: outbox.waiting(connection, node=node, before_us=before)
        )
        return [(each.id, Record(kind=each.kind, body=each.body)) for each in found]

    async def forget(self, ids: Sequence[str]) -> None:
        """They are in a log."""
        await self._database.change(lambda connection: outbox.forget(connection, ids))
