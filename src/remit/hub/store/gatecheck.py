"""What must hold of the gate's tables, and what of them nobody needs any more."""

from typing import Any

from sqlalchemy import Connection, and_, delete, exists, or_, select

from remit.attest.predicates.scan import LASTING
from remit.hub.jobs.values import PROBE, SCAN
from remit.hub.store.check import Problem
from remit.hub.store.tables import (
    admissions,
    findings,
    jobs,
    manifests,
    metadata,
    repositories,
)

DAY_US = 86_400_000_000
KEPT_US = 30 * DAY_US
"""How long a scan is kept that nothing was decided on, or only something that no longer holds."""
MAX_PROBLEMS = 1000


def problems(connection: Connection) -> list[Problem]:
    """What is wrong; nothing where there is no gate, which is where it knows of nothing."""
    if connection.execute(select(admissions.c.digest).limit(1)).first() is None:
        return []
    stored = and_(
        manifests.c.repository == admissions.c.repository, manifests.c.digest == admissions.c.digest
    )
    found = [
        Problem(
            code="gate.missing",
            where=where,
            text="the gate does not know it, so nobody will scan it; a running Hub finds it",
        )
        for where in _named(connection, manifests, ~exists().where(stored))
    ]
    found += [
        Problem(code="gate.dangling", where=where, text="its manifest is not there", harmless=True)
        for where in _named(connection, admissions, ~exists().where(stored))
    ]
    own = and_(
        jobs.c.repository == admissions.c.repository,
        jobs.c.digest == admissions.c.digest,
        jobs.c.kind == SCAN,
    )
    nothing = and_(
        admissions.c.state == "quarantined", admissions.c.job == "", ~exists().where(own)
    )
    found += [
        Problem(code="gate.stuck", where=where, text="it is quarantined and there is no scan of it")
        for where in _named(connection, admissions, nothing)
    ]
    lost = and_(admissions.c.job != "", ~exists().where(jobs.c.id == admissions.c.job))
    found += [
        Problem(code="gate.job", where=where, text="the scan that it was decided on is not there")
        for where in _named(connection, admissions, lost)
    ]
    there = exists().where(
        manifests.c.repository == jobs.c.repository, manifests.c.digest == jobs.c.digest
    )
    found += [
        Problem(code="job.dangling", where=where, text="a job about it is open and it is not there")
        for where in _named(connection, jobs, and_(jobs.c.slot.is_not(None), ~there))
    ]
    return found


def _named(connection: Connection, table: Any, wanted: Any) -> list[str]:
    rows = connection.execute(
        select(repositories.c.name, table.c.digest)
        .join(repositories, repositories.c.id == table.c.repository)
        .where(wanted)
        .order_by(repositories.c.name, table.c.digest)
        .limit(MAX_PROBLEMS)
    )
    return [f"{row.name}@{row.digest}" for row in rows]


def forget_scans(connection: Connection, now_us: int, count: int) -> int:
    """Forget scans of what is gone, and old ones that no decision rests on; how many.

    Of an artifact about which a served model gave something away every answer is kept: a later one
    may be what takes that back.
    """
    rests = exists().where(admissions.c.job == jobs.c.id)
    known = exists().where(
        admissions.c.repository == jobs.c.repository, admissions.c.digest == jobs.c.digest
    )
    other = jobs.alias()
    grave = exists().where(
        findings.c.job == other.c.id, findings.c.severity.in_(LASTING), other.c.kind == PROBE,
        other.c.repository == jobs.c.repository, other.c.digest == jobs.c.digest,
    )  # fmt: skip
    lasts = and_(jobs.c.kind == PROBE, known, grave)
    old = or_(
        and_(~lasts, jobs.c.ended_us < now_us - KEPT_US),
        and_(~known, jobs.c.ended_us < now_us - DAY_US),
    )
    ids = list(
        connection.scalars(select(jobs.c.id).where(jobs.c.slot.is_(None), ~rests, old).limit(count))
    )
    if not ids:
        return 0
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table is jobs:
                connection.execute(delete(table).where(key.parent.in_(ids)))
    return connection.execute(delete(jobs).where(jobs.c.id.in_(ids))).rowcount
