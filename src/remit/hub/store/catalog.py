"""Listing and searching artifacts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Select,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.manifest import Descriptor
from remit.core.digest import Digest
from remit.hub.catalog.ports import Found, Item, Query, Sees
from remit.hub.patterns import matches
from remit.hub.store.tables import admissions, documents, manifests, repositories, tags

MAX_REFERRERS = 1000
SLICE = 500
_KEYS = {
    "pushed": manifests.c.pushed_us,
    "repository": repositories.c.name,
    "size": manifests.c.total_bytes,
    "kind": manifests.c.kind,
}
COLUMNS = (
    manifests.c.repository.label("id"),
    repositories.c.name.label("repository_name"),
    manifests.c.digest,
    manifests.c.media_type,
    manifests.c.artifact_type,
    manifests.c.kind,
    manifests.c.name,
    manifests.c.version,
    manifests.c.title,
    manifests.c.graph,
    manifests.c.subject,
    manifests.c.size,
    manifests.c.total_bytes,
    manifests.c.pushed_by,
    manifests.c.pushed_us,
)
JOINED = manifests.join(repositories, repositories.c.id == manifests.c.repository)


def seen(connection: Connection, sees: Sees | None, pattern: str = "") -> list[int] | None:
    """Ids of the repositories that are seen and that ``pattern`` means; ``None`` for all."""
    if sees is None and not pattern:
        return None
    query = select(repositories.c.id, repositories.c.name)
    if pattern and "*" not in pattern:
        query = query.where(repositories.c.name == pattern)
    return [
        row.id
        for row in connection.execute(query)
        if (sees is None or sees(row.name)) and (not pattern or matches(pattern, row.name))
    ]


def among(column: Column[Any], ids: list[int] | None) -> ColumnElement[bool]:
    """Whether ``column`` is one of ``ids``.

    They are written into the statement, as they are the database's own numbers: there may be more
    than a database takes as parameters, and each parameter costs more than its digits.
    """
    if ids is None:
        return true()
    if not ids:
        return false()
    numbers = ",".join([format(each, "d") for each in ids])
    return literal_column(f'"{column.table.name}"."{column.name}" IN ({numbers})', Boolean)


def search(connection: Connection, query: Query, sees: Sees | None) -> list[Item]:
    """A page, and one row more if there is another."""
    ids = seen(connection, sees, query.repository)
    if ids == []:
        return []
    wanted: Select[Any] = select(*COLUMNS).select_from(JOINED)
    if ids is not None:
        wanted = wanted.where(among(manifests.c.repository, ids))
    tagged = exists().where(
        tags.c.repository == manifests.c.repository, tags.c.digest == manifests.c.digest
    )
    for word in query.words:
        named = tagged.where(func.lower(tags.c.name).contains(word, autoescape=True))
        said = manifests.c.search.contains(word, autoescape=True)
        begun = manifests.c.digest.startswith(word, autoescape=True)
        wanted = wanted.where(or_(said, begun, named))
    if query.kinds:
        wanted = wanted.where(manifests.c.kind.in_(query.kinds))
    if query.states:
        wanted = wanted.where(_in_state(query.states))
    if query.digest:
        wanted = wanted.where(manifests.c.digest == query.digest)
    if query.tagged is not None:
        wanted = wanted.where(tagged if query.tagged else ~tagged)
    if not query.referrers:
        wanted = wanted.where(or_(manifests.c.subject == "", manifests.c.kind != ""))
    key = _KEYS[query.sort.removeprefix("-")]
    order = (key, manifests.c.repository, manifests.c.digest)
    down = query.sort.startswith("-")
    if query.after is not None:
        last = tuple_(query.after.key, query.after.repository, query.after.digest)
        wanted = wanted.where(tuple_(*order) < last if down else tuple_(*order) > last)
    wanted = wanted.order_by(*(each.desc() if down else each for each in order))
    return items(connection, connection.execute(wanted.limit(query.limit + 1)).all())


def _in_state(states: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether the gate says one of these of a manifest; without a row it is quarantined."""
    row = exists().where(
        admissions.c.repository == manifests.c.repository,
        admissions.c.digest == manifests.c.digest,
    )
    found = row.where(admissions.c.state.in_(states))
    return or_(found, ~row) if "quarantined" in states else found


def items(connection: Connection, found: Sequence[Any]) -> list[Item]:
    """Rows of :data:`COLUMNS` with their tags."""
    named: dict[tuple[int, str], list[str]] = defaultdict(list)
    keys = list(dict.fromkeys((row.id, row.digest) for row in found))
    for at in range(0, len(keys), SLICE):
        query = select(tags.c.repository, tags.c.digest, tags.c.name).where(
            tuple_(tags.c.repository, tags.c.digest).in_(keys[at : at + SLICE])
        )
        for row in connection.execute(query.order_by(tags.c.name)):
            named[row.repository, row.digest].append(row.name)
    return [
        Item(
            id=row.id,
            repository=row.repository_name,
            digest=Digest(row.digest),
            media_type=row.media_type,
            artifact_type=row.artifact_type,
            kind=row.kind,
            name=row.name,
            version=row.version,
            title=row.title,
            graph=row.graph,
            subject=row.subject,
            size=row.size,
            total=row.total_bytes,
            pushed_by=row.pushed_by,
            pushed_us=row.pushed_us,
            tags=tuple(named.get((row.id, row.digest), ())),
        )
        for row in found
    ]


def find(connection: Connection, repository: str, name: str) -> Found | None:
    """The artifact with this tag or digest."""
    query = (
        select(*COLUMNS, documents.c.body)
        .select_from(JOINED)
        .join(documents, documents.c.digest == manifests.c.digest)
        .where(repositories.c.name == repository)
    )
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
    about = connection.scalars(
        select(manifests.c.descriptor)
        .where(manifests.c.repository == row.id, manifests.c.subject == row.digest)
        .order_by(manifests.c.digest)
        .limit(MAX_REFERRERS)
    )
    return Found(
        item=items(connection, [row])[0],
        body=bytes(row.body),
        referrers=tuple(msgspec.json.decode(each, type=Descriptor) for each in about),
    )
