"""What is found out about an artifact when it is pushed: its words, its edges, its MCP server."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, exists, insert, select

from remit.core.digest import Digest
from remit.hub.registry.ports import Placed
from remit.hub.store import rows
from remit.hub.store.tables import edges, server_names, servers

MAX_COLUMN = 255
MAX_SEARCH = 4000


def columns(placed: Placed, title: str) -> dict[str, Any]:
    """The columns of a manifest's row for the catalogue."""
    about, manifest = placed.about, placed.manifest
    words = (placed.repository, title, about.name, about.version, about.kind, manifest.kind)
    return {
        "name": rows.storable(about.name, MAX_COLUMN),
        "version": rows.storable(about.version, MAX_COLUMN),
        "graph": about.graph,
        "search": rows.storable(" ".join(dict.fromkeys(filter(None, words))).lower(), MAX_SEARCH),
    }


def insert_rows(connection: Connection, id_: int, placed: Placed) -> None:
    """Keep edges and server of a manifest that is new in its repository."""
    about = placed.about
    if about.needs:
        connection.execute(
            insert(edges),
            [
                {
                    "repository": id_,
                    "subject": placed.digest,
                    "role": need.role,
                    "name": need.name,
                    "dependency": need.digest,
                    "reference": need.reference,
                }
                for need in about.needs
            ],
        )
    if about.server is not None:
        connection.execute(
            rows.insert_into(connection, server_names)
            .values(name=about.server.name, repository=id_)
            .on_conflict_do_nothing(index_elements=["name"])
        )
        connection.execute(
            insert(servers).values(
                repository=id_,
                digest=placed.digest,
                name=about.server.name,
                version=about.server.version,
                body=msgspec.json.encode(about.server),
            )
        )


def forget(connection: Connection, id_: int, digest: Digest) -> None:
    """Forget them; the name of a server is free when its repository has none of it any more."""
    connection.execute(delete(edges).where(edges.c.repository == id_, edges.c.subject == digest))
    name = connection.execute(
        delete(servers)
        .where(servers.c.repository == id_, servers.c.digest == digest)
        .returning(servers.c.name)
    ).scalar_one_or_none()
    if name is not None:
        left = exists(select(1).where(servers.c.repository == id_, servers.c.name == name))
        connection.execute(
            delete(server_names).where(
                server_names.c.name == name, server_names.c.repository == id_, ~left
            )
        )
