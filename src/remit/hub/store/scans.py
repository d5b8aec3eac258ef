"""What operators do with the queue: look, ask, ask again, cancel. Each change is one record."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, exists, func, select, update

from remit.core.clock import Clock
from remit.core.ids import ulid
from remit.hub.errors import HubError
from remit.hub.jobs.values import PROBE, SCAN, Job, Questions, Seen, Status
from remit.hub.registry.ports import Record
from remit.hub.store import jobs as kept
from remit.hub.store import manifests, outbox, probes, rows, workers
from remit.hub.store.database import Database
from remit.hub.store.queue import asked_of, of_job
from remit.hub.store.tables import admissions, jobs
from remit.scan.base import Report

BATCH = 200
BUSY = 100
"""Rescans are asked for while fewer jobs wait: what is pushed must not wait for them."""
_NONE: Mapping[str, object] = {}
_SCANNED = ("admitted", "review", "refused", "withdrawn")


class SqlScans:
    """The queue, for whoever looks after it.

    Args:
        database, clock: of the Hub.
        node: whose records go into the outbox.
        entropy: randomness of ids.
    """

    def __init__(
        self, database: Database, clock: Clock, node: str, entropy: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._entropy = entropy

    # -- looking -------------------------------------------------------------------------------

    async def listed(
        self,
        states: Sequence[str] = (),
        repository: str = "",
        before: str = "",
        count: int = 50,
    ) -> list[Job]:
        """Jobs, the last made first."""
        return await self._database.look(
            lambda c: kept.listed(
                c, states=states, repository=repository, before=before, count=count
            )
        )

    async def job(self, id_: str) -> Job | None:
        """One job."""
        return await self._database.look(lambda c: kept.find(c, id_))

    async def reports(self, id_: str) -> list[Report]:
        """What was found by a job that is done."""
        return await self._database.look(lambda c: of_job(c, id_))

    async def status(self) -> Status:
        """How much there is of everything."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: _status(c, now))

    # -- changing ------------------------------------------------------------------------------

    async def again(self, id_: str, by: str) -> tuple[str, str, Record] | None:
        """Do a job again: id of the new one, and the record to settle.

        Raises:
            HubError: one is open already.
        """
        job = await self.job(id_)
        if job is None:
            return None
        if job.kind != PROBE:
            return await self.rescan(job.repository, job.digest, by)
        asked = await self._database.look(lambda c: probes.questions(c, id_))
        if not asked.probes:
            raise HubError(f"it is not known what the job `{id_}` asked", code="hub.scan_none")
        return await self.probe(job.repository, job.digest, asked, by)

    async def probe(
        self, repository: str, name: str, asked: Questions, by: str
    ) -> tuple[str, str, Record] | None:
        """Have a served model asked, as what the artifact is: see :meth:`rescan`.

        Raises:
            HubError: it is being asked about it already, or it is nothing that is scanned.
        """
        now = self._clock.now_us()
        job = ulid(now, self._entropy(10))

        def work(connection: Connection) -> tuple[str, str, Record] | None:
            stored = manifests.find(connection, repository, name)
            row = rows.hold(connection, repository)
            if stored is None or row is None:
                return None
            _gated(connection, row.id, stored.digest)
            if not probes.add(connection, row.id, stored.digest, asked, job=job, now_us=now):
                raise HubError(
                    f"`{asked.target}` is being asked about `{stored.digest}` already",
                    code="hub.scan_open",
                    hint="`remit hub jobs list` shows it",
                )
            record = _record("scan.request", by, repository, stored.digest, job, asked_of(asked))
            return job, self._write(connection, record, now), record

        return await self._database.change(work)

    async def rescan(self, repository: str, name: str, by: str) -> tuple[str, str, Record] | None:
        """Scan an artifact again: id of the job, and the record to settle; ``None`` if it is gone.

        Raises:
            HubError: a scan of it is open already, or it needs none.
        """
        now = self._clock.now_us()
        job = ulid(now, self._entropy(10))

        def work(connection: Connection) -> tuple[str, str, Record] | None:
            stored = manifests.find(connection, repository, name)
            row = rows.hold(connection, repository)
            if stored is None or row is None:
                return None
            _gated(connection, row.id, stored.digest)
            if not kept.add(connection, row.id, stored.digest, "demand", id_=job, now_us=now):
                raise HubError(
                    f"a scan of `{stored.digest}` is open already",
                    code="hub.scan_open",
                    hint="`remit hub jobs list` shows it",
                )
            _clear(connection, row.id, stored.digest, now)
            record = _record("scan.request", by, repository, stored.digest, job)
            return job, self._write(connection, record, now), record

        return await self._database.change(work)

    async def rescan_all(self, by: str) -> tuple[int, str, Record]:
        """Scan everything again, when there is time: how many, and the record to settle."""
        total, last = 0, (0, "")
        while True:
            now = self._clock.now_us()

            def work(
                connection: Connection, last: tuple[int, str] = last, now: int = now
            ) -> tuple[int, tuple[int, str] | None]:
                page = _page(connection, last, BATCH)
                return self._ask(connection, page, "rescan", now), page[-1] if page else None

            count, end = await self._database.change(work)
            total += count
            if end is None:
                break
            last = end
        record = Record(
            kind="scan.request", body={"actor": {"user": by}, "scan": {"artifacts": total}}
        )
        id_ = await self._database.change(lambda c: self._write(c, record, self._clock.now_us()))
        return total, id_, record

    async def rescan_due(self, every_us: int) -> int:
        """Ask for scans of what no worker's scanners and rules looked at, and of what is old.

        Workers may differ while a fleet is brought up to date: what one of them scanned is not
        scanned again for another. Without a worker nothing is due.

        Args:
            every_us: age of a scan at which it is done again; 0 for never.
        """
        now = self._clock.now_us()

        def work(connection: Connection) -> int:
            in_force = [
                each.scanners.encode()
                for each in workers.alive(connection, now)
                if each.scanners and not each.lacks
            ]
            if not in_force or kept.waiting(connection) >= BUSY:
                return 0
            count = 0
            for reason, pages in _due(connection, in_force, every_us, now):
                count += self._ask(connection, pages, reason, now)
            return count

        return await self._database.change(work)

    async def cancel(self, id_: str, by: str) -> tuple[str, Record] | None:
        """End a job that waits or runs; what was pushed stays quarantined.

        Raises:
            HubError: it is over.
        """
        job = await self.job(id_)
        if job is None:
            return None
        now = self._clock.now_us()

        def work(connection: Connection) -> tuple[str, Record]:
            if not kept.cancel(connection, id_, now):
                raise HubError(f"the job `{id_}` is {job.state}", code="hub.job_over")
            if job.kind == SCAN:
                _cancelled(connection, job, by, now)
            record = _record("scan.cancel", by, job.repository, job.digest, id_)
            return self._write(connection, record, now), record

        return await self._database.change(work)

    def _ask(
        self, connection: Connection, page: Sequence[tuple[int, str]], reason: str, now: int
    ) -> int:
        count = 0
        for repository, digest in page:
            job = ulid(now, self._entropy(10))
            count += kept.add(connection, repository, digest, reason, id_=job, now_us=now)
        return count

    def _write(self, connection: Connection, record: Record, now: int) -> str:
        id_ = ulid(now, self._entropy(10))
        return outbox.write(connection, record, id_=id_, node=self._node, now_us=now)


def _cancelled(connection: Connection, job: Job, by: str, now: int) -> None:
    connection.execute(
        update(admissions)
        .where(admissions.c.digest == job.digest, admissions.c.state == "quarantined")
        .where(admissions.c.repository == rows.repository_id(connection, job.repository))
        .values(reason=f"its scan was cancelled by `{by[:100]}`", changed_us=now)
    )


def _record(
    kind: str, by: str, repository: str, digest: str, job: str, more: Mapping[str, object] = _NONE
) -> Record:
    return Record(
        kind=kind,
        body={
            "actor": {"user": by},
            "artifact": {"repository": repository, "digest": digest},
            "scan": {"job": job, **more},
        },
    )


def _gated(connection: Connection, id_: int, digest: str) -> None:
    state = connection.execute(
        select(admissions.c.state).where(
            admissions.c.repository == id_, admissions.c.digest == digest
        )
    ).scalar_one_or_none()
    if state in {"exempt", "index"}:
        what = "evidence about another artifact" if state == "exempt" else "what its members are"
        raise HubError(
            f"`{digest}` is not scanned: it is {what}",
            code="hub.scan_none",
            hint="ask for a scan of an artifact, or of a member of the index",
        )


def _clear(connection: Connection, id_: int, digest: str, now: int) -> None:
    """What failed before is no reason any more."""
    connection.execute(
        update(admissions)
        .where(admissions.c.repository == id_, admissions.c.digest == digest)
        .where(admissions.c.state == "quarantined")
        .values(reason="its scans are not done", changed_us=now)
    )


def _page(connection: Connection, last: tuple[int, str], count: int) -> list[tuple[int, str]]:
    found = connection.execute(
        select(admissions.c.repository, admissions.c.digest)
        .where(admissions.c.state.in_((*_SCANNED, "quarantined")))
        .where(
            (admissions.c.repository > last[0])
            | ((admissions.c.repository == last[0]) & (admissions.c.digest > last[1]))
        )
        .order_by(admissions.c.repository, admissions.c.digest)
        .limit(count)
    )
    return [(row.repository, row.digest) for row in found]


def _due(
    connection: Connection, in_force: list[bytes], every_us: int, now: int
) -> list[tuple[str, list[tuple[int, str]]]]:
    """Artifacts to be looked at again, by the reason: those that are given out first."""
    # By when it was scanned: it may have been decided on anew since, on the same reports.
    scan = jobs.alias()
    old = exists().where(scan.c.id == admissions.c.job, scan.c.ended_us < now - every_us)
    other = ~exists().where(scan.c.id == admissions.c.job, scan.c.detail.in_(in_force))
    open_ = exists().where(
        jobs.c.kind == SCAN,
        jobs.c.repository == admissions.c.repository,
        jobs.c.digest == admissions.c.digest,
        jobs.c.slot.is_not(None),
    )
    found = []
    for reason, wanted in (("rescan", other), ("schedule", old)):
        if reason == "schedule" and not every_us:
            continue
        page = connection.execute(
            select(admissions.c.repository, admissions.c.digest)
            .where(admissions.c.state.in_(_SCANNED), admissions.c.job != "")
            .where(wanted, ~open_)
            .order_by(admissions.c.state, admissions.c.changed_us)
            .limit(BUSY)
        )
        found.append((reason, [(row.repository, row.digest) for row in page]))
    return found


def _status(connection: Connection, now: int) -> Status:
    states = connection.execute(
        select(admissions.c.state, func.count()).group_by(admissions.c.state)
    )
    by_state = {row[0]: row[1] for row in states}
    counted = connection.execute(
        select(jobs.c.kind, jobs.c.state, func.count()).group_by(jobs.c.kind, jobs.c.state)
    )
    queue: dict[str, dict[str, int]] = {SCAN: {}, PROBE: {}}
    for kind, state, count in counted:
        queue[kind][state] = count
    undecided = connection.execute(
        select(func.count())
        .select_from(jobs)
        .where(jobs.c.kind == SCAN, jobs.c.slot > "", func.coalesce(jobs.c.state, "") == "done")
    ).scalar_one()
    oldest: Any = connection.execute(
        select(func.min(jobs.c.made_us)).where(
            jobs.c.kind == SCAN, jobs.c.state.in_(("waiting", "running"))
        )
    ).scalar_one()
    seen: list[Seen] = workers.alive(connection, now)
    probers = workers.probers(connection, now)
    had = {name for each in probers for name in each.targets}
    asked = connection.scalars(
        select(jobs.c.target).where(jobs.c.kind == PROBE, jobs.c.state == "waiting").distinct()
    )
    return Status(
        artifacts=dict(sorted(by_state.items())),
        jobs=dict(sorted(queue[SCAN].items())),
        undecided=undecided,
        oldest_s=max(0, now - oldest) // 1_000_000 if oldest else 0,
        workers=tuple(seen),
        probes=dict(sorted(queue[PROBE].items())),
        probers=tuple(probers),
        unasked=tuple(sorted(set(asked) - had)),
    )
