"""Blobs and who links them."""

from sqlalchemy import Connection, delete, exists, select, update

from remit.core.digest import Digest
from remit.hub.registry.errors import Denied
from remit.hub.store import rows
from remit.hub.store.tables import blobs, links, references, repositories

LEASE_US = 2 * 3600 * 1_000_000
"""How long what a push will refer to is kept for it."""


def size(connection: Connection, repository: str, digest: Digest) -> tuple[int, int] | None:
    """Size of a blob that the repository links, and until when it is leased."""
    row = connection.execute(
        select(blobs.c.size, links.c.leased_us)
        .join(links, links.c.digest == blobs.c.digest)
        .join(repositories, repositories.c.id == links.c.repository)
        .where(repositories.c.name == repository, links.c.digest == digest)
        .where(blobs.c.doomed_us == 0)
    ).one_or_none()
    return None if row is None else (row.size, row.leased_us)


def lease(connection: Connection, repository: str, digest: Digest, now_us: int) -> None:
    """Keep a blob that somebody asked for, because they may be about to refer to it."""
    id_ = rows.repository_id(connection, repository)
    connection.execute(
        update(links)
        .where(links.c.repository == id_, links.c.digest == digest)
        .values(leased_us=now_us + LEASE_US)
    )


def hold(connection: Connection, digest: Digest) -> None:
    """Lock a blob's row, if there is one: nobody removes its bytes meanwhile."""
    connection.execute(select(blobs.c.digest).where(blobs.c.digest == digest).with_for_update())


def add(connection: Connection, repository: str, digest: Digest, length: int, now_us: int) -> None:
    """A blob whose bytes are there now, linked to the repository.

    Raises:
        Denied: the repository's quota.
    """
    connection.execute(
        rows.insert_into(connection, blobs)
        .values(digest=digest, size=length, stored_us=now_us, leased_us=now_us + LEASE_US)
        .on_conflict_do_update(
            index_elements=["digest"],
            set_={"doomed_us": 0, "leased_us": now_us + LEASE_US, "size": length},
        )
    )
    _link(connection, repository, digest, length, now_us)


def mount(
    connection: Connection, repository: str, digest: Digest, source: str, now_us: int
) -> bool:
    """Link a blob that ``source`` links.

    Raises:
        Denied: the repository's quota.
    """
    rows.hold(connection, repository, create_us=now_us)
    if size(connection, source, digest) is None:
        return False
    length = connection.execute(
        update(blobs)
        .where(blobs.c.digest == digest, blobs.c.doomed_us == 0)
        .values(leased_us=now_us + LEASE_US)
        .returning(blobs.c.size)
    ).scalar_one_or_none()
    if length is None:
        return False
    _link(connection, repository, digest, length, now_us)
    return True


def _link(
    connection: Connection, repository: str, digest: Digest, length: int, now_us: int
) -> None:
    row = rows.hold(connection, repository, create_us=now_us)
    assert row is not None
    known = connection.execute(
        update(links)
        .where(links.c.repository == row.id, links.c.digest == digest)
        .values(leased_us=now_us + LEASE_US)
    )
    if known.rowcount:
        return
    connection.execute(
        links.insert().values(
            repository=row.id, digest=digest, linked_us=now_us, leased_us=now_us + LEASE_US
        )
    )
    rows.use(connection, repository, row, length)


def unlink(connection: Connection, repository: str, digest: Digest) -> bool:
    """Drop the repository's link.

    Raises:
        Denied: a manifest of the repository refers to the blob.
    """
    row = rows.hold(connection, repository)
    if row is None:
        return False
    found = size(connection, repository, digest)
    if found is None:
        return False
    referred = connection.execute(
        select(exists().where(references.c.repository == row.id, references.c.child == digest))
    ).scalar_one()
    if referred:
        raise Denied(f"a manifest of `{repository}` refers to `{digest}`")
    connection.execute(delete(links).where(links.c.repository == row.id, links.c.digest == digest))
    rows.use(connection, repository, row, -found[0])
    return True
