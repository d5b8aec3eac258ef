"""MCP servers: those that have a tag, in the repository whose name theirs is."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from remit.artifacts.servers import Server
from remit.hub.catalog.ports import Listed, Offer, Sees
from remit.hub.store.catalog import COLUMNS, JOINED, SLICE, among, items, seen
from remit.hub.store.tables import manifests, repositories, server_names, servers, tags

_SERVERS = (servers.c.repository == manifests.c.repository) & (
    servers.c.digest == manifests.c.digest
)


def offers(connection: Connection, name: str, sees: Sees | None) -> list[Offer]:
    """Servers of that name, or all; by name, the last that was pushed first."""
    ids = seen(connection, sees)
    tagged = (
        select(func.max(tags.c.moved_us))
        .where(tags.c.repository == servers.c.repository, tags.c.digest == servers.c.digest)
        .scalar_subquery()
    )
    query = (
        select(
            servers.c.repository,
            repositories.c.name.label("at"),
            servers.c.digest,
            servers.c.name,
            servers.c.version,
            manifests.c.pushed_us,
            tagged.label("tagged_us"),
        )
        .select_from(JOINED)
        .join(servers, _SERVERS)
        .join(
            server_names,
            (server_names.c.name == servers.c.name)
            & (server_names.c.repository == servers.c.repository),
        )
        .where(among(servers.c.repository, ids), tagged.is_not(None))
        .order_by(servers.c.name, manifests.c.pushed_us.desc(), servers.c.digest)
    )
    if name:
        query = query.where(servers.c.name == name)
    return [
        Offer(
            id=id_,
            repository=at,
            digest=digest,
            name=own,
            version=version,
            pushed_us=pushed,
            updated_us=max(pushed, moved),
        )
        for id_, at, digest, own, version, pushed, moved in connection.execute(query)
    ]


def listed(
    connection: Connection, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], Listed]:
    """The servers in these artifacts; without those that are gone meanwhile."""
    found: dict[tuple[int, str], Listed] = {}
    for at in range(0, len(keys), SLICE):
        query = (
            select(*COLUMNS, servers.c.body)
            .select_from(JOINED)
            .join(servers, _SERVERS)
            .where(tuple_(servers.c.repository, servers.c.digest).in_(keys[at : at + SLICE]))
        )
        rows = connection.execute(query).all()
        for item, row in zip(items(connection, rows), rows, strict=True):
            server = msgspec.json.decode(row.body, type=Server)
            found[item.id, item.digest] = Listed(item=item, server=server)
    return found
