"""What a Hub knows of the content of its upstream.

The tables are those of a Hub that keeps its bytes, without rows for blobs: the collector finds
nothing to take away, and a manifest's blobs are counted by what manifests say of them.
"""

import msgspec
from sqlalchemy import Connection, delete, exists, insert, select, update

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.digest import Digest
from remit.hub.errors import HubError
from remit.hub.registry.errors import Denied
from remit.hub.registry.ports import Placed, Record
from remit.hub.store import admissions, described, rows, uploads
from remit.hub.store import manifests as stored
from remit.hub.store.metadata import SqlMetadata
from remit.hub.store.tables import (
    documents,
    links,
    manifests,
    references,
    repositories,
    settings,
    tags,
)

_UPSTREAM = "upstream"


class SqlNotes(SqlMetadata):
    """The :class:`~remit.hub.registry.front.ports.Notes` port over a database."""

    async def noted(self, placed: Placed) -> bool:
        """Whether all of it is noted already."""
        return await self._database.look(lambda c: known(c, placed))

    async def note(self, placed: Placed, by: str, record: Record, *, always: bool) -> str | None:
        """Remember a manifest and what its tags are now."""
        now = self._clock.now_us()

        def work(connection: Connection) -> str | None:
            changed = note(connection, placed, by, now)
            self._gate(connection, placed, now, by=by)
            return self._write(connection, record) if changed or always else None

        return await self._database.change(work)

    async def fixed(self, placed: Placed) -> tuple[str, ...]:
        """Which of its tags must not move; and see to the quota."""
        return await self._database.look(lambda c: fixed(c, placed))

    async def room(self, repository: str, digest: Digest, size: int) -> None:
        """See that a blob fits."""
        await self._database.look(lambda c: room(c, repository, digest, size))

    async def check_drop(self, repository: str, name: str) -> None:
        """See that a tag, or a manifest with its tags, may go."""
        await self._database.look(lambda c: check_drop(c, repository, name))

    async def check_blob(self, repository: str, digest: Digest) -> None:
        """See that no manifest that is known refers to a blob."""
        await self._database.look(lambda c: check_blob(c, repository, digest))

    async def gone(self, repository: str, name: str, record: Record, *, always: bool) -> str | None:
        """Forget a tag, or a manifest with its tags."""

        def work(connection: Connection) -> str | None:
            changed = forget(connection, repository, name)
            return self._write(connection, record) if changed or always else None

        return await self._database.change(work)

    async def tell(self, record: Record, upload: str = "") -> str:
        """Write a record, and forget the upload that it ends."""

        def work(connection: Connection) -> str:
            if upload:
                uploads.end(connection, upload)
            return self._write(connection, record)

        return await self._database.change(work)

    async def tagged(self, repository: str) -> dict[str, Digest]:
        """All tags that are known of a repository."""

        def work(connection: Connection) -> dict[str, Digest]:
            id_ = rows.repository_id(connection, repository)
            found = connection.execute(
                select(tags.c.name, tags.c.digest).where(tags.c.repository == id_)
            )
            return {row.name: Digest(row.digest) for row in found}

        return await self._database.look(work)

    async def untagged(self, repository: str) -> list[Digest]:
        """Manifests without a tag."""

        def work(connection: Connection) -> list[Digest]:
            id_ = rows.repository_id(connection, repository)
            named = exists().where(tags.c.repository == id_, tags.c.digest == manifests.c.digest)
            found = connection.scalars(
                select(manifests.c.digest).where(manifests.c.repository == id_, ~named)
            )
            return [Digest(each) for each in found]

        return await self._database.look(work)


def known(connection: Connection, placed: Placed) -> bool:
    """Whether all of it is noted already."""
    id_ = rows.repository_id(connection, placed.repository)
    there = connection.execute(
        select(exists().where(manifests.c.repository == id_, manifests.c.digest == placed.digest))
    ).scalar_one()
    named = connection.scalars(
        select(tags.c.name).where(
            tags.c.repository == id_,
            tags.c.digest == placed.digest,
            tags.c.name.in_(placed.tags),
        )
    )
    return bool(there) and set(named) == set(placed.tags)


def note(connection: Connection, placed: Placed, by: str, now_us: int) -> bool:
    """Write a manifest down with its references and tags; whether anything was new."""
    if known(connection, placed):
        return False
    row = rows.hold(connection, placed.repository, create_us=now_us)
    assert row is not None
    there = connection.execute(
        select(manifests.c.digest).where(
            manifests.c.repository == row.id, manifests.c.digest == placed.digest
        )
    ).one_or_none()
    if there is None:
        added = _bytes_of(connection, row.id, placed)
        connection.execute(
            rows.insert_into(connection, documents)
            .values(digest=placed.digest, body=placed.body, stored_us=now_us)
            .on_conflict_do_update(index_elements=["digest"], set_={"stored_us": now_us})
        )
        stored.insert_row(connection, row.id, placed, by, now_us)
        # The upstream has it, whatever the quota says.
        _count(connection, row.id, row.used_bytes + added)
    for tag in placed.tags:
        connection.execute(
            rows.insert_into(connection, tags)
            .values(repository=row.id, name=tag, digest=placed.digest, moved_by=by, moved_us=now_us)
            .on_conflict_do_update(
                index_elements=["repository", "name"],
                set_={"digest": placed.digest, "moved_by": by, "moved_us": now_us},
            )
        )
    return True


def _bytes_of(connection: Connection, id_: int | None, placed: Placed) -> int:
    """Bytes that a manifest adds to a repository: its own, and those of blobs that none had."""
    wanted = {each.digest: each.size for each in placed.manifest.blobs}
    had = set(
        connection.scalars(
            select(references.c.child).where(
                references.c.repository == id_,
                references.c.child.in_(wanted),
                references.c.parent != placed.digest,
            )
        )
    )
    return len(placed.body) + sum(size for each, size in wanted.items() if each not in had)


def _count(connection: Connection, id_: int, used: int) -> None:
    connection.execute(
        update(repositories)
        .where(repositories.c.id == id_)
        .values(used_bytes=max(0, min(stored.MAX_COUNT, used)))
    )


def fixed(connection: Connection, placed: Placed) -> tuple[str, ...]:
    """Tags of a manifest that must not move.

    Raises:
        Denied: the quota.
    """
    rule = rows.rule_for(connection, placed.repository)
    if rule.quota_bytes:
        row = connection.execute(
            select(repositories.c.id, repositories.c.used_bytes).where(
                repositories.c.name == placed.repository
            )
        ).one_or_none()
        used = row.used_bytes if row else 0
        untagged = msgspec.structs.replace(placed, tags=())
        if row is None or not known(connection, untagged):
            added = _bytes_of(connection, row.id if row else None, placed)
            if used + added > rule.quota_bytes:
                raise Denied(
                    f"`{placed.repository}` may hold {rule.quota_bytes} bytes and would hold"
                    f" {used + added}",
                    detail={"quota": rule.quota_bytes, "used": used, "asked": added},
                )
    return tuple(tag for tag in placed.tags if rule.fixes(tag))


def room(connection: Connection, repository: str, digest: Digest, size: int) -> None:
    """See that a blob fits into its repository, as far as that is known.

    Raises:
        Denied: the quota.
    """
    quota = rows.rule_for(connection, repository).quota_bytes
    if not quota:
        return
    row = connection.execute(
        select(repositories.c.id, repositories.c.used_bytes).where(
            repositories.c.name == repository
        )
    ).one_or_none()
    used = row.used_bytes if row else 0
    if used + size <= quota:
        return
    known = exists().where(
        references.c.repository == (row.id if row else None), references.c.child == digest
    )
    if not connection.execute(select(known)).scalar_one():
        raise Denied(
            f"`{repository}` may hold {quota} bytes and would hold {used + size}",
            detail={"quota": quota, "used": used, "asked": size},
        )


def check_drop(connection: Connection, repository: str, name: str) -> None:
    """See that no tag that must not move goes.

    Raises:
        Denied: one would.
    """
    id_ = rows.repository_id(connection, repository)
    names = [name]
    if is_digest(name):
        names = list(
            connection.scalars(
                select(tags.c.name).where(tags.c.repository == id_, tags.c.digest == name)
            )
        )
    rule = rows.rule_for(connection, repository)
    for tag in names:
        if rule.fixes(tag):
            raise Denied(
                f"the tag `{tag}` of `{repository}` is set and must not move",
                detail={"tag": tag, "immutable": rule.immutable},
            )


def check_blob(connection: Connection, repository: str, digest: Digest) -> None:
    """See that nothing that is known refers to a blob.

    Raises:
        Denied: a manifest does.
    """
    id_ = rows.repository_id(connection, repository)
    referred = connection.execute(
        select(exists().where(references.c.repository == id_, references.c.child == digest))
    ).scalar_one()
    if referred:
        raise Denied(f"a manifest of `{repository}` refers to `{digest}`")


def forget(connection: Connection, repository: str, name: str) -> bool:
    """Forget a tag, or a manifest with its tags; whether it was known."""
    row = rows.hold(connection, repository)
    if row is None:
        return False
    if not is_digest(name):
        done = connection.execute(
            delete(tags).where(tags.c.repository == row.id, tags.c.name == name)
        )
        return done.rowcount > 0
    found = connection.execute(
        select(manifests.c.media_type, documents.c.body)
        .join(documents, documents.c.digest == manifests.c.digest)
        .where(manifests.c.repository == row.id, manifests.c.digest == name)
    ).one_or_none()
    if found is None:
        return False
    body = bytes(found.body)
    try:
        manifest = parse_manifest(body, found.media_type)
    except ManifestError:
        freed = len(body)
    else:
        placed = Placed(repository=repository, digest=Digest(name), body=body, manifest=manifest)
        freed = _bytes_of(connection, row.id, placed)
    for table, column in ((tags, tags.c.digest), (references, references.c.parent)):
        connection.execute(delete(table).where(table.c.repository == row.id, column == name))
    connection.execute(
        delete(manifests).where(manifests.c.repository == row.id, manifests.c.digest == name)
    )
    described.forget(connection, row.id, Digest(name))
    admissions.forget(connection, row.id, name)
    _count(connection, row.id, row.used_bytes - freed)
    return True


def upstream_of(connection: Connection) -> str:
    """The upstream that this database belongs to; empty if the Hub keeps its bytes itself."""
    found = connection.execute(
        select(settings.c.value).where(settings.c.name == _UPSTREAM)
    ).scalar_one_or_none()
    return bytes(found).decode() if found is not None else ""


def bind(connection: Connection, upstream: str) -> str:
    """Let the database belong to an upstream, or to none; what it belonged to before.

    Raises:
        HubError: it has content whose bytes are elsewhere.
    """
    before = upstream_of(connection)
    if before and not upstream:
        raise HubError(
            f"this Hub stands before `{before}`, which has the bytes of all that it knows",
            code="hub.upstream",
            hint=f"start it with --upstream {before}, or give another --state and --database",
        )
    if upstream and not before:
        kept = connection.execute(select(exists().where(links.c.digest != ""))).scalar_one()
        if kept:
            raise HubError(
                "this Hub keeps its bytes itself, and cannot stand before another registry",
                code="hub.upstream",
                hint="give another --state and --database, and copy what is in this one",
            )
        connection.execute(insert(settings).values(name=_UPSTREAM, value=upstream.encode()))
    elif upstream != before:
        connection.execute(
            update(settings).where(settings.c.name == _UPSTREAM).values(value=upstream.encode())
        )
    return before
