"""The :class:`~remit.hub.admission.sweep.Unknown` port over a database."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.ids import ulid
from remit.hub.registry.ports import Placed, Stored
from remit.hub.store import admissions, manifests, rows
from remit.hub.store.database import Database
from remit.hub.store.tables import manifests as stored
from remit.hub.store.tables import tags

REASON = "sweep"


class SqlUnknown:
    """Manifests without a row of the gate.

    Args:
        database, clock: of the Hub.
        entropy: randomness of ids.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def without_row(
        self, last: tuple[int, str], count: int
    ) -> Sequence[tuple[int, str, str]]:
        """Some after ``last``."""
        return await self._database.look(lambda c: admissions.without_row(c, last, count))

    async def stored(
        self, repository: str, digest: Digest
    ) -> tuple[Stored, tuple[str, ...]] | None:
        """A manifest and its tags."""

        def work(connection: Connection) -> tuple[Stored, tuple[str, ...]] | None:
            found = manifests.find(connection, repository, digest)
            if found is None:
                return None
            id_ = rows.repository_id(connection, repository)
            named = connection.scalars(
                select(tags.c.name).where(tags.c.repository == id_, tags.c.digest == digest)
            )
            return found, tuple(named)

        return await self._database.look(work)

    async def enter(self, placed: Placed) -> None:
        """Put it behind the gate and ask for its scan."""
        now = self._clock.now_us()
        job = ulid(now, self._entropy(10))

        def work(connection: Connection) -> None:
            id_ = self._there(connection, placed.repository, placed.digest)
            if id_ is not None:
                admissions.enter(connection, id_, placed, job=job, reason=REASON, now_us=now)

        await self._database.change(work)

    async def refuse(self, repository: str, digest: Digest, why: str) -> None:
        """Put behind the gate what cannot be scanned."""
        now = self._clock.now_us()

        def work(connection: Connection) -> None:
            id_ = self._there(connection, repository, digest)
            if id_ is not None:
                admissions.admit_as(
                    connection,
                    id_,
                    digest,
                    ("refused", why),
                    job="",
                    reason=REASON,
                    now_us=now,
                )

        await self._database.change(work)

    @staticmethod
    def _there(connection: Connection, repository: str, digest: str) -> int | None:
        """The repository's id, locked, if the manifest is still in it."""
        row = rows.hold(connection, repository)
        if row is None:
            return None
        found = connection.execute(
            select(stored.c.digest).where(stored.c.repository == row.id, stored.c.digest == digest)
        ).first()
        return int(row.id) if found is not None else None
