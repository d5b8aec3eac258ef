"""The sessions of a Guard, whatever they came by: recorded, counted, shown, ended."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer
from remit.guard.ledger import Ledger
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.confirm import Asker
from remit.guard.mcp.session import Parties, Session
from remit.guard.memory import Memories

MAX_SESSIONS = 4096


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session came from, for records and ``status``.

    Attributes:
        transport: ``stdio`` or ``http``.
        user: on whose behalf.
        pid: of the peer; 0 if it is not a process of this machine.
        credential: by which the caller was known; never a secret.
    """

    transport: str
    user: str
    pid: int = 0
    credential: str = ""


class Live(msgspec.Struct, kw_only=True):
    """One session that goes on."""

    server: str
    session: Session
    origin: Origin
    since_us: int
    end: Callable[[], None]

    def shown(self) -> dict[str, Any]:
        """One line of ``status``."""
        session = self.session
        return {
            "id": session.id,
            "server": self.server,
            "agent": session.agent.id,
            "user": self.origin.user,
            "transport": self.origin.transport,
            "era": str(session.era),
            "calls": session.state.calls,
            "in_flight": len(session.calls),
            "since_us": self.since_us,
        }


class Sessions:
    """Belongs to the event loop's thread."""

    def __init__(self, ledger: Ledger, clock: Clock, asker: Asker) -> None:
        self._ledger = ledger
        self._clock = clock
        self._asker = asker
        self._live: dict[str, Live] = {}
        self._quiet = asyncio.Condition()
        self._closed = False
        self._memories = Memories()

    def parties(self, server: GovernedServer, user: str) -> Parties:
        """What a new session of ``server`` is made of.

        Raises:
            GuardError: no more sessions are taken.
        """
        if self._closed or len(self._live) >= MAX_SESSIONS:
            raise GuardError("Guard takes no more sessions", code="guard.busy")
        return Parties(
            guard=server.guard,
            ledger=self._ledger,
            clock=self._clock,
            catalog=Catalog(server.config.id, server, self._ledger),
            user=user,
            terminal=self._asker,
            memories=self._memories,
        )

    def add(self, session: Session, origin: Origin, end: Callable[[], None]) -> Live:
        """Record that a session begins; ``end`` asks it to stop.

        Raises:
            RemitError: it cannot be recorded, so it may not begin.
        """
        server = session.parties.catalog.server
        self._ledger.note(
            "session.start",
            session=session.id,
            server=server,
            actor={
                "agent": printable(session.agent.id, 100),
                "user": printable(origin.user, 100),
            },
            transport=origin.transport,
            pid=origin.pid,
            credential=printable(origin.credential, 200),
        )
        live = Live(
            server=server,
            session=session,
            origin=origin,
            since_us=self._clock.now_us(),
            end=end,
        )
        self._live[session.id] = live
        return live

    async def remove(self, live: Live, reason: str) -> None:
        """Record that a session ended."""
        self._live.pop(live.session.id, None)
        with contextlib.suppress(RemitError):
            self._ledger.note(
                "session.end",
                session=live.session.id,
                server=live.server,
                calls=live.session.state.calls,
                detail=printable(reason, 300),
            )
        async with self._quiet:
            self._quiet.notify_all()

    def replaced(self, ended: Collection[str]) -> None:
        """Another bundle is in force: look at every list again; sessions of ``ended`` stop."""
        for live in list(self._live.values()):
            live.session.parties.catalog.stale()
            if live.server in ended:
                live.end()

    async def end_all(self, grace_s: float) -> None:
        """Take no more sessions, ask every one to end, and wait for that."""
        self._closed = True
        for live in list(self._live.values()):
            live.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s), self._quiet:
                await self._quiet.wait_for(lambda: not self._live)

    def executables(self) -> frozenset[str]:
        """Programs of the agents that have a session on this machine."""
        found = {live.session.agent.executable for live in self._live.values()}
        return frozenset(found - {""})

    def count(self, server: str) -> int:
        """How many sessions ``server`` has."""
        return sum(live.server == server for live in self._live.values())

    def listing(self) -> list[dict[str, Any]]:
        """What ``status`` shows."""
        return [live.shown() for live in self._live.values()]
