"""Uploads: who writes to which, how far it is, until when it is kept."""

from sqlalchemy import Connection, delete, insert, select, update

from remit.hub.registry.errors import Busy
from remit.hub.registry.ports import Upload
from remit.hub.store.rows import repository_id
from remit.hub.store.tables import repositories, uploads

HELD_US = 20_000_000
"""How long a writer may be silent before another may take over."""
LEASE_US = 24 * 3600 * 1_000_000
"""How long an upload that nobody writes to is kept."""


def start(connection: Connection, upload: Upload, owner: str, now_us: int) -> None:
    """Remember a new upload; its repository exists."""
    connection.execute(
        insert(uploads).values(
            id=upload.id,
            repository=repository_id(connection, upload.repository),
            owner=owner,
            started_us=now_us,
            leased_us=now_us + LEASE_US,
        )
    )


def find(connection: Connection, repository: str, id_: str, now_us: int) -> Upload | None:
    """An upload of the repository that has not expired."""
    row = connection.execute(
        select(uploads.c.size, uploads.c.parts)
        .join(repositories, repositories.c.id == uploads.c.repository)
        .where(uploads.c.id == id_, repositories.c.name == repository)
        .where(uploads.c.leased_us > now_us)
    ).one_or_none()
    if row is None:
        return None
    return Upload(id=id_, repository=repository, size=row.size, parts=_parts(row.parts))


def hold(
    connection: Connection, repository: str, id_: str, holder: str, now_us: int
) -> Upload | None:
    """Become the writer.

    Raises:
        Busy: somebody is.
    """
    found = find(connection, repository, id_, now_us)
    if found is None:
        return None
    taken = connection.execute(
        update(uploads)
        .where(uploads.c.id == id_)
        .where((uploads.c.holder == "") | (uploads.c.held_us < now_us))
        .values(holder=holder, held_us=now_us + HELD_US, leased_us=now_us + LEASE_US)
        .returning(uploads.c.size, uploads.c.parts)
    ).one_or_none()
    if taken is None:
        raise Busy("another request writes to this upload", headers=progress(found))
    return Upload(id=id_, repository=repository, size=taken.size, parts=_parts(taken.parts))


def keep(connection: Connection, id_: str, holder: str, now_us: int) -> bool:
    """Stay the writer."""
    return _mine(connection, id_, holder, {"held_us": now_us + HELD_US})


def release(connection: Connection, upload: Upload, holder: str, now_us: int) -> bool:
    """Say how far it is and stop being the writer."""
    return _mine(
        connection,
        upload.id,
        holder,
        {
            "size": upload.size,
            "parts": " ".join(upload.parts),
            "holder": "",
            "held_us": 0,
            "leased_us": now_us + LEASE_US,
        },
    )


def still(connection: Connection, upload: Upload, holder: str, now_us: int) -> None:
    """Be the writer until the transaction ends: the row is locked.

    Raises:
        Busy: another has become it.
    """
    if not keep(connection, upload.id, holder, now_us):
        raise Busy("another request has taken this upload over", headers=progress(upload))


def let_go(connection: Connection, mark: str) -> int:
    """Release what holders of this mark hold; how many uploads that is."""
    return connection.execute(
        update(uploads)
        .where(uploads.c.holder.startswith(mark, autoescape=True))
        .values(holder="", held_us=0)
    ).rowcount


def end(connection: Connection, id_: str) -> bool:
    """Forget it."""
    return connection.execute(delete(uploads).where(uploads.c.id == id_)).rowcount > 0


def expired(connection: Connection, now_us: int, count: int) -> list[Upload]:
    """Uploads that nobody went on with."""
    found = connection.execute(
        select(uploads.c.id, uploads.c.size, uploads.c.parts)
        .where(uploads.c.leased_us < now_us, uploads.c.held_us < now_us)
        .limit(count)
    )
    return [
        Upload(id=row.id, repository="", size=row.size, parts=_parts(row.parts)) for row in found
    ]


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _mine(connection: Connection, id_: str, holder: str, values: dict[str, object]) -> bool:
    changed = connection.execute(
        update(uploads).where(uploads.c.id == id_, uploads.c.holder == holder).values(values)
    )
    return changed.rowcount > 0


def progress(upload: Upload) -> tuple[tuple[str, str], ...]:
    """Headers that tell a client where to go on (distribution-spec, "Pushing a blob in chunks")."""
    return (
        ("location", f"/v2/{upload.repository}/blobs/uploads/{upload.id}"),
        ("range", f"0-{max(0, upload.size - 1)}"),
    )
