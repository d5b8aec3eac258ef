"""What people said of artifacts, in the database, and having the gate decide again.

Only words of those count who may curate the repository now: an account that is gone, over or has
lost the role says nothing any more, and a suppression reaches no further than its maker's role. A
word is of an account, not of a name: whoever gets the name later has said nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, exists, insert, or_, select, update

from remit.hub.admission.asking import Filed, decision_of
from remit.hub.admission.people import Decision, Said, Suppression
from remit.hub.jobs.values import SCAN, scan_slot
from remit.hub.patterns import matches
from remit.hub.registry.access import ROLES
from remit.hub.store import accounts, rows
from remit.hub.store.tables import admissions, decisions, edges, findings, jobs, repositories
from remit.hub.store.tables import suppressions as table

CURATE = "curate"
RENEW_US = 10 * 86_400_000_000
"""How long before an admission ends it is decided again."""
PAUSE_US = 86_400_000_000
"""How long after a decision it is not decided again only because it ends soon."""
DECIDED = ("admitted", "refused", "review", "withdrawn")
SLICE = 500
HUBS = "remit.hub/"
"""How origins of Hubs begin, in whose name Hubs store evidence; no account can be called so."""


class Curators:
    """Which accounts may curate which repositories, looked up once for each name."""

    def __init__(self, connection: Connection, now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us
        self._known: dict[str, tuple[str, tuple[str, ...]]] = {}

    def may(self, name: str, identity: str, repository: str) -> bool:
        """Whether that account has the name, and may curate the repository now."""
        if name not in self._known:
            found = accounts.identity(self._connection, name)
            self._known[name] = found, self._patterns(name)
        now, patterns = self._known[name]
        return now == identity != "" and any(matches(each, repository) for each in patterns)

    def _patterns(self, name: str) -> tuple[str, ...]:
        account, roles = accounts.find(self._connection, name)
        if account is None or account.disabled_us:
            return ()
        if account.expires_us and account.expires_us <= self._now_us:
            return ()
        return tuple(each.pattern for each in roles if CURATE in ROLES.get(each.role, ()))


def decisions_of(
    connection: Connection, id_: int, repository: str, digest: str, curators: Curators
) -> tuple[Decision, ...]:
    """What was decided of an artifact by those who may."""
    found = connection.execute(
        select(decisions)
        .where(decisions.c.repository == id_, decisions.c.digest == digest)
        .order_by(decisions.c.id)
    )
    return tuple(
        _decision(row) for row in found if curators.may(row.decided_by, row.decider, repository)
    )


def _decision(row: Any) -> Decision:
    word: Said = "admit" if row.decision == "admit" else "refuse"
    try:
        filed = msgspec.json.decode(bytes(row.bundle), type=Filed)
    except msgspec.MsgspecError:
        # Nobody can tell what it was about: it admits nothing, and refuses as it said.
        return Decision(id=row.id, word=word, by=row.decided_by, made_us=row.made_us)
    return decision_of(
        filed,
        id_=row.id,
        word=word,
        by=row.decided_by,
        reason=row.reason,
        made_us=row.made_us,
        expires_us=row.expires_us,
    )


def filed(connection: Connection, repository: str, digest: str, id_: str) -> Filed | None:
    """A decision as it was kept; ``None`` if there is none that can be read."""
    found = connection.execute(
        select(decisions.c.bundle)
        .join(repositories, repositories.c.id == decisions.c.repository)
        .where(repositories.c.name == repository)
        .where(decisions.c.digest == digest, decisions.c.id == id_)
    ).scalar_one_or_none()
    try:
        return None if found is None else msgspec.json.decode(bytes(found), type=Filed)
    except msgspec.MsgspecError:
        return None


def add_decision(
    connection: Connection, id_: int, digest: str, said: Decision, filed: Filed
) -> None:
    """Keep a decision, as the word of the account that has the name now."""
    connection.execute(
        insert(decisions).values(
            id=said.id,
            repository=id_,
            digest=digest,
            rule=rows.storable(filed.request.rule, 255),
            decision=said.word,
            decided_by=said.by,
            reason=rows.storable(said.reason, 2000),
            bundle=msgspec.json.encode(filed),
            made_us=said.made_us,
            expires_us=said.expires_us,
            decider=accounts.identity(connection, said.by),
        )
    )


def suppressions_of(
    connection: Connection,
    repository: str,
    fingerprints: Collection[str],
    curators: Curators,
    now_us: int,
) -> tuple[Suppression, ...]:
    """Suppressions of these findings in a repository that count."""
    found: list[Suppression] = []
    every = sorted(fingerprints)
    for at in range(0, len(every), SLICE):
        listed = connection.execute(
            select(table)
            .where(table.c.fingerprint.in_(every[at : at + SLICE]), table.c.revoked_us == 0)
            .where(table.c.expires_us > now_us)
            .order_by(table.c.id)
        )
        found += [
            suppression(row)
            for row in listed
            if matches(row.pattern, repository) and curators.may(row.made_by, row.maker, repository)
        ]
    return tuple(found)


def suppression(row: Any) -> Suppression:
    """One of the table's rows."""
    return Suppression(
        id=row.id,
        fingerprint=row.fingerprint,
        pattern=row.pattern,
        rule=row.rule,
        by=row.made_by,
        reason=row.reason,
        made_us=row.made_us,
        expires_us=row.expires_us,
        revoked_us=row.revoked_us,
    )


def add_suppression(connection: Connection, said: Suppression, bundle: bytes) -> None:
    """Keep a suppression, with what was signed, as :func:`add_decision` does."""
    connection.execute(
        insert(table).values(
            id=said.id,
            fingerprint=said.fingerprint,
            pattern=said.pattern,
            rule=said.rule,
            reason=rows.storable(said.reason, 2000),
            made_by=said.by,
            bundle=bundle,
            made_us=said.made_us,
            expires_us=said.expires_us,
            revoked_us=0,
            maker=accounts.identity(connection, said.by),
        )
    )


def find_suppression(connection: Connection, id_: str) -> Suppression | None:
    """One suppression."""
    row = connection.execute(select(table).where(table.c.id == id_)).one_or_none()
    return None if row is None else suppression(row)


def listed_suppressions(connection: Connection, after: str, count: int) -> list[Suppression]:
    """All of them, also those that are over, in the order in which they were made."""
    found = connection.execute(
        select(table).where(table.c.id > after).order_by(table.c.id).limit(count)
    )
    return [suppression(row) for row in found]


def revoke_suppression(connection: Connection, id_: str, now_us: int) -> bool:
    """End a suppression now; ``False`` if it is over already."""
    done = connection.execute(
        update(table).where(table.c.id == id_, table.c.revoked_us == 0).values(revoked_us=now_us)
    )
    return done.rowcount > 0


# -- deciding again ---------------------------------------------------------------------------


def reopen(connection: Connection, id_: int, digest: str) -> bool:
    """Have an artifact decided again on its last scan; ``False`` if one is open anyway."""
    slot = scan_slot(id_, digest)
    if connection.execute(select(jobs.c.id).where(jobs.c.slot == slot)).first() is not None:
        return False
    last = select(admissions.c.job).where(
        admissions.c.repository == id_, admissions.c.digest == digest
    )
    done = connection.execute(
        update(jobs)
        .where(jobs.c.id == last.scalar_subquery(), jobs.c.state == "done", jobs.c.slot.is_(None))
        .values(slot=slot)
    )
    return done.rowcount > 0


def reopen_finding(connection: Connection, said: Suppression) -> int:
    """Have everything decided again that a suppression is about; how much that is."""
    found = connection.execute(
        select(admissions.c.repository, admissions.c.digest, repositories.c.name)
        .join(repositories, repositories.c.id == admissions.c.repository)
        .join(findings, findings.c.job == admissions.c.job)
        .where(findings.c.fingerprint == said.fingerprint)
    ).all()
    mine = [(row.repository, row.digest) for row in found if matches(said.pattern, row.name)]
    return sum(reopen(connection, *each) for each in mine)


def reopen_dependents(connection: Connection, digest: str) -> int:
    """Have everything decided again that needs an artifact, whose state has changed."""
    found = connection.execute(
        select(edges.c.repository, edges.c.subject).where(edges.c.dependency == digest).distinct()
    ).all()
    return sum(reopen(connection, row.repository, row.subject) for row in found)


def due(connection: Connection, now_us: int, count: int) -> list[tuple[int, str]]:
    """What ends, or will soon, and was decided on long enough ago."""
    over = admissions.c.expires_us <= now_us
    soon = (admissions.c.expires_us <= now_us + RENEW_US) & (
        admissions.c.changed_us <= now_us - PAUSE_US
    )
    return _closed(connection, (admissions.c.expires_us > 0) & or_(over, soon), count)


def outdated(connection: Connection, policy: str, count: int) -> list[tuple[int, str]]:
    """What was decided under another policy."""
    return _closed(connection, admissions.c.policy != policy, count)


def _closed(connection: Connection, condition: Any, count: int) -> list[tuple[int, str]]:
    """Decided artifacts that fulfil a condition, and of which no scan is open."""
    other = jobs.alias()
    opened = exists().where(
        other.c.repository == admissions.c.repository,
        other.c.digest == admissions.c.digest,
        other.c.kind == SCAN,
        other.c.slot.is_not(None),
    )
    closed = (
        exists().where(jobs.c.id == admissions.c.job, jobs.c.state == "done", jobs.c.slot.is_(None))
        & ~opened
    )
    found = connection.execute(
        select(admissions.c.repository, admissions.c.digest)
        .where(admissions.c.state.in_(DECIDED), condition, closed)
        .limit(count)
    )
    return [(row.repository, row.digest) for row in found]


def reopen_all(connection: Connection, keys: Iterable[tuple[int, str]]) -> int:
    """Have these decided again; how many were not open already."""
    return sum(reopen(connection, *each) for each in keys)


def marks(decided: Sequence[Decision], suppressed: Sequence[Suppression]) -> frozenset[str]:
    """Which words these are: another set asks for another decision."""
    return frozenset([*(each.id for each in decided), *(each.id for each in suppressed)])
