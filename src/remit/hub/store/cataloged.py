"""The :class:`~remit.hub.catalog.ports.Catalog` port over a database."""

from collections.abc import Sequence

from remit.artifacts.servers import Server
from remit.hub.catalog.ports import Found, Item, Listed, Query, Reach, Sees, Use
from remit.hub.store import catalog, graph, servers
from remit.hub.store.database import Database


class SqlCatalog:
    """The catalogue, in SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, query: Query, sees: Sees | None) -> Sequence[Item]:
        """A page of artifacts."""
        return await self._database.look(lambda c: catalog.search(c, query, sees))

    async def find(self, repository: str, name: str) -> Found | None:
        """The artifact with this tag or digest."""
        return await self._database.look(lambda c: catalog.find(c, repository, name))

    async def needs(self, digest: str, sees: Sees | None) -> Reach:
        """Everything that an artifact needs."""
        return await self._database.look(lambda c: graph.needs(c, digest, sees))

    async def uses(self, digest: str, sees: Sees | None) -> Sequence[Use]:
        """What uses an artifact."""
        return await self._database.look(lambda c: graph.uses(c, digest, sees))

    async def servers(self, name: str, sees: Sees | None) -> Sequence[Listed]:
        """MCP servers."""
        return await self._database.look(lambda c: servers.listed(c, name, sees))

    async def server_bodies(self, items: Sequence[Item]) -> Sequence[Server]:
        """The MCP servers in these artifacts."""
        return await self._database.look(lambda c: servers.bodies(c, items))
