"""The :class:`~remit.hub.admission.desk.People` port over a database."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.core.ids import ulid
from remit.hub.admission.asking import Filed
from remit.hub.admission.desk import Case, Withdrawal
from remit.hub.admission.people import Decision, Suppression
from remit.hub.registry.ports import Record
from remit.hub.store import admissions, outbox, rows, words
from remit.hub.store.cases import SqlCases
from remit.hub.store.database import Database
from remit.hub.store.tables import admissions as table
from remit.hub.store.tables import manifests, repositories
from remit.scan.verdict import judge

TOLD = ("withdrawn", "refused", "review")


class SqlPeople:
    """What people say, and what was decided.

    Args:
        database, clock: of the Hub.
        cases: what was scanned.
        node: whose records go into the outbox.
        entropy: randomness of their ids.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        cases: SqlCases,
        node: str,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._cases = cases
        self._node = node
        self._entropy = entropy

    async def case(self, repository: str, digest: str) -> Case:
        """What is known of an artifact."""
        last = await self._cases.last(repository, digest)
        now = self._clock.now_us()
        found = await self._database.look(
            lambda c: admissions.find(c, repository, Digest(digest), now)
        )
        if last is None:
            return Case(admission=found)
        scanned, own = last
        summary = await self._database.look(lambda c: _summary(c, repository, digest))
        prints = {each.fingerprint for each in scanned.suppressions}
        counts = judge(scanned.reports, scanned.expected, prints).counts
        del own
        return Case(
            admission=found,
            scanned=scanned,
            counts={str(name): count for name, count in counts.items()},
            summary=summary,
        )

    def _write(self, connection: Connection, record: Record) -> str:
        now = self._clock.now_us()
        id_ = ulid(now, self._entropy(10))
        return outbox.write(connection, record, id_=id_, node=self._node, now_us=now)

    async def add_decision(
        self, repository: str, digest: str, said: Decision, found: Filed, record: Record
    ) -> str | None:
        """Keep a decision and have the artifact decided again."""

        def work(connection: Connection) -> str | None:
            row = rows.hold(connection, repository)
            if row is None or not _there(connection, row.id, digest):
                return None
            words.add_decision(connection, row.id, digest, said, found)
            words.reopen(connection, row.id, digest)
            return self._write(connection, record)

        return await self._database.change(work)

    async def filed(self, repository: str, digest: str, id_: str) -> Filed | None:
        """A decision as it was kept."""
        return await self._database.look(lambda c: words.filed(c, repository, digest, id_))

    async def add_suppression(self, said: Suppression, bundle: bytes, record: Record) -> str:
        """Keep a suppression and have everything decided again that it is about."""

        def work(connection: Connection) -> str:
            words.add_suppression(connection, said, bundle)
            words.reopen_finding(connection, said)
            return self._write(connection, record)

        return await self._database.change(work)

    async def revoke(self, said: Suppression, record: Record) -> str | None:
        """End a suppression and have everything decided again."""
        now = self._clock.now_us()

        def work(connection: Connection) -> str | None:
            if not words.revoke_suppression(connection, said.id, now):
                return None
            words.reopen_finding(connection, said)
            return self._write(connection, record)

        return await self._database.change(work)

    async def suppression(self, id_: str) -> Suppression | None:
        """One of them."""
        return await self._database.look(lambda c: words.find_suppression(c, id_))

    async def suppressions(self, after: str, count: int) -> Sequence[Suppression]:
        """All of them, from the oldest."""
        return await self._database.look(lambda c: words.listed_suppressions(c, after, count))

    async def withdrawals(self, since_us: int, count: int) -> Sequence[Withdrawal]:
        """What may not be used, changed from then on."""
        return await self._database.look(lambda c: _withdrawals(c, since_us, count))


def _there(connection: Connection, id_: int, digest: str) -> bool:
    query = select(manifests.c.digest).where(
        manifests.c.repository == id_, manifests.c.digest == digest
    )
    return connection.execute(query).first() is not None


def _summary(connection: Connection, repository: str, digest: str) -> str:
    found = connection.execute(
        select(table.c.summary)
        .join(repositories, repositories.c.id == table.c.repository)
        .where(repositories.c.name == repository, table.c.digest == digest)
    ).scalar_one_or_none()
    return found or ""


def _withdrawals(connection: Connection, since_us: int, count: int) -> list[Withdrawal]:
    found = connection.execute(
        select(table, repositories.c.name.label("called"))
        .join(repositories, repositories.c.id == table.c.repository)
        .where(table.c.changed_us >= since_us, table.c.state.in_(TOLD))
        .order_by(table.c.changed_us, table.c.repository, table.c.digest)
        .limit(count)
    )
    return [
        Withdrawal(
            repository=row.called,
            digest=row.digest,
            state=row.state,
            reason=row.reason,
            policy=row.policy,
            summary=row.summary,
            changed_us=row.changed_us,
        )
        for row in found
    ]
