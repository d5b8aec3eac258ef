"""The queue of jobs. Who claims one has a lease; when it ends, another may take the job.

A job is open while it has a slot: until it failed, was cancelled, or was decided on. In PostgreSQL
workers skip what others are about to claim; SQLite has one writer, so there is nothing to skip.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, update

from remit.artifacts.oci.manifest import Descriptor
from remit.core.digest import Digest
from remit.hub.jobs.values import (
    BACKOFF_US,
    LEASE_US,
    MAX_ATTEMPTS,
    PRIORITIES,
    PROBE,
    SCAN,
    Job,
    Task,
    questions_in,
    scan_slot,
)
from remit.hub.store import rows
from remit.hub.store.tables import admissions, documents, jobs, manifests, repositories

MAX_ERROR = 1000


def add(
    connection: Connection, repository: int, digest: str, reason: str, *, id_: str, now_us: int
) -> bool:
    """Ask for a scan; ``False`` if one is open already, which then is at least as urgent."""
    slot = scan_slot(repository, digest)
    added = connection.execute(
        rows.insert_into(connection, jobs)
        .values(
            id=id_,
            slot=slot,
            kind=SCAN,
            repository=repository,
            digest=digest,
            reason=reason,
            detail=b"",
            priority=PRIORITIES[reason],
            state="waiting",
            made_us=now_us,
            due_us=now_us,
        )
        .on_conflict_do_nothing(index_elements=["slot"])
    )
    if added.rowcount:
        return True
    connection.execute(
        update(jobs)
        .where(jobs.c.slot == slot, jobs.c.state == "waiting")
        .where(jobs.c.priority < PRIORITIES[reason])
        .values(priority=PRIORITIES[reason], reason=reason, due_us=now_us)
    )
    return False


def _ready(now_us: int, targets: Collection[str] | None) -> Any:
    waiting = (jobs.c.state == "waiting") & (jobs.c.due_us <= now_us)
    free = or_(waiting, (jobs.c.state == "running") & (jobs.c.leased_us < now_us))
    if targets is None:
        return free & (jobs.c.kind == SCAN)
    return free & (jobs.c.kind == PROBE) & jobs.c.target.in_(targets)


def ready(connection: Connection, now_us: int, targets: Collection[str] | None = None) -> bool:
    """Whether there is anything to claim."""
    query = select(jobs.c.id).where(_ready(now_us, targets)).limit(1)
    return connection.execute(query).first() is not None


def claim(
    connection: Connection, worker: str, now_us: int, targets: Collection[str] | None = None
) -> Task | None:
    """Take the most urgent job that nobody has.

    One whose lease ended counts as an attempt that failed; after the last one it has failed.

    Args:
        connection: a transaction.
        worker: who takes it.
        now_us: when.
        targets: served models that the worker asks; ``None`` for a worker that scans.
    """
    while True:
        found = connection.execute(
            select(jobs)
            .where(_ready(now_us, targets))
            .order_by(jobs.c.priority.desc(), jobs.c.made_us, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if found is None:
            return None
        attempts = found.attempts
        if found.state == "running":
            attempts += 1
            if attempts >= MAX_ATTEMPTS:
                _fail(connection, found.id, attempts, "workers ended while they had it", now_us)
                continue
        task = _task(connection, found, worker)
        if task is None:
            _end(connection, found.id, "cancelled", now_us, error="the artifact is gone")
            continue
        connection.execute(
            update(jobs)
            .where(jobs.c.id == found.id)
            .values(
                state="running",
                worker=worker,
                attempts=attempts,
                progress=0,
                started_us=now_us,
                leased_us=now_us + LEASE_US,
            )
        )
        return task


def _task(connection: Connection, found: Any, worker: str) -> Task | None:
    row = connection.execute(
        select(manifests.c.media_type, manifests.c.kind, documents.c.body, repositories.c.name)
        .join(documents, documents.c.digest == manifests.c.digest)
        .join(repositories, repositories.c.id == manifests.c.repository)
        .where(manifests.c.repository == found.repository, manifests.c.digest == found.digest)
    ).one_or_none()
    if row is None:
        return None
    body = bytes(row.body)
    asked = bytes(found.detail)
    return Task(
        id=found.id,
        worker=worker,
        repository=row.name,
        descriptor=Descriptor(
            media_type=row.media_type, digest=Digest(found.digest), size=len(body)
        ),
        body=body,
        kind=row.kind,
        questions=questions_in(asked) if found.kind == PROBE else None,
    )


def _held(id_: str, worker: str) -> Any:
    return (jobs.c.id == id_) & (jobs.c.state == "running") & (jobs.c.worker == worker)


def renew(connection: Connection, id_: str, worker: str, progress: int, now_us: int) -> bool:
    """Keep the lease; ``False`` if it was lost."""
    done = connection.execute(
        update(jobs)
        .where(_held(id_, worker))
        .values(leased_us=now_us + LEASE_US, progress=progress)
    )
    return done.rowcount > 0


def finish(
    connection: Connection, id_: str, worker: str, now_us: int, scanners: str | None = ""
) -> bool:
    """The work is done; ``False`` if the lease was lost, and then nothing may be kept of it.

    Args:
        connection: the transaction that stores the reports.
        id_: of the job.
        worker: who says so.
        now_us: when.
        scanners: digest of the scanners and rules that looked; ``None`` for a job that was not a
            scan, and keeps what it is about.
    """
    values: dict[str, Any] = {} if scanners is None else {"detail": scanners.encode()}
    done = connection.execute(
        update(jobs)
        .where(_held(id_, worker))
        .values(state="done", progress=1000, error="", ended_us=now_us, leased_us=0, **values)
    )
    return done.rowcount > 0


def stumble(
    connection: Connection, id_: str, worker: str, why: str, now_us: int, *, lasting: bool = False
) -> bool:
    """The machinery failed: try again later, or never if that is lasting or was the last one."""
    attempts = connection.execute(
        select(jobs.c.attempts).where(_held(id_, worker)).with_for_update()
    ).scalar_one_or_none()
    if attempts is None:
        return False
    attempts += 1
    if lasting or attempts >= MAX_ATTEMPTS:
        _fail(connection, id_, attempts, why, now_us)
        return True
    pause = BACKOFF_US[min(attempts, len(BACKOFF_US)) - 1]
    connection.execute(
        update(jobs)
        .where(jobs.c.id == id_)
        .values(
            state="waiting",
            attempts=attempts,
            error=rows.storable(why, MAX_ERROR),
            due_us=now_us + pause,
            leased_us=0,
        )
    )
    return True


def release(connection: Connection, id_: str, worker: str, now_us: int) -> bool:
    """Give a job back that was not done; it is no attempt."""
    done = connection.execute(
        update(jobs)
        .where(_held(id_, worker))
        .values(state="waiting", leased_us=0, progress=0, due_us=now_us)
    )
    return done.rowcount > 0


def _fail(connection: Connection, id_: str, attempts: int, why: str, now_us: int) -> None:
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == id_)
        .values(attempts=attempts)
        .returning(jobs.c.repository, jobs.c.digest, jobs.c.kind)
    ).one()
    _end(connection, id_, "failed", now_us, error=why)
    if row.kind != SCAN:
        return
    text = f"the scan failed {attempts} times: {why}"
    connection.execute(
        update(admissions)
        .where(admissions.c.repository == row.repository, admissions.c.digest == row.digest)
        .where(admissions.c.state == "quarantined")
        .values(reason=rows.storable(text, MAX_ERROR), changed_us=now_us)
    )


def _end(connection: Connection, id_: str, state: str, now_us: int, error: str = "") -> None:
    connection.execute(
        update(jobs)
        .where(jobs.c.id == id_)
        .values(
            state=state,
            slot=None,
            error=rows.storable(error, MAX_ERROR),
            ended_us=now_us,
            leased_us=0,
        )
    )


def cancel_open(connection: Connection, repository: int, digest: str) -> None:
    """End all work about an artifact that is gone, or needs none."""
    connection.execute(
        update(jobs)
        .where(jobs.c.repository == repository, jobs.c.digest == digest)
        .where(jobs.c.slot.is_not(None))
        .values(state="cancelled", slot=None, leased_us=0)
    )


def cancel(connection: Connection, id_: str, now_us: int) -> bool:
    """End a job that waits or runs; ``False`` if it does neither."""
    done = connection.execute(
        update(jobs)
        .where(jobs.c.id == id_, jobs.c.state.in_(("waiting", "running")))
        .values(state="cancelled", slot=None, ended_us=now_us, leased_us=0)
    )
    return done.rowcount > 0


def waiting(connection: Connection) -> int:
    """How many scans wait or run."""
    return int(
        connection.execute(
            select(func.count()).where(
                jobs.c.kind == SCAN, jobs.c.state.in_(("waiting", "running"))
            )
        ).scalar_one()
    )


def _query() -> Select[Any]:
    return select(jobs, repositories.c.name.label("called")).join(
        repositories, repositories.c.id == jobs.c.repository
    )


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        repository=row.called,
        digest=row.digest,
        reason=row.reason,
        priority=row.priority,
        state=row.state,
        attempts=row.attempts,
        worker=row.worker,
        progress=row.progress,
        error=row.error,
        made_us=row.made_us,
        due_us=row.due_us,
        started_us=row.started_us,
        leased_us=row.leased_us,
        ended_us=row.ended_us,
        decided=row.state == "done" and row.slot is None,
        target=row.target,
    )


def find(connection: Connection, id_: str) -> Job | None:
    """One job."""
    row = connection.execute(_query().where(jobs.c.id == id_)).one_or_none()
    return None if row is None else _job(row)


def listed(
    connection: Connection,
    *,
    states: Sequence[str] = (),
    repository: str = "",
    before: str = "",
    count: int = 50,
) -> list[Job]:
    """Jobs, the last made first."""
    query = _query()
    if states:
        query = query.where(jobs.c.state.in_(states))
    if repository:
        query = query.where(repositories.c.name == repository)
    if before:
        query = query.where(jobs.c.id < before)
    found = connection.execute(query.order_by(jobs.c.id.desc()).limit(count))
    return [_job(row) for row in found]
