"""MCP servers: those that have a tag, in the repository whose name theirs is."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, select

from remit.artifacts.servers import Server
from remit.hub.catalog.ports import Item, Listed, Sees
from remit.hub.store.catalog import COLUMNS, JOINED, SLICE, among, items, seen
from remit.hub.store.tables import manifests, server_names, servers, tags


def listed(connection: Connection, name: str, sees: Sees | None) -> list[Listed]:
    """Servers of that name with all that is known, or all with their names and versions only."""
    ids = seen(connection, sees)
    more = (servers.c.name.label("server_name"), servers.c.version.label("server_version"))
    body = (servers.c.body,) if name else ()
    query: Select[Any] = (
        select(*COLUMNS, *more, *body)
        .select_from(JOINED)
        .join(
            servers,
            (servers.c.repository == manifests.c.repository)
            & (servers.c.digest == manifests.c.digest),
        )
        .join(
            server_names,
            (server_names.c.name == servers.c.name)
            & (server_names.c.repository == servers.c.repository),
        )
        .where(among(manifests.c.repository, ids))
        .where(
            exists().where(
                tags.c.repository == manifests.c.repository, tags.c.digest == manifests.c.digest
            )
        )
        .order_by(servers.c.name, manifests.c.pushed_us.desc(), manifests.c.digest)
    )
    if name:
        query = query.where(servers.c.name == name)
    rows = connection.execute(query).all()
    return [
        Listed(
            item=item,
            server=msgspec.json.decode(row.body, type=Server)
            if name
            else Server(name=row.server_name, version=row.server_version),
        )
        for item, row in zip(items(connection, rows), rows, strict=True)
    ]


def bodies(connection: Connection, wanted: Sequence[Item]) -> list[Server]:
    """The servers in these artifacts, in their order; without those that are gone meanwhile."""
    found: dict[tuple[int, str], Server] = {}
    for at in range(0, len(wanted), SLICE):
        part = wanted[at : at + SLICE]
        query = select(servers.c.repository, servers.c.digest, servers.c.body).where(
            among(servers.c.repository, sorted({each.id for each in part})),
            servers.c.digest.in_({each.digest for each in part}),
        )
        for row in connection.execute(query):
            found[row.repository, row.digest] = msgspec.json.decode(row.body, type=Server)
    return [found[each.id, each.digest] for each in wanted if (each.id, each.digest) in found]
