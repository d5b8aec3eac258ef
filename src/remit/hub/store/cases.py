"""The gate's ports over a database: what was decided, and what is to be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from remit.core.clock import Clock
from remit.core.digest import Digest
from remit.hub.admission.values import Admission, Outcome, Scanned, Sealed, State
from remit.hub.catalog.ports import Offer
from remit.hub.jobs.values import SCAN, scan_slot
from remit.hub.registry.ports import Record
from remit.hub.store import admissions, context, needs, outbox, probes, rows, words
from remit.hub.store.beside import beside
from remit.hub.store.database import Database
from remit.hub.store.placing import Placing
from remit.hub.store.queue import NODE
from remit.hub.store.tables import admissions as table
from remit.hub.store.tables import jobs, repositories

_AFTER: dict[tuple[str, str], tuple[State, str]] = {
    ("admit", ""): ("admitted", "artifact.admit"),
    ("review", ""): ("review", "artifact.review"),
    ("refuse", ""): ("refused", "artifact.refuse"),
    ("refuse", "admitted"): ("withdrawn", "artifact.withdraw"),
    ("refuse", "withdrawn"): ("withdrawn", "artifact.refuse"),
    ("review", "admitted"): ("review", "artifact.withdraw"),
}
"""State and record of an outcome, by what the artifact was before where that counts."""
MAX_RECORDED = 10


class SqlAdmissions:
    """What was decided: for the gate, the catalogue, and the MCP registry.

    The ports are :class:`~remit.hub.admission.ports.Admissions`,
    :class:`~remit.hub.catalog.ports.States` and :class:`~remit.hub.catalog.ports.Admission`.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def manifest(self, repository: str, digest: Digest) -> Admission:
        """What holds of a manifest now."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: admissions.find(c, repository, digest, now))

    async def gives_blob(self, repository: str, digest: Digest) -> bool:
        """Whether something that may be pulled refers to the blob."""
        now = self._clock.now_us()
        return await self._database.look(
            lambda c: admissions.gives_blob(c, repository, digest, now)
        )

    async def behind(self, repository: str, digest: Digest) -> tuple[Digest, Admission] | None:
        """The manifest in the gravest state that refers to the blob."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: admissions.behind(c, repository, digest, now))

    async def admitted(self, offers: Sequence[Offer]) -> Sequence[bool]:
        """Whether each of these MCP servers may be offered."""
        now = self._clock.now_us()
        keys = [(each.id, each.digest) for each in offers]
        found = await self._database.look(lambda c: admissions.states(c, keys, now))
        return [each.open for each in found]

    async def states(self, digests: Sequence[str]) -> Mapping[str, str]:
        """Whether artifacts passed their scans: one that failed anywhere did not."""
        found = await self._database.look(lambda c: admissions.by_digest(c, digests))
        return {digest: word for digest, met in found.items() if (word := _passed(met))}


def _passed(states: set[str]) -> str:
    if states & {"refused", "withdrawn"}:
        return "failed"
    return "passed" if states & {"admitted"} else ""


class SqlCases:
    """The :class:`~remit.hub.admission.ports.Cases` port.

    Args:
        database, clock: of the Hub.
        node: whose records go into the outbox.
        entropy: randomness of their ids.
        expected: names of the scanners that should have reported.
        scanners: digest of all scanners and their rules.
        host: how clients reach the Hub: what names it needs its needs here.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        node: str,
        entropy: Callable[[int], bytes],
        *,
        expected: tuple[str, ...],
        scanners: Digest,
        host: str = "",
    ) -> None:
        self._host = host
        self._database = database
        self._clock = clock
        self._node = node
        self._place = Placing(node, entropy)
        self._expected = expected
        self._scanners = scanners

    async def undecided(self, count: int) -> Sequence[Scanned]:
        """The oldest scans that are over."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: self._undecided(c, count, now))

    def _scanned(self, connection: Connection, row: Any, now_us: int) -> Scanned:
        return context.scanned(connection, row, self._expected, self._scanners, now_us, self._host)

    def _undecided(self, connection: Connection, count: int, now_us: int) -> list[Scanned]:
        # By the slot: of jobs that are done there are many, of open ones few.
        over = func.coalesce(jobs.c.state, "") == "done"
        found = connection.execute(
            context.query()
            .where(jobs.c.slot > "", over, jobs.c.kind == SCAN)
            .order_by(jobs.c.ended_us, jobs.c.id)
            .limit(count)
        ).all()
        return [self._scanned(connection, row, now_us) for row in found]

    async def last(self, repository: str, digest: str) -> tuple[Scanned, Admission] | None:
        """What an artifact was decided on; ``None`` if it never was."""
        now = self._clock.now_us()

        def work(connection: Connection) -> tuple[Scanned, Admission] | None:
            row = connection.execute(
                context.query(last=True).where(
                    repositories.c.name == repository, table.c.digest == digest
                )
            ).one_or_none()
            if row is None:
                return None
            found = self._scanned(connection, row, now)
            return found, admissions.own(connection, row.repository, digest)

        return await self._database.look(work)

    async def claim_record(self, job: str) -> tuple[str, Record] | None:
        """The record of a scan, which this Hub then logs."""
        now = self._clock.now_us()
        return await self._database.change(
            lambda c: outbox.claim(c, job, of=NODE, node=self._node, now_us=now)
        )

    async def decide(
        self, scanned: Scanned, outcome: Outcome, evidence: Sealed | None = None
    ) -> Sequence[tuple[str, Record]] | None:
        """Set the state, or find that it is set."""
        now = self._clock.now_us()

        def work(connection: Connection) -> Sequence[tuple[str, Record]] | None:
            row = rows.hold(connection, scanned.repository)
            taken = connection.execute(
                update(jobs)
                .where(jobs.c.id == scanned.job, jobs.c.state == "done", jobs.c.slot.is_not(None))
                .values(slot=None)
            )
            if row is None or not taken.rowcount:
                return None
            before = connection.execute(
                select(table.c.state, table.c.expires_us)
                .where(table.c.repository == row.id, table.c.digest == scanned.digest)
                .with_for_update()
            ).one_or_none()
            if before is None:
                return None
            if context.said(connection, row.id, scanned, now) != context.heard(scanned):
                # Somebody said something meanwhile: it stays open, and is decided again.
                reopen(connection, row.id, scanned)
                return None
            if probes.results(connection, row.id, scanned.digest, now) != scanned.probed:
                reopen(connection, row.id, scanned)
                return None
            whole = needs.admitted(connection, row.id, scanned.digest, self._host, now, lock=True)
            if whole != scanned.needs_admitted:
                # Also a refusal: whoever admitted a need meanwhile found this open, and left it so.
                reopen(connection, row.id, scanned)
                return None
            done = self._set(
                connection, row.id, before.state, scanned, outcome, evidence or Sealed(), now
            )
            is_, was = outcome.word == "admit", before.state == "admitted"
            if is_ != was or (is_ and 0 < before.expires_us <= now):
                # What was over counted as not admitted, whatever its row said.
                words.reopen_dependents(connection, scanned.digest)
            if beside(connection, row.id, scanned.digest).digests != scanned.beside:
                # It holds all the same: whoever signs all the time must not keep a refusal off.
                words.reopen(connection, row.id, scanned.digest)
            return done

        return await self._database.change(work)

    def _set(
        self,
        connection: Connection,
        id_: int,
        before: str,
        scanned: Scanned,
        outcome: Outcome,
        evidence: Sealed,
        now: int,
    ) -> list[tuple[str, Record]]:
        state, kind = _AFTER.get((outcome.word, before)) or _AFTER[outcome.word, ""]
        connection.execute(
            update(table)
            .where(table.c.repository == id_, table.c.digest == scanned.digest)
            .values(
                state=state,
                reason=rows.storable("; ".join(outcome.reasons), admissions.MAX_REASON),
                job=scanned.job,
                policy=outcome.policy,
                scanners=scanned.scanners,
                decided_by="policy",
                changed_us=now,
                expires_us=outcome.expires_us,
            )
        )
        if evidence.summary:
            connection.execute(
                update(table)
                .where(table.c.repository == id_, table.c.digest == scanned.digest)
                .values(summary=evidence.summary)
            )
        done = [self._place(connection, id_, each, now) for each in evidence.placed]
        record = _decided(kind, before, scanned, outcome)
        done.append(self._place.write(connection, record, now))
        return done


def reopen(connection: Connection, id_: int, scanned: Scanned) -> None:
    """Leave a scan open that was about to be decided on."""
    connection.execute(
        update(jobs).where(jobs.c.id == scanned.job).values(slot=scan_slot(id_, scanned.digest))
    )


def _decided(kind: str, before: str, scanned: Scanned, outcome: Outcome) -> Record:
    return Record(
        kind=kind,
        body={
            "artifact": {
                "repository": scanned.repository,
                "digest": scanned.digest,
                "kind": scanned.kind,
                "name": scanned.name,
            },
            "decision": {
                "effect": outcome.word,
                "reasons": [each[:300] for each in outcome.reasons[:MAX_RECORDED]],
                "rules": list(outcome.rules[:MAX_RECORDED]),
                "policy": outcome.policy,
                "before": before,
            },
            "scan": {"job": scanned.job, "scanners": scanned.scanners},
        },
    )
