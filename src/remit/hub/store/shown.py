"""The :class:`~remit.hub.console.ports.Shown` port over a database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, tuple_

from remit.core.clock import Clock
from remit.hub.catalog.ports import Item, Sees
from remit.hub.console.ports import Answers, Attached, Key, Said, Standing, Waiting, Work
from remit.hub.jobs.values import SCAN
from remit.hub.store import admissions as admitted
from remit.hub.store import probes, queue
from remit.hub.store.catalog import COLUMNS, JOINED, SLICE, among, items, seen
from remit.hub.store.database import Database
from remit.hub.store.tables import (
    admissions,
    decisions,
    jobs,
    manifests,
    repositories,
    tags,
)
from remit.scan.base import Report

MAX_OPEN = 200
MAX_SAID = 50
_SIGNATURES = (b"sigstore.dev/cosign/sign/v1", b"simplesigning", b"model_signing/signature")
_OPEN = ("waiting", "running")
Standings = Callable[[Connection, Sequence[Key], int], Mapping[Key, Standing]]


def rows_of(connection: Connection, keys: Sequence[Key], now_us: int) -> dict[Key, Standing]:
    """What the gate says of each; ``quarantined`` where it says nothing, or where that is over."""
    found = {key: Standing(reason="its scans are not done") for key in keys}
    for at in range(0, len(keys), SLICE):
        query = select(admissions).where(
            tuple_(admissions.c.repository, admissions.c.digest).in_(list(keys[at : at + SLICE]))
        )
        for row in connection.execute(query):
            over = row.state == "admitted" and 0 < row.expires_us <= now_us
            found[row.repository, row.digest] = Standing(
                state="quarantined" if over else row.state,
                reason="its admission has expired" if over else row.reason,
                job=row.job,
                policy=row.policy,
                scanners=row.scanners,
                decided_by=row.decided_by,
                changed_us=row.changed_us,
                expires_us=row.expires_us,
            )
    for key in [key for key, each in found.items() if each.state == "index"]:
        of_members = admitted.effective(connection, *key, now_us)
        found[key] = Standing(state=of_members.state, reason=of_members.reason)
    return found


class SqlShown:
    """What pages show, in SQLite or PostgreSQL.

    Args:
        database: of the Hub.
        clock: to tell what expired.
        standings: what the gate says of artifacts; by default what its table says.
    """

    def __init__(self, database: Database, clock: Clock, standings: Standings = rows_of) -> None:
        self._database = database
        self._clock = clock
        self._standings = standings

    async def standings(self, keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """What the gate says of artifacts."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: self._standings(c, keys, now))

    async def attached(self, keys: Sequence[Key]) -> Mapping[Key, Attached]:
        """What refers to each."""
        return await self._database.look(lambda c: _attached(c, keys))

    async def reports(self, repository: int, digest: str, job: str) -> Sequence[Report]:
        """What scanners said."""
        return await self._database.look(lambda c: _reports(c, repository, digest, job))

    async def answers(self, repository: int, digest: str) -> Sequence[Answers]:
        """What served models answered."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: _answers(c, repository, digest, now))

    async def queue(self, sees: Sees | None, ended: int) -> tuple[Sequence[Work], Sequence[Work]]:
        """Jobs."""
        return await self._database.look(lambda c: _queue(c, sees, ended))

    async def waiting(self, sees: Sees | None, limit: int) -> Sequence[Waiting]:
        """What waits for people."""
        now = self._clock.now_us()
        return await self._database.look(lambda c: self._waiting(c, sees, limit, now))

    def _waiting(
        self, connection: Connection, sees: Sees | None, limit: int, now: int
    ) -> list[Waiting]:
        query = (
            select(*COLUMNS)
            .select_from(
                JOINED.join(
                    admissions,
                    (admissions.c.repository == manifests.c.repository)
                    & (admissions.c.digest == manifests.c.digest),
                )
            )
            .where(admissions.c.state == "review")
            .where(among(manifests.c.repository, seen(connection, sees)))
            .order_by(admissions.c.changed_us, manifests.c.repository, manifests.c.digest)
            .limit(limit)
        )
        found = items(connection, connection.execute(query).all())
        states = self._standings(connection, [(each.id, each.digest) for each in found], now)
        return [Waiting(item=each, standing=states[each.id, each.digest]) for each in found]

    async def said(self, repository: int, digest: str) -> Sequence[Said]:
        """What curators said."""
        return await self._database.look(lambda c: _said(c, repository, digest))

    async def previous(self, item: Item) -> Item | None:
        """The artifact before this one."""
        return await self._database.look(lambda c: _previous(c, item))


def _attached(connection: Connection, keys: Sequence[Key]) -> dict[Key, Attached]:
    found: dict[Key, Attached] = {}
    for at in range(0, len(keys), SLICE):
        query = select(manifests.c.repository, manifests.c.subject, manifests.c.descriptor).where(
            tuple_(manifests.c.repository, manifests.c.subject).in_(list(keys[at : at + SLICE]))
        )
        for repository, subject, descriptor in connection.execute(query):
            before = found.get((repository, subject), Attached())
            # Annotations are in the descriptor; they are signed by nobody, and choose a badge.
            signs = any(each in bytes(descriptor) for each in _SIGNATURES)
            found[repository, subject] = Attached(
                count=before.count + 1, signature=before.signature or signs
            )
    return found


def _reports(connection: Connection, repository: int, digest: str, job: str) -> list[Report]:
    last = (
        select(jobs.c.id)
        .where(jobs.c.repository == repository, jobs.c.digest == digest)
        .where(jobs.c.kind == SCAN, jobs.c.id == job if job else jobs.c.state == "done")
        .order_by(jobs.c.ended_us.desc(), jobs.c.id.desc())
        .limit(1)
    )
    found = connection.execute(last).scalar()
    return queue.of_job(connection, found) if found else []


def _answers(connection: Connection, repository: int, digest: str, now_us: int) -> list[Answers]:
    return [
        Answers(
            target=each.asked.target,
            probes=each.asked.probes,
            generations=each.asked.generations,
            ended_us=each.row.ended_us,
            covered={one.coverage for one in each.said} == {"complete"},
            over=all(one.expires_us <= now_us for one in each.said),
            error=each.row.error or "",
            reports=each.reports,
        )
        for each in reversed(probes.counting(connection, repository, digest, now_us))
    ]


def _queue(connection: Connection, sees: Sees | None, ended: int) -> tuple[list[Work], list[Work]]:
    ids = seen(connection, sees)
    query = (
        select(jobs, repositories.c.name.label("called"), manifests.c.kind.label("type"),
               manifests.c.name.label("named"))
        .join(repositories, repositories.c.id == jobs.c.repository)
        .outerjoin(
            manifests,
            (manifests.c.repository == jobs.c.repository) & (manifests.c.digest == jobs.c.digest),
        )
        .where(among(jobs.c.repository, ids))
    )  # fmt: skip
    first = query.where(jobs.c.state.in_(_OPEN)).order_by(
        jobs.c.state, jobs.c.priority.desc(), jobs.c.made_us, jobs.c.id
    )
    last = query.where(jobs.c.state.not_in(_OPEN)).order_by(
        jobs.c.ended_us.desc(), jobs.c.id.desc()
    )
    return (
        _works(connection, connection.execute(first.limit(MAX_OPEN)).all()),
        _works(connection, connection.execute(last.limit(ended)).all()),
    )


def _works(connection: Connection, found: Sequence[Any]) -> list[Work]:
    named: dict[Key, list[str]] = {}
    keys = list(dict.fromkeys((row.repository, row.digest) for row in found))
    if keys:
        query = select(tags.c.repository, tags.c.digest, tags.c.name).where(
            tuple_(tags.c.repository, tags.c.digest).in_(keys)
        )
        for row in connection.execute(query.order_by(tags.c.name)):
            named.setdefault((row.repository, row.digest), []).append(row.name)
    return [
        Work(
            id=row.id,
            what=row.kind,
            target=row.target,
            repository=row.called,
            digest=row.digest,
            kind=row.type or "",
            name=row.named or "",
            tags=tuple(named.get((row.repository, row.digest), ())),
            reason=row.reason,
            state=row.state,
            attempts=row.attempts,
            worker=row.worker,
            progress=row.progress,
            error=row.error,
            made_us=row.made_us,
            started_us=row.started_us,
            due_us=row.due_us,
            ended_us=row.ended_us,
            decided=row.slot is None,
        )
        for row in found
    ]


def _said(connection: Connection, repository: int, digest: str) -> list[Said]:
    query = (
        select(decisions)
        .where(decisions.c.repository == repository, decisions.c.digest == digest)
        .order_by(decisions.c.made_us.desc(), decisions.c.id.desc())
        .limit(MAX_SAID)
    )
    return [
        Said(
            id=row.id,
            decision=row.decision,
            decided_by=row.decided_by,
            reason=row.reason,
            rule=row.rule,
            made_us=row.made_us,
            expires_us=row.expires_us,
        )
        for row in connection.execute(query)
    ]


def _previous(connection: Connection, item: Item) -> Item | None:
    earlier = (manifests.c.pushed_us, manifests.c.digest)
    query = (
        select(*COLUMNS)
        .select_from(JOINED)
        .where(manifests.c.repository == item.id, manifests.c.digest != item.digest)
        .where(manifests.c.kind == item.kind)
        .where(tuple_(*earlier) < tuple_(item.pushed_us, item.digest))
        .order_by(*(each.desc() for each in earlier))
        .limit(1)
    )
    if not item.kind:
        query = query.where(manifests.c.subject == "")
    if item.name:
        # Several packages may share a repository; a version of the same one comes first.
        own = connection.execute(query.where(manifests.c.name == item.name)).all()
        if own:
            return items(connection, own)[0]
    found = items(connection, connection.execute(query).all())
    return found[0] if found else None
