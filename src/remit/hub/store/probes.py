"""Jobs that ask a served model: who wants it, what came of it, and that it is attested.

A result counts for the gate once it is closed: with its attestation, or without one if that could
not be stored, and then as one that covered nothing. So what is not attested yet decides nothing,
and nothing is clean that nobody can verify.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, func, select, update

from remit.attest.predicates.scan import standing, together
from remit.core.clock import Clock
from remit.core.digest import Digest, sha256
from remit.hub.admission.attested import attested
from remit.hub.admission.evidence import said_of
from remit.hub.admission.values import Attested, Scanned, Sealed
from remit.hub.jobs.values import PRIORITIES, PROBE, Questions, probe_slot, questions_in
from remit.hub.registry.ports import Record
from remit.hub.store import outbox, queue, rows, words
from remit.hub.store.database import Database
from remit.hub.store.placing import Placing
from remit.hub.store.tables import jobs, repositories
from remit.hub.store.tables import manifests as stored
from remit.scan.base import Report

REASON = "demand"
MAX_WHY = 1000


def add(
    connection: Connection, id_: int, digest: str, asked: Questions, *, job: str, now_us: int
) -> bool:
    """Have a served model asked; ``False`` if it is being asked about this artifact already."""
    added = connection.execute(
        rows.insert_into(connection, jobs)
        .values(
            id=job,
            slot=probe_slot(id_, digest, asked.target),
            kind=PROBE,
            repository=id_,
            digest=digest,
            reason=REASON,
            target=asked.target,
            detail=msgspec.json.encode(asked),
            priority=PRIORITIES[REASON],
            state="waiting",
            made_us=now_us,
            due_us=now_us,
        )
        .on_conflict_do_nothing(index_elements=["slot"])
    )
    return bool(added.rowcount)


def questions(connection: Connection, job: str) -> Questions:
    """What a job asks."""
    found = connection.execute(select(jobs.c.detail).where(jobs.c.id == job)).scalar_one()
    return questions_in(bytes(found))


class Result(NamedTuple):
    """A job that is over and closed: what it asked, what came of it, and what that counts as."""

    row: Any
    asked: Questions
    reports: tuple[Report, ...]
    said: tuple[Attested, ...]


def _closed(connection: Connection, id_: int, digest: str) -> list[Result]:
    """Every result about an artifact, the first that ended first; over or not."""
    found = connection.execute(
        select(jobs.c.id, jobs.c.detail, jobs.c.ended_us, jobs.c.error)
        .where(jobs.c.kind == PROBE, jobs.c.repository == id_, jobs.c.digest == digest)
        # No number of them is too many: else whoever asks often enough hides what was found.
        .where(jobs.c.state == "done", jobs.c.slot.is_(None))
        .order_by(jobs.c.ended_us, jobs.c.id)
    ).all()
    results = []
    for row in found:
        asked, reports = questions_in(bytes(row.detail)), tuple(queue.of_job(connection, row.id))
        said = tuple(_counted(row, asked, each) for each in reports)
        results.append(Result(row, asked, reports, said))
    return results


def _counted(row: Any, asked: Questions, report: Report) -> Attested:
    one = attested(said_of(report, row.ended_us), asked.evidence)
    if row.error or not asked.probes:
        return msgspec.structs.replace(one, coverage="error")
    return one


def results(connection: Connection, id_: int, digest: str, now_us: int) -> tuple[Attested, ...]:
    """What served models answered about an artifact, as far as it counts now.

    Of the same questions to the same target the last result counts, as of the scans of one key.
    """
    same = _same(_closed(connection, id_, digest))
    counting = (together(each, now_us) for _, each in sorted(same.items()))
    return tuple(each for each in counting if each is not None)


def counting(connection: Connection, id_: int, digest: str, now_us: int) -> list[Result]:
    """Those that :func:`results` are made of, the first that ended first."""
    found = _closed(connection, id_, digest)
    stand = {id(one) for each in _same(found).values() for one in standing(each, now_us)}
    return [each for each in found if any(id(one) in stand for one in each.said)]


def _same(found: Sequence[Result]) -> dict[tuple[Any, ...], list[Attested]]:
    """What was said in answer to the same questions."""
    same: dict[tuple[Any, ...], list[Attested]] = {}
    for each in found:
        for one in each.said:
            same.setdefault((*each.asked.same, one.scanner), []).append(one)
    return same


def _over() -> Select[Any]:
    return (
        select(
            jobs.c.id.label("job"),
            jobs.c.target,
            jobs.c.ended_us,
            repositories.c.name.label("called"),
            stored,
        )
        .join(repositories, repositories.c.id == jobs.c.repository)
        .join(
            stored, (stored.c.repository == jobs.c.repository) & (stored.c.digest == jobs.c.digest)
        )
        # By the slot: of jobs that are done there are many, of open ones few.
        .where(jobs.c.slot > "", func.coalesce(jobs.c.state, "") == "done", jobs.c.kind == PROBE)
    )


class SqlProbes:
    """The :class:`~remit.hub.admission.ports.Probes` port.

    Args:
        database, clock: of the Hub.
        node: whose records go into the outbox.
        entropy: randomness of their ids.
    """

    def __init__(
        self, database: Database, clock: Clock, node: str, entropy: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._place = Placing(node, entropy)

    async def claim_record(self, job: str) -> tuple[str, Record] | None:
        """The record that a prober left, which this Hub then logs."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: outbox.claim(c, job, of=queue.NODE, node=self._node, now_us=now)
        )

    async def unattested(self, count: int) -> Sequence[tuple[Scanned, str]]:
        """The oldest results without an attestation, each with the target that gave it."""

        def work(connection: Connection) -> list[tuple[Scanned, str]]:
            found = connection.execute(_over().order_by(jobs.c.ended_us, jobs.c.id).limit(count))
            return [(_probed(connection, row), row.target) for row in found.all()]

        return await self._database.look(work)

    async def attest(
        self, probed: Scanned, sealed: Sealed | None, why: str = ""
    ) -> Sequence[tuple[str, Record]] | None:
        """Close a result, in one transaction with its evidence, and have the gate decide anew."""
        now = self._clock.now_us()

        def work(connection: Connection) -> Sequence[tuple[str, Record]] | None:
            row = rows.hold(connection, probed.repository)
            if row is None:
                return None
            placed = sealed.placed if sealed is not None else ()
            evidence = sealed.evidence if sealed is not None else ""
            asked = msgspec.structs.replace(questions(connection, probed.job), evidence=evidence)
            taken = connection.execute(
                update(jobs)
                .where(jobs.c.id == probed.job, jobs.c.state == "done", jobs.c.slot.is_not(None))
                .values(
                    slot=None,
                    detail=msgspec.json.encode(asked),
                    error=rows.storable(why, MAX_WHY),
                )
            )
            if not taken.rowcount:
                return None
            done = [self._place(connection, row.id, each, now) for each in placed]
            words.reopen(connection, row.id, probed.digest)
            return done

        return await self._database.change(work)


def _probed(connection: Connection, row: Any) -> Scanned:
    return Scanned(
        repository=row.called,
        digest=Digest(row.digest),
        descriptor=rows.descriptor_of(row),
        kind=row.kind,
        name=row.name,
        reports=tuple(queue.of_job(connection, row.job)),
        expected=(),
        scanners=sha256(b""),
        finished_us=row.ended_us,
        job=row.job,
    )
