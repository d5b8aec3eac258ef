"""What must hold between the tables, asked page by page; nothing is changed."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, exists, func, select

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.digests import algorithm_of, digest_of
from remit.artifacts.oci.manifest import parse_manifest
from remit.core.digest import Digest
from remit.hub.store.tables import (
    blobs,
    documents,
    links,
    manifests,
    references,
    repositories,
    tags,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it must be.

    Attributes:
        code: which rule is broken, stable.
        where: repository, digest or tag.
        text: what is wrong, for a person.
        harmless: it costs space, or a counter is wrong; nothing is lost or false.
    """

    code: str
    where: str
    text: str
    harmless: bool = False


def manifest_page(
    connection: Connection, last: tuple[int, str], count: int
) -> tuple[list[Problem], tuple[int, str] | None, int]:
    """Check the manifests after ``last``; problems, the last one looked at, how many."""
    found = connection.execute(
        select(
            manifests.c.repository,
            manifests.c.digest,
            manifests.c.media_type,
            repositories.c.name,
            documents.c.body,
        )
        .join(repositories, repositories.c.id == manifests.c.repository)
        .outerjoin(documents, documents.c.digest == manifests.c.digest)
        .where(
            (manifests.c.repository > last[0])
            | ((manifests.c.repository == last[0]) & (manifests.c.digest > last[1]))
        )
        .order_by(manifests.c.repository, manifests.c.digest)
        .limit(count)
    ).all()
    problems = [problem for row in found for problem in _manifest(connection, row)]
    return problems, (found[-1].repository, found[-1].digest) if found else None, len(found)


def _manifest(connection: Connection, row: Any) -> Iterator[Problem]:
    id_, digest, body = row.repository, row.digest, row.body
    where = f"{row.name}@{digest}"
    if body is None:
        yield Problem(code="manifest.missing", where=where, text="its bytes are not there")
        return
    if digest_of(bytes(body), algorithm_of(Digest(digest))) != digest:
        yield Problem(code="manifest.changed", where=where, text="its bytes have another digest")
        return
    try:
        manifest = parse_manifest(bytes(body), row.media_type)
    except ManifestError as error:
        yield Problem(code="manifest.malformed", where=where, text=error.message)
        return
    wanted = {each.digest: each.size for each in manifest.blobs}
    there = {
        row.digest: row.size
        for row in connection.execute(
            select(blobs.c.digest, blobs.c.size)
            .join(links, links.c.digest == blobs.c.digest)
            .where(links.c.repository == id_, blobs.c.doomed_us == 0)
            .where(blobs.c.digest.in_(wanted))
        )
    }
    for blob in sorted(wanted):
        if blob not in there:
            yield Problem(code="blob.unlinked", where=where, text=f"`{blob}` is not there")
    children = {each.digest for each in manifest.manifests if not each.foreign}
    known = set(
        connection.scalars(
            select(manifests.c.digest).where(
                manifests.c.repository == id_, manifests.c.digest.in_(children)
            )
        )
    )
    for child in sorted(children - known):
        yield Problem(code="manifest.child", where=where, text=f"its child `{child}` is not there")
    noted = set(
        connection.scalars(
            select(references.c.child).where(
                references.c.repository == id_, references.c.parent == digest
            )
        )
    )
    for lost in sorted((set(wanted) | children) - noted):
        yield Problem(code="reference.missing", where=where, text=f"`{lost}` is not noted")


def dangling_tags(connection: Connection) -> list[Problem]:
    """Tags of manifests that are not there."""
    there = exists().where(
        manifests.c.repository == tags.c.repository, manifests.c.digest == tags.c.digest
    )
    found = connection.execute(
        select(repositories.c.name, tags.c.name.label("tag"), tags.c.digest)
        .join(repositories, repositories.c.id == tags.c.repository)
        .where(~there)
    )
    return [
        Problem(
            code="tag.dangling",
            where=f"{row.name}:{row.tag}",
            text=f"its manifest `{row.digest}` is not there",
        )
        for row in found
    ]


def wrong_sums(connection: Connection) -> list[Problem]:
    """Repositories whose counted bytes are not those they hold."""
    linked = (
        select(links.c.repository, func.sum(blobs.c.size).label("total"))
        .join(blobs, blobs.c.digest == links.c.digest)
        .group_by(links.c.repository)
        .subquery()
    )
    held = (
        select(manifests.c.repository, func.sum(manifests.c.size).label("total"))
        .group_by(manifests.c.repository)
        .subquery()
    )
    total = func.coalesce(linked.c.total, 0) + func.coalesce(held.c.total, 0)
    found = connection.execute(
        select(repositories.c.name, repositories.c.used_bytes, total.label("total"))
        .outerjoin(linked, linked.c.repository == repositories.c.id)
        .outerjoin(held, held.c.repository == repositories.c.id)
        .where(repositories.c.used_bytes != total)
    )
    return [
        Problem(
            code="quota.sum",
            where=row.name,
            text=f"{row.used_bytes} bytes are counted and {row.total} are held",
            harmless=True,
        )
        for row in found
    ]


def blob_page(connection: Connection, last: str, count: int) -> list[tuple[Digest, int]]:
    """Blobs after ``last`` that somebody may see, and their sizes."""
    found = connection.execute(
        select(blobs.c.digest, blobs.c.size)
        .where(blobs.c.digest > last, blobs.c.doomed_us == 0)
        .order_by(blobs.c.digest)
        .limit(count)
    )
    return [(Digest(row.digest), row.size) for row in found]
