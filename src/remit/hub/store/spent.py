"""Evidence of a Hub that later evidence has taken the place of.

Every scan leaves a statement of each scanner, a bill and a summary beside the artifact, and every
week there is a scan: within a year that would be more than clients look at. What goes is old, not
of the scan that the last decision rests on, and not the last summary. What a served model answered
stays: it counts until the model is asked again.
"""

from sqlalchemy import Connection, select

from remit.artifacts.attestations import PREDICATE_TYPE
from remit.attest.predicates import vsa
from remit.core.digest import Digest
from remit.hub.admission.evidence import PROBED
from remit.hub.store import manifests as stored
from remit.hub.store import rows, words
from remit.hub.store.beside import annotations_of
from remit.hub.store.tables import admissions, jobs, manifests, repositories

SPENT_US = 14 * 86_400_000_000
BATCH = 200


def spent(
    connection: Connection, repository: str, now_us: int, *, after: str = "", only: str = ""
) -> tuple[list[Digest], str]:
    """Some of it in a repository, and after which digest to go on; empty if that was all.

    Args:
        connection: of the database.
        repository: its name.
        now_us: wall time.
        after: a digest, to go on after it.
        only: a digest, to ask about it alone.
    """
    rests = (admissions.c.repository == manifests.c.repository) & (
        admissions.c.digest == manifests.c.subject
    )
    query = (
        select(manifests.c.digest, manifests.c.descriptor, manifests.c.pushed_us, jobs.c.ended_us)
        .join(repositories, repositories.c.id == manifests.c.repository)
        .join(admissions, rests)
        .join(jobs, jobs.c.id == admissions.c.job)
        .where(repositories.c.name == repository, manifests.c.pushed_us < now_us - SPENT_US)
        .where(manifests.c.pushed_by.startswith(words.HUBS, autoescape=True))
        .where(manifests.c.digest != admissions.c.summary)
        .where(manifests.c.digest == only if only else manifests.c.digest > after)
        .order_by(manifests.c.digest)
        .limit(BATCH)
    )
    found = connection.execute(query).all()
    gone = [
        Digest(row.digest)
        for row in found
        if PROBED not in (about := annotations_of(row.descriptor))
        and (row.pushed_us < row.ended_us or about.get(PREDICATE_TYPE) == vsa.TYPE)
    ]
    return gone, found[-1].digest if found else ""


def drop(connection: Connection, repository: str, digest: Digest, now_us: int) -> bool:
    """Forget one of them, if that still holds."""
    if rows.hold(connection, repository) is None:
        return False
    found, _ = spent(connection, repository, now_us, only=digest)
    return bool(found) and stored.forget(connection, repository, digest)
