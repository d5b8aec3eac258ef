"""A session whose client is at our pipes."""

import asyncio
from typing import BinaryIO

from remit.core.event import Agent
from remit.guard.mcp.flow import Flow
from remit.guard.mcp.framing import Line, Overlong
from remit.guard.mcp.messages import Message, encode
from remit.guard.mcp.pipes import Client
from remit.guard.mcp.session import Limits, Parties, Session
from remit.guard.mcp.upstream import BarredError, Connect

CLOSE_GRACE_S = 5.0
DRAIN_S = 2.0
MAX_BACKLOG = 16 << 20


class StdioSession:
    """Owns both ends. Belongs to the event loop's thread.

    Attributes:
        session: what goes on between them.
        done: set it to end the session; it is set when the client goes.
    """

    def __init__(self, parties: Parties, agent: Agent, limits: Limits, connect: Connect) -> None:
        scope = f"{agent.id} {agent.process} {parties.user}" if agent.process else ""
        self.done = asyncio.Event()
        # The session needs the ends, the ends need the session: they meet when a line comes.
        self._client = Client(limits.client_bytes, self._from_client, self.done.set)
        self._server = connect(self._from_server, self._gone)
        self._flow = Flow()
        self.session = Session(
            parties,
            agent,
            limits,
            to_client=self._to_client,
            to_server=self._server.send,
            stuck=lambda: self._flow.stalled or self._server.backlog >= MAX_BACKLOG,
            scope=scope,
        )
        pressures = self._flow.connect(self._client, self._server)
        self._client.on_pressure, self._server.on_pressure = pressures
        self._server.on_barred = self.session.bar

    def _from_client(self, line: Line | Overlong) -> None:
        self.session.from_client(line)

    def _from_server(self, line: Line | Overlong) -> None:
        self.session.from_server(line)

    def _to_client(self, message: Message) -> None:
        self._client.send(encode(message))

    def _gone(self, reason: str) -> None:
        self.session.server_gone(reason)

    async def start(self) -> None:
        """Connect to the server, or to what answers in the place of one that is barred.

        Raises:
            GuardError: it cannot be reached or started.
        """
        try:
            await self._server.start()
        except BarredError as barred:
            self.session.barred = barred.decision

    async def serve(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Serve the client until it goes or ``done`` is set, then let the server go."""
        try:
            await self._client.open(source, sink)
            await self.done.wait()
            await self.session.close(CLOSE_GRACE_S)
            await self._client.drain(DRAIN_S)
        finally:
            await self._server.stop()

    async def close(self) -> None:
        """Let both ends go, however far the session came; for a process that goes on."""
        self._client.close()
        self.session.parties.memories.left(self.session.state)
        await self._server.stop()
