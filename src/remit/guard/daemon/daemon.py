"""The Guard of a machine: what its socket can ask, and the sessions it has.

Rules:

1. What a peer may do is decided by the kernel's word for who it is; it names a server and nothing
   else. Command, environment and directory of the server come from the configuration.
2. A reload takes effect as a whole or not at all: every server's policy is compiled before the
   first one is replaced. Calls in flight go on; what waits for a person is asked again.
3. A session ends when its client, its server, its hand-over socket or Guard ends.
"""

import asyncio
import contextlib
import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from remit import __version__
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.facts.usage import Usage
from remit.guard.config import Config
from remit.guard.daemon.protocol import (
    SIGN_OF_LIFE,
    Hello,
    ended,
    granted,
    parse_hello,
    refused,
)
from remit.guard.daemon.questions import Questions
from remit.guard.daemon.unix import Caller, Peer
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer
from remit.guard.identity import ancestors, identify
from remit.guard.ledger import Ledger
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.session import Limits, Parties
from remit.guard.mcp.stdio import StdioSession
from remit.guard.paths import Place
from remit.policy.bundle import Bundle

SIGN_OF_LIFE_S = 2.0
MAX_SESSIONS = 4096
STREAMS = 3

Load = Callable[[], tuple[Config, Bundle]]


class Live:
    """A session as ``status`` shows it, and how it is ended."""

    def __init__(
        self, server: str, agent: Agent, user: str, since_us: int, link: StdioSession
    ) -> None:
        self.server = server
        self.agent = agent
        self.user = user
        self.since_us = since_us
        self.link = link

    def shown(self) -> dict[str, Any]:
        """One line of ``status``."""
        session = self.link.session
        return {
            "id": session.id,
            "server": self.server,
            "agent": session.agent.id,
            "user": self.user,
            "transport": "stdio",
            "era": str(session.era),
            "calls": session.state.calls,
            "in_flight": len(session.calls),
            "since_us": self.since_us,
        }


class Daemon:
    """See the module's text. Belongs to the event loop's thread.

    Attributes:
        stopping: set when Guard is asked to end.
        questions: confirmations that wait for a person.
    """

    def __init__(
        self,
        load: Load,
        usage: Usage,
        ledger: Ledger,
        clock: Clock,
        place: Place,
        limits: Limits,
    ) -> None:
        self._load = load
        self._usage = usage
        self._ledger = ledger
        self._clock = clock
        self._place = place
        self._limits = limits
        self._servers: dict[str, GovernedServer] = {}
        self._bundle: Bundle | None = None
        self._live: dict[str, Live] = {}
        self._peers: set[Caller] = set()
        self._catalogs: set[Catalog] = set()
        self._reloaded: dict[str, Any] = {}
        self._started_us = clock.now_us()
        self._quiet = asyncio.Condition()
        self.stopping = asyncio.Event()
        self.questions = Questions(clock)

    @property
    def usage(self) -> Usage:
        """The counters of the limits in force."""
        return self._usage

    def reload(self) -> None:
        """Read configuration, bundle and pins again, and put them in force as a whole.

        Raises:
            RemitError: something does not check; what was in force stays.
        """
        try:
            config, bundle = self._load()
            usage = Usage(bundle.limits)
            usage.load(self._usage.dump())
            fresh = {
                name: GovernedServer(
                    server, bundle, usage, self._ledger, self._clock, self._place.pins
                )
                for name, server in config.servers.items()
                if name not in self._servers or self._servers[name].config != server
            }
            ready = {
                name: (fresh.get(name) or self._servers[name]).prepare(bundle)
                for name in config.servers
            }
        except RemitError as error:
            self._note_reload(ok=False, code=error.code, problem=printable(error.message, 600))
            raise
        self._usage, self._bundle = usage, bundle
        kept = {name: self._servers[name] for name in config.servers if name not in fresh}
        ended = self._servers.keys() - kept.keys()
        self._servers = {**kept, **fresh}
        for name, prepared in ready.items():
            self._servers[name].adopt(bundle, prepared, usage)
        for catalog in self._catalogs:
            catalog.stale()
        for live in self._live.values():
            if live.server in ended:
                live.link.done.set()
        self._note_reload(ok=True, servers=len(self._servers), serial=bundle.serial)

    def reload_quietly(self) -> None:
        """:meth:`reload` for a signal; a refusal is recorded and shown by ``status``."""
        with contextlib.suppress(RemitError):
            self.reload()

    def _note_reload(self, **what: Any) -> None:
        self._reloaded = {"time_us": self._clock.now_us(), **what}
        with contextlib.suppress(RemitError):
            self._ledger.note("guard.reload", **what)

    async def keep_alive(self) -> None:
        """Tell the hand-over sockets that Guard lives, for as long as it does."""
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_S)
            for caller in self._peers:
                caller.say_now(SIGN_OF_LIFE)

    async def handle(self, caller: Caller) -> None:
        """One connection to the socket."""
        try:
            hello = parse_hello(caller.line)
            if hello.op == "mcp":
                await self._session(caller, hello)
                return
            answer = granted(**self._control(hello, caller.peer))
        except RemitError as error:
            answer = refused(error)
        await caller.say(answer)

    def _control(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        if peer.uid not in {0, os.getuid()}:
            raise GuardError(f"`{peer.user}` may not control this Guard", code="guard.not_yours")
        match hello.op:
            case "status":
                return self.status()
            case "reload":
                self.reload()
                return {"reload": self._reloaded}
            case "stop":
                self.stopping.set()
                return {}
            case "questions":
                return {"questions": self.questions.listing()}
            case _:
                return self._answer(hello, peer)

    def _answer(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        """A person's word on a question; the agents that wait for it have none."""
        asking = {live.agent.executable for live in self._live.values()} - {""}
        if any(process.executable in asking for process in ancestors(peer.pid)):
            self._ledger.note("confirmation.refused", question=hello.question, pid=peer.pid)
            raise GuardError(
                "an agent cannot confirm a call",
                code="guard.agent_answers",
                hint="run this command in a terminal of your own",
            )
        if not self.questions.answer(hello.question, yes=hello.yes):
            raise GuardError(f"no question `{hello.question}` is open", code="guard.no_question")
        self._ledger.note(
            "confirmation.answer", question=hello.question, yes=hello.yes, user=peer.user
        )
        return {}

    # --- sessions -------------------------------------------------------------------------------

    def _server(self, name: str) -> GovernedServer:
        found = self._servers.get(name)
        if found is None:
            known = {key: server.config for key, server in self._servers.items()}
            Config(bundle=None, state=None, servers=known).server(name)
        assert found is not None
        return found

    async def _session(self, caller: Caller, hello: Hello) -> None:
        try:
            server = self._server(hello.server)
            if len(caller.descriptors) != STREAMS:
                raise GuardError("the standard streams did not come", code="guard.no_streams")
            if len(self._live) >= MAX_SESSIONS or self.stopping.is_set():
                raise GuardError("Guard takes no more sessions", code="guard.busy")
            agent = identify(ancestors(caller.peer.pid))
            live = self._open(server, agent, caller.peer)
            source, sink, errors = _streams(caller.descriptors)
            caller.descriptors.clear()
        except RemitError as error:
            self._ledger.note(
                "session.refused",
                server=printable(hello.server, 100),
                code=error.code,
                pid=caller.peer.pid,
                user=caller.peer.user,
            )
            await caller.say(refused(error))
            return
        link, reason = live.link, ""
        watch: asyncio.Task[None] | None = None
        try:
            with source, sink, errors:
                await link.start(errors)
                await caller.say(granted(session=link.session.id))
                self._peers.add(caller)
                watch = asyncio.get_running_loop().create_task(self._watch(caller, link))
                await link.serve(source, sink)
                reason = link.session.gone
                await caller.say(ended(1 if reason else 0, reason))
        except RemitError as error:
            reason = error.message
            await caller.say(refused(error))
        finally:
            if watch is not None:
                watch.cancel()
            self._peers.discard(caller)
            link.close()
            self._close(live, reason)
            async with self._quiet:
                self._quiet.notify_all()

    @staticmethod
    async def _watch(caller: Caller, link: StdioSession) -> None:
        await caller.gone()
        link.done.set()

    def _open(self, server: GovernedServer, agent: Agent, peer: Peer) -> Live:
        catalog = Catalog(server.config.id, server, self._ledger)
        parties = Parties(
            guard=server.guard,
            ledger=self._ledger,
            clock=self._clock,
            catalog=catalog,
            user=peer.user,
            terminal=self.questions,
        )
        link = StdioSession(parties, agent, server.config, self._limits)
        live = Live(server.config.id, agent, peer.user, self._clock.now_us(), link)
        self._live[link.session.id] = live
        self._catalogs.add(catalog)
        self._ledger.note(
            "session.start",
            session=link.session.id,
            server=server.config.id,
            actor={"agent": printable(agent.id, 100), "user": printable(peer.user, 100)},
            pid=peer.pid,
        )
        return live

    def _close(self, live: Live, reason: str) -> None:
        session = live.link.session
        self._live.pop(session.id, None)
        self._catalogs.discard(session.parties.catalog)
        with contextlib.suppress(RemitError):
            self._ledger.note(
                "session.end",
                session=session.id,
                server=live.server,
                calls=session.state.calls,
                detail=printable(reason, 300),
            )

    async def end_sessions(self, grace_s: float) -> None:
        """Ask every session to end, and wait for that."""
        for live in self._live.values():
            live.link.done.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s), self._quiet:
                await self._quiet.wait_for(lambda: not self._live)

    # --- what is shown --------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Everything that ``remit guard status`` shows."""
        log = self._ledger.log
        bundle = self._bundle
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since_us": self._started_us,
            "state": str(self._place.state),
            "policy": {
                "name": bundle.name if bundle else "",
                "version": bundle.version if bundle else "",
                "serial": bundle.serial if bundle else 0,
                "mode": bundle.mode if bundle else "",
                "digest": bundle.digest if bundle else "",
                "reload": self._reloaded,
            },
            "log": {
                "origin": log.origin,
                "records": log.size,
                "durable": log.durable_size,
                "signed": log.signed_size,
                "unanchored_records": log.size,
                "poisoned": log.poisoned.message if log.poisoned else "",
            },
            "servers": [self._shown(server) for _, server in sorted(self._servers.items())],
            "sessions": [live.shown() for live in self._live.values()],
            "questions": len(self.questions.listing()),
        }

    def _shown(self, server: GovernedServer) -> dict[str, Any]:
        name = server.config.id
        problem = ""
        try:
            pinned = server.pins.get(name)
        except RemitError as error:
            pinned, problem = None, error.message
        return {
            "id": name,
            "transport": "stdio",
            "command": list(server.config.command),
            "tools": len(pinned.tools) if pinned else 0,
            "pinned": pinned is not None,
            "sessions": sum(live.server == name for live in self._live.values()),
            "problem": problem,
        }


def _streams(descriptors: list[int]) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
    source, sink, errors = descriptors
    return io.FileIO(source, "rb"), io.FileIO(sink, "wb"), io.FileIO(errors, "wb")
