"""The graph of dependencies: from an artifact to what it needs, and to what uses it.

Edges are those of agent definitions, and from an index to its members. A graph is walked level by
level, because it is shallow; it ends at :data:`MAX_NODES`, and says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

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


def _uses(connection: Connection, rows: Sequence[Any]) -> list[Use]:
    return [
        Use(item=item, role=row.role, name=row.as_name, digest=row.used)
        for item, row in zip(items(connection, rows), rows, strict=True)
    ]


def _users_of(
    connection: Connection, digests: Sequence[str], ids: list[int] | None
) -> Iterable[Use]:
    for part in _parts(digests):
        query = (
            select(
                *COLUMNS, edges.c.role, edges.c.name.label("as_name"),
                edges.c.dependency.label("used"),
            )
            .select_from(JOINED)
            .join(
                edges,
                (edges.c.repository == manifests.c.repository)
                & (edges.c.subject == manifests.c.digest),
            )
            .where(edges.c.dependency.in_(part), among(edges.c.repository, ids))
            .order_by(manifests.c.pushed_us.desc(), manifests.c.digest, edges.c.role, edges.c.name)
        )  # fmt: skip
        yield from _uses(connection, connection.execute(query).all())


def _indexes_of(
    connection: Connection, digests: Sequence[str], ids: list[int] | None
) -> Iterable[Use]:
    for part in _parts(digests):
        query = (
            select(
                *COLUMNS, references.c.role, references.c.child.label("as_name"),
                references.c.child.label("used"),
            )
            .select_from(JOINED)
            .join(
                references,
                (references.c.repository == manifests.c.repository)
                & (references.c.parent == manifests.c.digest),
            )
            .where(references.c.child.in_(part), references.c.role == "manifest")
            .where(among(references.c.repository, ids))
            .order_by(manifests.c.pushed_us.desc(), manifests.c.digest)
        )  # fmt: skip
        for use in _uses(connection, connection.execute(query).all()):
            yield Use(item=use.item, role=MEMBER, name=use.name, digest=use.digest)
