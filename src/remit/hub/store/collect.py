"""Statements of the collector. Each is one short transaction, and checks again what it deletes.

Whoever refers to something touches its row in their own transaction (a lease, or ``touched_us``),
so that a delete that waited for them sees that its condition no longer holds.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, exists, func, select, update

from remit.core.digest import Digest
from remit.hub.store import manifests as stored
from remit.hub.store import rows
from remit.hub.store.rows import Rule
from remit.hub.store.tables import (
    blobs,
    documents,
    links,
    manifests,
    references,
    repositories,
    tags,
    uploads,
)


class Outdated(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule of retention no longer keeps."""

    repository: str
    digest: Digest
    tag: str = ""


def loose_links(connection: Connection, now_us: int, count: int) -> list[str]:
    """Repositories with links that no manifest needs and no lease protects."""
    referred = exists().where(
        references.c.repository == links.c.repository, references.c.child == links.c.digest
    )
    found = connection.scalars(
        select(repositories.c.name)
        .join(links, links.c.repository == repositories.c.id)
        .where(links.c.leased_us < now_us, ~referred)
        .distinct()
        .limit(count)
    )
    return list(found)


def unlink_loose(connection: Connection, repository: str, now_us: int, count: int) -> int:
    """Drop such links of one repository; how many."""
    row = rows.hold(connection, repository)
    if row is None:
        return 0
    referred = exists().where(
        references.c.repository == row.id, references.c.child == links.c.digest
    )
    loose = (links.c.repository == row.id) & (links.c.leased_us < now_us) & ~referred
    some = list(connection.scalars(select(links.c.digest).where(loose).limit(count)))
    gone = list(
        connection.scalars(
            delete(links).where(loose, links.c.digest.in_(some)).returning(links.c.digest)
        )
    )
    if gone:
        freed = connection.execute(
            select(func.sum(blobs.c.size)).where(blobs.c.digest.in_(gone))
        ).scalar_one()
        rows.use(connection, repository, row, -int(freed or 0))
    return len(gone)


def doom(connection: Connection, now_us: int, count: int) -> int:
    """Mark blobs that nobody links; they are gone for everybody, but their bytes are not yet."""
    linked = exists().where(links.c.digest == blobs.c.digest)
    loose = (blobs.c.doomed_us == 0) & (blobs.c.leased_us < now_us) & ~linked
    some = list(connection.scalars(select(blobs.c.digest).where(loose).limit(count)))
    if not some:
        return 0
    done = connection.execute(
        update(blobs).where(loose, blobs.c.digest.in_(some)).values(doomed_us=now_us)
    )
    return done.rowcount


def doomed(connection: Connection, before_us: int, count: int) -> list[tuple[Digest, int]]:
    """Blobs that were marked before."""
    found = connection.execute(
        select(blobs.c.digest, blobs.c.size)
        .where(blobs.c.doomed_us > 0, blobs.c.doomed_us < before_us)
        .limit(count)
    )
    return [(Digest(row.digest), row.size) for row in found]


def still_doomed(connection: Connection, digest: Digest) -> bool:
    """Lock a marked blob against whoever pushes it again; ``False`` if somebody did."""
    found = connection.execute(
        select(blobs.c.doomed_us).where(blobs.c.digest == digest).with_for_update()
    ).scalar_one_or_none()
    return bool(found)


def claim_stray(connection: Connection, digest: Digest) -> bool:
    """Make a marked row for bytes that nothing is known of, so that a push of them waits."""
    done = connection.execute(
        rows.insert_into(connection, blobs)
        .values(digest=digest, size=0, doomed_us=1)
        .on_conflict_do_nothing(index_elements=["digest"])
    )
    return done.rowcount > 0


def forget_blob(connection: Connection, digest: Digest) -> None:
    """The bytes are gone."""
    connection.execute(delete(blobs).where(blobs.c.digest == digest))


def drop_documents(connection: Connection, before_us: int, count: int) -> int:
    """Forget bodies of manifests that no repository has."""
    had = exists().where(manifests.c.digest == documents.c.digest)
    loose = (documents.c.stored_us < before_us) & ~had
    some = list(connection.scalars(select(documents.c.digest).where(loose).limit(count)))
    if not some:
        return 0
    done = connection.execute(delete(documents).where(loose, documents.c.digest.in_(some)))
    return done.rowcount


def known_uploads(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these uploads are remembered."""
    return set(connection.scalars(select(uploads.c.id).where(uploads.c.id.in_(ids))))


def known_blobs(connection: Connection, digests: Sequence[str]) -> set[str]:
    """Which of these blobs are known."""
    return set(connection.scalars(select(blobs.c.digest).where(blobs.c.digest.in_(digests))))


def outdated_tags(
    connection: Connection, repository: str, rule: Rule, now_us: int
) -> list[Outdated]:
    """Tags that are neither among the newest nor young nor fixed."""
    if not rule.keep_us:
        return []
    found = connection.execute(
        select(tags.c.name, tags.c.digest, tags.c.moved_us)
        .join(repositories, repositories.c.id == tags.c.repository)
        .where(repositories.c.name == repository)
        .order_by(tags.c.moved_us.desc(), tags.c.name.desc())
    ).all()
    return [
        Outdated(repository=repository, digest=Digest(row.digest), tag=row.name)
        for at, row in enumerate(found)
        if at >= rule.keep_tags
        and row.moved_us < now_us - rule.keep_us
        and not rule.fixes(row.name)
    ]


def untagged(
    connection: Connection, repository: str, rule: Rule, now_us: int, digest: str = ""
) -> list[Outdated]:
    """Manifests that no tag, no index and no living subject keeps; or whether ``digest`` is one."""
    if not rule.untagged_us:
        return []
    id_ = rows.repository_id(connection, repository)
    subject = manifests.alias()
    tagged = exists().where(tags.c.repository == id_, tags.c.digest == manifests.c.digest)
    child = exists().where(
        references.c.repository == id_,
        references.c.child == manifests.c.digest,
        references.c.role == "manifest",
    )
    about = exists().where(subject.c.repository == id_, subject.c.digest == manifests.c.subject)
    query = (
        select(manifests.c.digest)
        .where(manifests.c.repository == id_)
        .where(manifests.c.touched_us < now_us - rule.untagged_us)
        .where(~tagged, ~child, ~about)
    )
    if digest:
        query = query.where(manifests.c.digest == digest)
    found = connection.scalars(query.limit(500))
    return [Outdated(repository=repository, digest=Digest(each)) for each in found]


def drop_tag(connection: Connection, outdated: Outdated, before_us: int) -> bool:
    """Forget a tag that has not moved meanwhile."""
    row = rows.hold(connection, outdated.repository)
    if row is None:
        return False
    gone = connection.execute(
        delete(tags)
        .where(tags.c.repository == row.id, tags.c.name == outdated.tag)
        .where(tags.c.digest == outdated.digest, tags.c.moved_us < before_us)
    )
    return gone.rowcount > 0


def drop_untagged(connection: Connection, outdated: Outdated, rule: Rule, now_us: int) -> bool:
    """Forget a manifest that nothing has come to need meanwhile."""
    if rows.hold(connection, outdated.repository) is None:
        return False
    if not untagged(connection, outdated.repository, rule, now_us, outdated.digest):
        return False
    return stored.forget(connection, outdated.repository, outdated.digest)
