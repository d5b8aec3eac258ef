"""Manifests, tags and what refers to what."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.referrers import referrer
from remit.core.digest import Digest
from remit.hub.registry.errors import Denied, Missing
from remit.hub.registry.ports import Placed, Stored
from remit.hub.store import admissions, blobs, described, rows
from remit.hub.store.tables import documents, links, manifests, references, repositories, tags

MAX_TEXT = 1000
MAX_TYPE = 255
MAX_COUNT = 2**63 - 1
"""What a database counts to; descriptors may claim more together."""
_TITLE = "org.opencontainers.image.title"
_DESCRIPTION = "org.opencontainers.image.description"
SLICE = 500
"""How many values one statement names; SQLite and PostgreSQL limit them."""


def put(connection: Connection, placed: Placed, by: str, now_us: int) -> None:
    """Store a manifest, its references and its tags.

    Raises:
        Missing: what it refers to is not in the repository.
        Denied: a tag that must not move, or the quota.
    """
    row = rows.hold(connection, placed.repository, create_us=now_us)
    assert row is not None
    _require(connection, row.id, placed, now_us)
    connection.execute(
        rows.insert_into(connection, documents)
        .values(digest=placed.digest, body=placed.body, stored_us=now_us)
        .on_conflict_do_update(index_elements=["digest"], set_={"stored_us": now_us})
    )
    known = connection.execute(
        update(manifests)
        .where(manifests.c.repository == row.id, manifests.c.digest == placed.digest)
        .values(touched_us=now_us)
    )
    if not known.rowcount:
        insert_row(connection, row.id, placed, by, now_us)
        rows.use(connection, placed.repository, row, len(placed.body))
    else:
        described.complete(connection, row.id, placed)
    for tag in placed.tags:
        _tag(connection, row.id, placed, tag, by, now_us)


def insert_row(connection: Connection, id_: int, placed: Placed, by: str, now_us: int) -> None:
    """Write down what a manifest is and what it refers to; its body is among the documents."""
    manifest = placed.manifest
    said = manifest.annotations
    title = placed.about.title or " ".join(
        each for each in (said.get(_TITLE), said.get(_DESCRIPTION)) if each
    )
    listed = referrer(manifest, placed.digest, len(placed.body))
    connection.execute(
        insert(manifests).values(
            repository=id_,
            digest=placed.digest,
            media_type=manifest.media_type,
            artifact_type=rows.storable(manifest.kind, MAX_TYPE),
            kind=placed.about.kind,
            title=rows.storable(title, MAX_TEXT),
            subject=manifest.subject.digest if manifest.subject else "",
            descriptor=msgspec.json.encode(listed),
            size=len(placed.body),
            total_bytes=min(MAX_COUNT, sum(each.size for each in manifest.blobs)),
            pushed_by=by,
            pushed_us=now_us,
            touched_us=now_us,
            **described.columns(placed, rows.storable(title, MAX_TEXT)),
        )
    )
    described.insert_rows(connection, id_, placed)
    children = {each.digest: "blob" for each in manifest.blobs}
    children.update({each.digest: "manifest" for each in manifest.manifests})
    if children:
        connection.execute(
            rows.insert_into(connection, references).on_conflict_do_nothing(),
            [
                {"repository": id_, "parent": placed.digest, "child": child, "role": role}
                for child, role in children.items()
            ],
        )


def _require(connection: Connection, id_: int, placed: Placed, now_us: int) -> None:
    """Everything that is referred to is here, and stays here while this transaction lasts."""
    wanted = sorted({each.digest for each in placed.manifest.blobs})
    missing = set(wanted)
    for part in _slices(wanted):
        missing -= set(
            connection.scalars(
                update(links)
                .where(links.c.repository == id_, links.c.digest.in_(part))
                .values(leased_us=now_us + blobs.LEASE_US)
                .returning(links.c.digest)
            )
        )
    children = sorted({each.digest for each in placed.manifest.manifests if not each.foreign})
    missing |= set(children)
    for part in _slices(children):
        missing -= set(
            connection.scalars(
                update(manifests)
                .where(manifests.c.repository == id_, manifests.c.digest.in_(part))
                .values(touched_us=now_us)
                .returning(manifests.c.digest)
            )
        )
    if missing:
        some = ", ".join(f"`{each}`" for each in sorted(missing)[:3])
        raise Missing(
            f"{len(missing)} parts of the manifest are not in `{placed.repository}`: {some}",
            detail={"digest": min(missing), "missing": len(missing)},
        )


def _slices(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[at : at + SLICE] for at in range(0, len(values), SLICE)]


def _tag(connection: Connection, id_: int, placed: Placed, tag: str, by: str, now_us: int) -> None:
    found = connection.execute(
        select(tags.c.digest).where(tags.c.repository == id_, tags.c.name == tag)
    ).scalar_one_or_none()
    if found == placed.digest:
        return
    if found is not None:
        _movable(connection, placed.repository, [tag])
    connection.execute(
        rows.insert_into(connection, tags)
        .values(repository=id_, name=tag, digest=placed.digest, moved_by=by, moved_us=now_us)
        .on_conflict_do_update(
            index_elements=["repository", "name"],
            set_={"digest": placed.digest, "moved_by": by, "moved_us": now_us},
        )
    )


def _movable(connection: Connection, repository: str, names: Sequence[str]) -> None:
    rule = rows.rule_for(connection, repository)
    for name in names:
        if rule.fixes(name):
            raise Denied(
                f"the tag `{name}` of `{repository}` is set and must not move",
                detail={"tag": name, "immutable": rule.immutable},
            )


def find(connection: Connection, repository: str, name: str) -> Stored | None:
    """The manifest with this tag or digest."""
    query: Select[tuple[str, str, bytes]] = select(
        manifests.c.digest, manifests.c.media_type, documents.c.body
    ).join(documents, documents.c.digest == manifests.c.digest)
    query = query.join(repositories, repositories.c.id == manifests.c.repository)
    query = query.where(repositories.c.name == repository)
    if is_digest(name):
        query = query.where(manifests.c.digest == name)
    else:
        query = query.join(
            tags,
            (tags.c.repository == manifests.c.repository) & (tags.c.digest == manifests.c.digest),
        ).where(tags.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Stored(digest=Digest(row.digest), media_type=row.media_type, body=bytes(row.body))


def drop(connection: Connection, repository: str, digest: Digest) -> bool:
    """Forget a manifest, its tags and its references.

    Raises:
        Denied: a tag of it must not move.
    """
    row = rows.hold(connection, repository)
    if row is None:
        return False
    named = list(
        connection.scalars(
            select(tags.c.name).where(tags.c.repository == row.id, tags.c.digest == digest)
        )
    )
    _movable(connection, repository, named)
    return forget(connection, repository, digest)


def forget(connection: Connection, repository: str, digest: Digest) -> bool:
    """Forget a manifest whatever its tags are."""
    row = rows.hold(connection, repository)
    assert row is not None
    size = connection.execute(
        delete(manifests)
        .where(manifests.c.repository == row.id, manifests.c.digest == digest)
        .returning(manifests.c.size)
    ).scalar_one_or_none()
    if size is None:
        return False
    connection.execute(delete(tags).where(tags.c.repository == row.id, tags.c.digest == digest))
    connection.execute(
        delete(references).where(references.c.repository == row.id, references.c.parent == digest)
    )
    described.forget(connection, row.id, digest)
    admissions.forget(connection, row.id, digest)
    rows.use(connection, repository, row, -size)
    return True


def drop_tag(connection: Connection, repository: str, tag: str) -> bool:
    """Forget a tag.

    Raises:
        Denied: it must not move.
    """
    row = rows.hold(connection, repository)
    if row is None:
        return False
    _movable(connection, repository, [tag])
    gone = connection.execute(delete(tags).where(tags.c.repository == row.id, tags.c.name == tag))
    return gone.rowcount > 0


def tag_names(connection: Connection, repository: str, last: str, count: int) -> list[str] | None:
    """Tags after ``last``."""
    id_ = rows.repository_id(connection, repository)
    if id_ is None:
        return None
    query = select(tags.c.name).where(tags.c.repository == id_, tags.c.name > last)
    return list(connection.scalars(query.order_by(tags.c.name).limit(count)))


def referrers(
    connection: Connection,
    repository: str,
    subject: Digest,
    artifact_type: str,
    last: str,
    count: int,
) -> list[Descriptor]:
    """Manifests about ``subject`` after the digest ``last``."""
    query = (
        select(manifests.c.descriptor)
        .join(repositories, repositories.c.id == manifests.c.repository)
        .where(repositories.c.name == repository, manifests.c.subject == subject)
        .where(manifests.c.digest > last)
    )
    if artifact_type:
        query = query.where(manifests.c.artifact_type == artifact_type[:MAX_TYPE])
    found = connection.scalars(query.order_by(manifests.c.digest).limit(count))
    return [msgspec.json.decode(each, type=Descriptor) for each in found]


def repository_names(connection: Connection, last: str, count: int) -> list[str]:
    """Names of repositories after ``last``."""
    query = select(repositories.c.name).where(repositories.c.name > last)
    return list(connection.scalars(query.order_by(repositories.c.name).limit(count)))
