"""Whether manifests may be pulled, by repository and digest."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, case, exists, select, update
from sqlalchemy import delete as delete_from

from remit.core.digest import Digest
from remit.hub.admission.exempt import legacy_tag
from remit.hub.admission.values import OPEN, Admission, State
from remit.hub.registry.ports import Placed
from remit.hub.store import jobs, rows, words
from remit.hub.store.tables import admissions, manifests, references, repositories

MAX_REASON = 2000
MAX_NESTING = 4
PENDING = "its scans are not done"
_GRAVITY = {"refused": 0, "withdrawn": 1, "review": 2, "quarantined": 3}
_OWN_CONTENT = "an index with content or addresses of its own is not given out"


def first_state(placed: Placed) -> tuple[State, str]:
    """What a manifest is before anybody looked at it, and why."""
    manifest = placed.manifest
    if manifest.config is None:
        if any(each.data or each.urls for each in manifest.manifests):
            return "refused", _OWN_CONTENT
        return "index", ""
    about = manifest.subject is not None or any(map(legacy_tag, placed.tags))
    return ("exempt", "") if placed.about.evidence and about else ("quarantined", PENDING)


def enter(
    connection: Connection, id_: int, placed: Placed, *, job: str, reason: str, now_us: int
) -> None:
    """Put a manifest that was just stored behind the gate, once, and ask for its scan.

    Args:
        connection: the transaction that stores it.
        id_: of its repository.
        placed: the manifest.
        job: id of the scan, if one is asked for.
        reason: of the scan.
        now_us: when.
    """
    first = first_state(placed)
    admit_as(connection, id_, placed.digest, first, job=job, reason=reason, now_us=now_us)


def admit_as(
    connection: Connection,
    id_: int,
    digest: str,
    first: tuple[State, str],
    *,
    job: str,
    reason: str,
    now_us: int,
) -> None:
    """Put a manifest behind the gate in a state, for a reason, once; see :func:`enter`."""
    state, why = first
    added = connection.execute(
        rows.insert_into(connection, admissions)
        .values(repository=id_, digest=digest, state=state, reason=why, changed_us=now_us)
        .on_conflict_do_nothing(index_elements=["repository", "digest"])
    )
    if added.rowcount:
        if state == "quarantined":
            jobs.add(connection, id_, digest, reason, id_=job, now_us=now_us)
        return
    if state == "exempt":
        # It was pushed before without the tag that says what it is.
        changed = connection.execute(
            update(admissions)
            .where(admissions.c.repository == id_, admissions.c.digest == digest)
            .where(admissions.c.state == "quarantined")
            .values(state=state, reason=why, changed_us=now_us)
        )
        if changed.rowcount:
            jobs.cancel_open(connection, id_, digest)


def forget(connection: Connection, id_: int, digest: str) -> None:
    """The manifest is gone: if it comes back, it is looked at again; what needs it is so now."""
    gone = connection.execute(
        delete_from(admissions)
        .where(admissions.c.repository == id_, admissions.c.digest == digest)
        .returning(admissions.c.state)
    ).scalar_one_or_none()
    if gone == "admitted":
        words.reopen_dependents(connection, digest)
    jobs.cancel_open(connection, id_, digest)


def _admission(row: Any) -> Admission:
    return Admission(
        state=row.state,
        reason=row.reason,
        job=row.job,
        policy=row.policy,
        scanners=row.scanners,
        decided_by=row.decided_by,
        changed_us=row.changed_us,
        expires_us=row.expires_us,
    )


def own(connection: Connection, id_: int, digest: str) -> Admission:
    """What is decided of a manifest itself; of an index, that it is one."""
    row = connection.execute(
        select(admissions).where(admissions.c.repository == id_, admissions.c.digest == digest)
    ).one_or_none()
    return Admission(reason=PENDING) if row is None else _admission(row)


def find(connection: Connection, repository: str, digest: str, now_us: int) -> Admission:
    """Whether a manifest may be pulled; an index may if all its members may."""
    id_ = rows.repository_id(connection, repository)
    if id_ is None:
        return Admission(reason=PENDING)
    return effective(connection, id_, digest, now_us, MAX_NESTING)


def effective(
    connection: Connection, id_: int, digest: str, now_us: int, depth: int = MAX_NESTING
) -> Admission:
    """What holds of a manifest now: of an index what holds of its members; nothing that expired."""
    return _effective(connection, id_, digest, now_us, depth, {})


def _effective(
    connection: Connection,
    id_: int,
    digest: str,
    now_us: int,
    depth: int,
    known: dict[tuple[str, int], Admission],
) -> Admission:
    # Indexes that share members are looked at once: else a few hundred of them are millions.
    key = digest, depth
    if key not in known:
        known[key] = _looked_at(connection, id_, digest, now_us, depth, known)
    return known[key]


def _looked_at(
    connection: Connection,
    id_: int,
    digest: str,
    now_us: int,
    depth: int,
    known: dict[tuple[str, int], Admission],
) -> Admission:
    found = own(connection, id_, digest)
    if found.state == "admitted" and 0 < found.expires_us <= now_us:
        return Admission(state="quarantined", reason="its admission has expired", job=found.job)
    if found.state != "index":
        return found
    if depth == 0:
        return Admission(reason=f"indexes are nested deeper than {MAX_NESTING}")
    children = connection.scalars(
        select(references.c.child)
        .where(references.c.repository == id_, references.c.parent == digest)
        .where(references.c.role == "manifest")
        .order_by(references.c.child)
    ).all()
    for child in children:
        each = _effective(connection, id_, child, now_us, depth - 1, known)
        if not each.open:
            return Admission(
                state=each.state, reason=f"its member `{child}` is {each.state}: {each.reason}"
            )
    return Admission(state="admitted", reason="all its members are admitted")


def gives_blob(connection: Connection, repository: str, digest: str, now_us: int) -> bool:
    """Whether a manifest that is admitted, or exempt, refers to the blob."""
    id_ = rows.repository_id(connection, repository)
    valid = (admissions.c.expires_us == 0) | (admissions.c.expires_us > now_us)
    there = exists().where(
        references.c.repository == id_,
        references.c.child == digest,
        references.c.role == "blob",
        admissions.c.repository == id_,
        admissions.c.digest == references.c.parent,
        admissions.c.state.in_(OPEN),
        valid,
    )
    return bool(connection.execute(select(there)).scalar_one())


def behind(
    connection: Connection, repository: str, digest: str, now_us: int
) -> tuple[Digest, Admission] | None:
    """The manifest in the gravest state that refers to a blob; of the same state, the last."""
    id_ = rows.repository_id(connection, repository)
    gravity = case(_GRAVITY, value=admissions.c.state, else_=len(_GRAVITY))
    joint = (admissions.c.repository == references.c.repository) & (
        admissions.c.digest == references.c.parent
    )
    found = connection.execute(
        select(references.c.parent)
        .join(admissions, joint, isouter=True)
        .where(references.c.repository == id_, references.c.child == digest)
        .where(references.c.role == "blob")
        .order_by(gravity, admissions.c.changed_us.desc(), references.c.parent)
        .limit(1)
    ).scalar_one_or_none()
    if id_ is None or found is None:
        return None
    return Digest(found), effective(connection, id_, found, now_us)


def states(connection: Connection, keys: Sequence[tuple[int, str]], now_us: int) -> list[Admission]:
    """What holds of each of these, by repository's id and digest."""
    return [effective(connection, id_, digest, now_us) for id_, digest in keys]


def by_digest(connection: Connection, digests: Sequence[str]) -> dict[str, set[str]]:
    """The states of manifests in whatever repositories."""
    found: dict[str, set[str]] = {}
    for at in range(0, len(digests), 500):
        part = digests[at : at + 500]
        query = select(admissions.c.digest, admissions.c.state).where(admissions.c.digest.in_(part))
        for row in connection.execute(query):
            found.setdefault(row.digest, set()).add(row.state)
    return found


def without_row(
    connection: Connection, last: tuple[int, str], count: int
) -> list[tuple[int, str, str]]:
    """Manifests after ``last`` that the gate does not know: id and name of repository, digest."""
    known = exists().where(
        admissions.c.repository == manifests.c.repository,
        admissions.c.digest == manifests.c.digest,
    )
    found = connection.execute(
        select(manifests.c.repository, repositories.c.name, manifests.c.digest)
        .join(repositories, repositories.c.id == manifests.c.repository)
        .where(~known)
        .where(
            (manifests.c.repository > last[0])
            | ((manifests.c.repository == last[0]) & (manifests.c.digest > last[1]))
        )
        .order_by(manifests.c.repository, manifests.c.digest)
        .limit(count)
    )
    return [(row.repository, row.name, row.digest) for row in found]


def has_row(connection: Connection, repository: str, digest: str) -> bool:
    """Whether the gate knows the manifest."""
    id_ = rows.repository_id(connection, repository)
    there = exists().where(admissions.c.repository == id_, admissions.c.digest == digest)
    return bool(connection.execute(select(there)).scalar_one())
