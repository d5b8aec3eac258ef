"""A session over pipes: a client's standard streams and a server's process."""

import asyncio
import os
from typing import BinaryIO

from remit.core.event import Agent
from remit.guard.config import ServerConfig
from remit.guard.mcp.flow import Flow
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.pipes import Client, Server
from remit.guard.mcp.session import Limits, Parties, Session

CLOSE_GRACE_S = 5.0
DRAIN_S = 2.0
MAX_BACKLOG = 16 << 20


class StdioSession:
    """Owns both ends. Belongs to the event loop's thread.

    Attributes:
        session: what goes on between them.
        done: set it to end the session; it is set when the client goes.
    """

    def __init__(
        self, parties: Parties, agent: Agent, config: ServerConfig, limits: Limits
    ) -> None:
        self.done = asyncio.Event()
        self._config = config
        # The session needs the ends, the ends need the session: they meet when a line comes.
        self._client = Client(limits.client_bytes, self._from_client, self.done.set)
        self._server = Server(limits.server_bytes, self._from_server, self._gone)
        self._flow = Flow()
        self.session = Session(
            parties,
            agent,
            limits,
            to_client=self._client.send,
            to_server=self._server.send,
            stuck=lambda: self._flow.stalled or self._server.backlog >= MAX_BACKLOG,
        )
        pressures = self._flow.connect(self._client, self._server)
        self._client.on_pressure, self._server.on_pressure = pressures

    def _from_client(self, line: Line | Overlong) -> None:
        self.session.from_client(line)

    def _from_server(self, line: Line | Overlong) -> None:
        self.session.from_server(line)

    def _gone(self, reason: str) -> None:
        self.session.server_gone(reason)

    @property
    def server_pid(self) -> int:
        """Process id of the server; 0 before it runs."""
        return self._server.pid

    async def start(self, errors: BinaryIO | None) -> None:
        """Start the server; what it says on its standard error goes to ``errors``.

        Raises:
            GuardError: it cannot be started.
        """
        config = self._config
        environment = {**os.environ, **config.env}
        await self._server.start(config.command, environment, str(config.cwd), errors)

    async def serve(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Serve the client until it goes or ``done`` is set, then stop the server."""
        try:
            await self._client.open(source, sink)
            await self.done.wait()
            await self.session.close(CLOSE_GRACE_S)
            await self._client.drain(DRAIN_S)
        finally:
            await self._server.stop()

    def close(self) -> None:
        """Close the client's streams, for a process that goes on without them."""
        self._client.close()
