"""The graph of dependencies: from an artifact to what it needs, and to what uses it.

Edges are those of agent definitions, and from an index to its members. A graph is walked level by
level, because it is shallow; it ends at :data:`MAX_NODES`, and says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Select, select

from remit.hub.catalog.ports import Edge, Item, Reach, Sees, Use
from remit.hub.store.catalog import COLUMNS, JOINED, SLICE, among, items, seen
from remit.hub.store.tables import edges, manifests, references

MAX_NODES = 10_000
MEMBER = "member"
"""The role of what an index lists."""


def needs(connection: Connection, digest: str, sees: Sees | None) -> Reach:
    """Everything that can be reached from ``digest``, itself included."""
    ids = seen(connection, sees)
    met, level = {digest}, [digest]
    found: dict[tuple[str, str, str], Edge] = {}
    while level and len(met) <= MAX_NODES:
        fresh = [*_edges_of(connection, level, ids), *_members_of(connection, level, ids)]
        for edge in fresh:
            found.setdefault((edge.subject, edge.role, edge.name), edge)
        level = list(dict.fromkeys(e.digest for e in fresh if e.digest and e.digest not in met))
        met |= set(level)
    return Reach(
        edges=tuple(found.values()),
        items=_items_of(connection, met, ids),
        whole=not level,
    )


def uses(connection: Connection, digest: str, sees: Sees | None) -> list[Use]:
    """Everything from which ``digest`` can be reached."""
    ids = seen(connection, sees)
    met, level = {digest}, [digest]
    found: list[Use] = []
    while level and len(met) <= MAX_NODES:
        fresh = [*_users_of(connection, level, ids), *_indexes_of(connection, level, ids)]
        found += fresh
        level = list(dict.fromkeys(e.item.digest for e in fresh if e.item.digest not in met))
        met |= set(level)
    return found


def _parts(values: Iterable[str]) -> list[list[str]]:
    whole = list(values)
    return [whole[at : at + SLICE] for at in range(0, len(whole), SLICE)]


def _edges_of(
    connection: Connection, subjects: Sequence[str], ids: list[int] | None
) -> Iterable[Edge]:
    for part in _parts(subjects):
        query = select(edges).where(edges.c.subject.in_(part), among(edges.c.repository, ids))
        order = (edges.c.subject, edges.c.role, edges.c.name, edges.c.repository)
        for row in connection.execute(query.order_by(*order)):
            yield Edge(
                subject=row.subject,
                role=row.role,
                name=row.name,
                digest=row.dependency,
                reference=row.reference,
            )


def _members_of(
    connection: Connection, parents: Sequence[str], ids: list[int] | None
) -> Iterable[Edge]:
    for part in _parts(parents):
        query = (
            select(references.c.parent, references.c.child)
            .where(references.c.parent.in_(part), references.c.role == "manifest")
            .where(among(references.c.repository, ids))
            .distinct()
            .order_by(references.c.parent, references.c.child)
        )
        for row in connection.execute(query):
            yield Edge(
                subject=row.parent, role=MEMBER, name=row.child, digest=row.child, reference=""
            )


def _items_of(
    connection: Connection, digests: Iterable[str], ids: list[int] | None
) -> dict[str, tuple[Item, ...]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for part in _parts(digests):
        query = select(*COLUMNS).select_from(JOINED).where(manifests.c.digest.in_(part))
        query = query.where(among(manifests.c.repository, ids)).order_by(manifests.c.pushed_us)
        for item in items(connection, connection.execute(query).all()):
            found[item.digest].append(item)
    return {digest: tuple(each) for digest, each in found.items()}


def _users_of(
    connection: Connection, digests: Sequence[str], ids: list[int] | None
) -> Iterable[Use]:
    """What names one of the digests as a dependency."""
    order = (manifests.c.pushed_us.desc(), manifests.c.digest, edges.c.role, edges.c.name)
    for part in _parts(digests):
        query = _naming(edges.c.subject, edges.c.dependency, edges.c.name)
        query = query.where(edges.c.dependency.in_(part), among(edges.c.repository, ids))
        yield from _uses(connection, query.order_by(*order))


def _indexes_of(
    connection: Connection, digests: Sequence[str], ids: list[int] | None
) -> Iterable[Use]:
    """Indexes that list one of the digests."""
    for part in _parts(digests):
        query = _naming(references.c.parent, references.c.child, references.c.child)
        query = query.where(references.c.child.in_(part), references.c.role == "manifest")
        query = query.where(among(references.c.repository, ids))
        for use in _uses(
            connection, query.order_by(manifests.c.pushed_us.desc(), manifests.c.digest)
        ):
            yield Use(item=use.item, role=MEMBER, name=use.name, digest=use.digest)


def _naming(subject: Column[Any], target: Column[Any], name: Column[Any]) -> Select[Any]:
    """Manifests with rows of a table, joined by ``subject``; ``target`` is what these name."""
    table = subject.table
    return (
        select(*COLUMNS, table.c.role, name.label("as_name"), target.label("used"))
        .select_from(JOINED)
        .join(
            table, (table.c.repository == manifests.c.repository) & (subject == manifests.c.digest)
        )
    )


def _uses(connection: Connection, query: Select[Any]) -> list[Use]:
    rows = connection.execute(query).all()
    return [
        Use(item=item, role=row.role, name=row.as_name, digest=row.used)
        for item, row in zip(items(connection, rows), rows, strict=True)
    ]
