"""The :class:`~remit.hub.jobs.ports.Queue` port over a database."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from remit.core.clock import Clock
from remit.hub.jobs.values import Questions, Seen, Task
from remit.hub.registry.ports import Record
from remit.hub.store import found, jobs, outbox, rows, wanted, workers
from remit.hub.store.database import Database
from remit.hub.store.tables import reports
from remit.scan.base import Report

NODE = ""
"""Whose a record of a worker is: of the Hub that decides on the scan."""
MAX_FAILED = 1000
MAX_REPORT_BYTES = 64 * 1024 * 1024


class SqlQueue:
    """Jobs for workers, in SQLite or PostgreSQL.

    Args:
        database: of the Hub.
        clock: times of leases; those of several machines should agree within seconds.
        scanners: digest of the worker's scanners and their rules.
        names: of its scanners; ``None`` for whoever has all that anybody may expect.
        targets: served models that the worker asks; ``None`` for one that scans.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        scanners: str = "",
        names: tuple[str, ...] | None = None,
        targets: tuple[str, ...] | None = None,
    ) -> None:
        self._targets = targets
        self._names = names
        self._scanners = scanners
        self._database = database
        self._clock = clock

    async def claim(self, worker: str) -> Task | None:
        """Take the most urgent job."""
        now = self._clock.now_us()
        # Looking is free; a change waits for everybody who writes.
        if not await self._database.look(self._takes(now)):
            return None
        return await self._database.change(lambda c: jobs.claim(c, worker, now, self._targets))

    def _takes(self, now_us: int) -> Callable[[Connection], bool]:
        return lambda c: jobs.ready(c, now_us, self._targets) and not self._lacks(c, now_us)

    def _lacks(self, connection: Connection, now_us: int) -> tuple[str, ...]:
        if self._names is None:
            return ()
        return wanted.lacking(connection, self._names, now_us)

    async def renew(self, task: Task, progress: int) -> bool:
        """Keep the lease."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: jobs.renew(c, task.id, task.worker, progress, now)
        )

    async def finish(self, task: Task, reports: Sequence[Report]) -> bool:
        """Store reports and record, if the lease still holds."""
        now = self._clock.now_us()
        bodies = [(each, zlib.compress(msgspec.json.encode(each), 6)) for each in reports]
        record = _record(task, reports)
        scanners = self._scanners if self._targets is None else None

        def work(connection: Connection) -> bool:
            if not jobs.finish(connection, task.id, task.worker, now, scanners):
                return False
            put(connection, task.id, bodies, now)
            # One scan has one record, so that the job's id can be its id.
            outbox.write(connection, record, id_=task.id, node=NODE, now_us=now)
            return True

        return await self._database.change(work)

    async def stumble(self, task: Task, why: str, *, lasting: bool = False) -> bool:
        """Try again later, or never."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: jobs.stumble(c, task.id, task.worker, why, now, lasting=lasting)
        )

    async def beat(self, worker: str, *, short: bool) -> None:
        """Say that the worker is there."""
        now = self._clock.now_us()

        def work(connection: Connection) -> None:
            lacks = self._lacks(connection, now)
            seen = Seen(
                name=worker, seen_us=now, short=short, scanners=self._scanners, lacks=lacks,
                targets=self._targets or (),
            )  # fmt: skip
            workers.beat(connection, seen)

        await self._database.change(work)

    async def gone(self, worker: str) -> None:
        """Say that it ends."""
        await self._database.change(lambda c: workers.gone(c, worker))

    async def release(self, task: Task) -> bool:
        """Give it back."""
        now = self._clock.now_us()
        return await self._database.change(lambda c: jobs.release(c, task.id, task.worker, now))


def put(
    connection: Connection, job: str, bodies: Sequence[tuple[Report, bytes]], now_us: int
) -> None:
    """Store the reports of a job."""
    connection.execute(delete(reports).where(reports.c.job == job))
    found.put(connection, job, [each for each, _ in bodies])
    if bodies:
        connection.execute(
            insert(reports),
            [
                {
                    "job": job,
                    "scanner": each.scanner[:64],
                    "version": each.version[:64],
                    "rules": each.rules,
                    "failed": rows.storable(each.failed, MAX_FAILED),
                    "body": body,
                    "finished_us": now_us,
                }
                for each, body in bodies
            ],
        )


def of_job(connection: Connection, job: str) -> list[Report]:
    """The reports of a job, by scanner. One that cannot be read is a failed one."""
    listed = connection.execute(
        select(reports).where(reports.c.job == job).order_by(reports.c.scanner)
    )
    return [_report(row) for row in listed]


def _report(row: Any) -> Report:
    try:
        data = zlib.decompressobj().decompress(bytes(row.body), MAX_REPORT_BYTES)
        return msgspec.json.decode(data, type=Report)
    except (zlib.error, msgspec.MsgspecError):
        return Report(
            scanner=row.scanner,
            version=row.version,
            rules=row.rules,
            failed="its report cannot be read",
        )


def asked_of(questions: Questions) -> dict[str, object]:
    """What a served model was asked, for a record."""
    return {"target": questions.target, "probes": list(questions.probes[:50])}


def _record(task: Task, reports: Sequence[Report]) -> Record:
    failed = sorted(each.scanner for each in reports if each.failed)
    scan: dict[str, object] = {
        "job": task.id,
        "worker": task.worker,
        "reports": len(reports),
        "findings": sum(len(each.findings) for each in reports),
    }
    if failed:
        scan["failed"] = failed[:50]
    if task.questions is not None:
        scan |= asked_of(task.questions)
    artifact = {"repository": task.repository, "digest": task.digest, "kind": task.kind}
    return Record(kind="scan.done", body={"artifact": artifact, "scan": scan})
