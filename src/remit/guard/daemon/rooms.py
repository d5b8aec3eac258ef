"""Conversations of callers over HTTP, from their first request to their end."""

import asyncio
import contextlib
import secrets
from typing import Protocol, TypeVar

import msgspec

from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.guard.callers.base import Caller
from remit.guard.daemon.metrics import render
from remit.guard.daemon.sessions import Live, Origin, Sessions
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer
from remit.guard.http.conversations import BARRED_S, Conversation, SharedConversation
from remit.guard.ledger import Ledger
from remit.guard.mcp.session import Limits
from remit.guard.mcp.upstream import Connect

LEGACY_IDLE_S = 1800.0
SHARED_IDLE_S = 600.0
SWEEP_S = 15.0
MAX_PER_CALLER = 64
MAX_NOTED_PER_MINUTE = 60
MINUTE_S = 60.0
_C = TypeVar("_C", bound=Conversation)


class House(Protocol):
    """What the daemon has that conversations need."""

    sessions: Sessions

    def server(self, name: str) -> GovernedServer:
        """A governed server; raises ``GuardError``."""
        ...

    def connect(self, server: GovernedServer, agent: Agent, user: str) -> Connect:
        """How it is reached, for whom."""
        ...


class HttpRooms:
    """See :class:`remit.guard.http.app.Rooms`. Belongs to the event loop's thread."""

    def __init__(
        self,
        house: House,
        ledger: Ledger,
        limits: Limits,
        *,
        legacy_idle_s: float = LEGACY_IDLE_S,
        shared_idle_s: float = SHARED_IDLE_S,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._house = house
        self._ledger = ledger
        self._limits = limits
        self._legacy_idle_s = legacy_idle_s
        self._shared_idle_s = shared_idle_s
        self._sweep_s = sweep_s
        # Sessions that are being opened, by caller: they count before they are there.
        self._begun: dict[str, int] = {}
        self._legacy: dict[str, tuple[str, Conversation]] = {}
        self._shared: dict[tuple[str, str], SharedConversation] = {}
        self._opening: dict[tuple[str, str], asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: dict[int, int] = {}
        self._noted = 0
        self._minute = 0.0

    async def open(self, server: str, caller: Caller) -> tuple[str, Conversation]:
        """A conversation of the legacy era, with a name nobody can guess.

        Raises:
            RemitError: the server is unknown or cannot be reached, or the caller has too many.
        """
        who = caller.identity
        same = sum(c.identity == who for _, c in self._legacy.values())
        begun = self._begun.get(who, 0)
        if same + begun >= MAX_PER_CALLER:
            raise GuardError("this caller has too many sessions", code="http.too_many")
        self._begun[who] = begun + 1
        try:
            conversation = await self._begin(server, caller, Conversation)
        finally:
            self._begun[who] -= 1
            if not self._begun[who]:
                del self._begun[who]
        name = secrets.token_urlsafe(32)
        self._legacy[name] = (server, conversation)
        return name, conversation

    async def shared(self, server: str, caller: Caller) -> SharedConversation:
        """The conversation of a caller's modern requests, begun with the first of them.

        Raises:
            RemitError: the server is unknown or cannot be reached.
        """
        self._house.server(server)
        key = (server, caller.identity)
        lock = self._opening.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._shared.get(key)
            if known is None or known.done.is_set() or known.session.gone:
                if known is not None:
                    known.done.set()
                known = await self._begin(server, caller, SharedConversation)
                self._shared[key] = known
            known.used = asyncio.get_running_loop().time()
            return known

    def serves(self, server: str) -> bool:
        """Whether a server of that name is configured."""
        try:
            self._house.server(server)
        except RemitError:
            return False
        return True

    def find(self, server: str, session: str, caller: Caller) -> Conversation | None:
        """A legacy conversation, if it is of this server and this caller."""
        place, conversation = self._legacy.get(session, ("", None))
        if conversation is None or place != server or conversation.identity != caller.identity:
            return None
        return None if conversation.session.gone else conversation

    async def _begin(self, name: str, caller: Caller, kind: type[_C]) -> _C:
        server = self._house.server(name)
        parties = self._house.sessions.parties(server, caller.user)
        agent = msgspec.structs.replace(caller.agent, on_behalf_of=caller.on_behalf_of)
        connect = self._house.connect(server, agent, caller.user)
        conversation = kind(parties, agent, self._limits, connect, caller.identity)
        origin = Origin(
            transport="http", user=caller.user, credential=f"{caller.how}:{caller.credential}"
        )
        live = self._house.sessions.add(conversation.session, origin, conversation.done.set)
        try:
            await conversation.start()
        except BaseException:
            await conversation.close()
            await self._house.sessions.remove(live, "it could not begin")
            raise
        loop = asyncio.get_running_loop()
        if conversation.session.barred is not None:
            # The next request after that asks anew whether the server may be started.
            loop.call_later(BARRED_S, conversation.done.set)
        task = loop.create_task(self._keep(conversation, live))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return conversation

    async def _keep(self, conversation: Conversation, live: Live) -> None:
        """Wait for the end of a conversation and clear up behind it."""
        await conversation.done.wait()
        for name, (_, known) in list(self._legacy.items()):
            if known is conversation:
                del self._legacy[name]
        for key, shared in list(self._shared.items()):
            if shared is conversation:
                del self._shared[key]
                self._opening.pop(key, None)
        await conversation.close()
        await self._house.sessions.remove(live, conversation.session.gone)

    def refused(self, server: str, status: int, code: str, caller: Caller | None) -> None:
        """Count a request that went no further, and record it.

        Of strangers some are recorded every minute, lest anybody who reaches the port fills the
        disk; of callers all are.
        """
        self._refused[status] = self._refused.get(status, 0) + 1
        if caller is None:
            now = asyncio.get_running_loop().time()
            if now - self._minute >= MINUTE_S:
                self._minute, self._noted = now, 0
            self._noted += 1
            if self._noted > MAX_NOTED_PER_MINUTE:
                return
        with contextlib.suppress(RemitError):
            self._ledger.note(
                "http.refused",
                server=printable(server, 100),
                status=status,
                code=code,
                credential=printable(caller.credential, 200) if caller else "",
            )

    def ready(self) -> bool:
        """Whether calls can be judged and recorded."""
        return self._ledger.log.poisoned is None

    def metrics(self) -> str:
        """Metrics in the Prometheus text format."""
        return render(self._ledger, self._house.sessions, self._refused)

    async def sweep(self) -> None:
        """End conversations that nobody used for long."""
        while True:
            await asyncio.sleep(self._sweep_s)
            now = asyncio.get_running_loop().time()
            for _, conversation in list(self._legacy.values()):
                if conversation.idle and now - conversation.used > self._legacy_idle_s:
                    conversation.done.set()
            for shared in list(self._shared.values()):
                if shared.idle and now - shared.used > self._shared_idle_s:
                    shared.done.set()
