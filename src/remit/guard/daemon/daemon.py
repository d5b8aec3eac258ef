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
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from remit import __version__
from remit.attest.cipher import SubjectCipher
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.facts.usage import Usage
from remit.guard.approvals.desk import Desk
from remit.guard.approvals.invitations import Invitations
from remit.guard.approvals.notify import Notices, Notifier
from remit.guard.approvals.operations import OPERATIONS, answer
from remit.guard.config import Config, ServerConfig
from remit.guard.daemon.protocol import (
    SIGN_OF_LIFE,
    Hello,
    ended,
    granted,
    parse_hello,
    refused,
)
from remit.guard.daemon.questions import Questions
from remit.guard.daemon.sessions import Origin, Sessions
from remit.guard.daemon.unix import Caller, Peer
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer, out_of_force
from remit.guard.identity import ancestors, identify, lineage
from remit.guard.ledger import Ledger
from remit.guard.mcp.session import Limits
from remit.guard.mcp.stdio import StdioSession
from remit.guard.mcp.upstream import Connect
from remit.guard.opinion import Opinion
from remit.guard.paths import Place
from remit.guard.store.approvals import ApprovalStore
from remit.policy.bundle import Bundle, Directory
from remit.policy.policy import Policy

if TYPE_CHECKING:
    from remit.guard.admission.admission import Admission
    from remit.guard.admission.bundles import BundleSource
    from remit.guard.admission.running import Stopped
    from remit.guard.admission.watch import Watch

SIGN_OF_LIFE_S = 2.0
STREAMS = 3

ConnectTo = Callable[[GovernedServer, Agent, str, BinaryIO | None], Connect]
"""How the upstream of a session is made, for which agent and user; what the server says on its
error stream goes there."""

Load = Callable[[], tuple[Config, Bundle]]


class Daemon:
    """See the module's text. Belongs to the event loop's thread.

    Attributes:
        stopping: set when Guard is asked to end.
        opine: gives second opinions as the configuration says.
        notify: tells people that a call waits for them, likewise.
        admits: makes what admits artifacts, likewise.
        admission: admits artifacts; None if the configuration does not say by whose word.
        source: of the policy bundle, if it is an artifact; whoever loads sets it.
        watch: asks Hubs what they withdrew.
        config: the configuration in force.
        questions: confirmations that wait for a person.
        sessions: those that go on.
        desk: where people approve.
        invitations: how passkeys are enrolled.
        address: URL of the HTTP listener, empty without one.
        log_since_us: time of the log's first record.
    """

    def __init__(
        self,
        load: Load,
        usage: Usage,
        ledger: Ledger,
        clock: Clock,
        place: Place,
        limits: Limits,
        connect: ConnectTo,
    ) -> None:
        self.opine: Callable[[Config], Opinion | None] = lambda _config: None
        self.admits: Callable[[Config], Admission | None] = lambda _config: None
        self.admission: Admission | None = None
        self.source: BundleSource | None = None
        self.watch: Watch | None = None
        self.config: Config | None = None
        self.notify: Callable[[Config], Sequence[Notifier]] = lambda _config: ()
        self._load = load
        self._usage = usage
        self._ledger = ledger
        self._clock = clock
        self._place = place
        self._limits = limits
        self._connect = connect
        self._servers: dict[str, GovernedServer] = {}
        self._bundle: Bundle | None = None
        self._peers: set[Caller] = set()
        self._reloaded: dict[str, Any] = {}
        self._renewing: set[asyncio.Task[None]] = set()
        self._suspended = ""
        self._tried = ""
        self._looking = False
        self.address = ""
        self.log_since_us = clock.now_us()
        self._started_us = clock.now_us()
        self.stopping = asyncio.Event()
        self.questions = Questions(clock)
        self.sessions = Sessions(ledger, clock, self.questions)
        self.desk = Desk(
            ApprovalStore(
                place.state / "approvals.db",
                SubjectCipher(place.state / "keys" / "subjects", entropy=os.urandom),
            ),
            ledger,
            clock,
            self._policy_of,
            lambda: self._bundle.entities if self._bundle else Directory(),
        )
        self.invitations = Invitations(self.desk, ledger, clock)

        self.notices = Notices((), ledger, clock, lambda: self.address)
        self.desk.tell = self.notices.tell

    def _policy_of(self, server: str) -> Policy | None:
        found = self._servers.get(server)
        return found.policy if found else None

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
        except Exception as error:
            problem = f"{type(error).__name__} while reading the configuration"
            self._note_reload(ok=False, code="guard.reload_failed", problem=problem)
            raise GuardError(problem, code="guard.reload_failed") from error
        self._usage, self._bundle, self.config = usage, bundle, config
        self._suspended = ""
        kept = {name: self._servers[name] for name in config.servers if name not in fresh}
        gone = self._servers.keys() - kept.keys()
        self._servers = {**kept, **fresh}
        self.notices.notifiers = self.notify(config)
        opinion = self.opine(config)
        self.admission = self.admits(config)
        for name, prepared in ready.items():
            self._servers[name].adopt(bundle, prepared, usage)
            self._servers[name].guard.opinion = opinion
            self._servers[name].guard.approvals = self.desk
        self.sessions.replaced(gone)
        self._note_reload(ok=True, servers=len(self._servers), serial=bundle.serial)

    async def renew(self) -> None:
        """:meth:`reload`, after the registry was asked for the newest policy bundle.

        Raises:
            RemitError: something does not check; what was in force stays.
        """
        if self.source is not None:
            await self.source.refresh()
        self.reload()

    def reload_quietly(self) -> None:
        """:meth:`reload`; a refusal is recorded and shown by ``status``."""
        with contextlib.suppress(RemitError):
            self.reload()

    def renew_quietly(self) -> None:
        """:meth:`renew` for a signal; a refusal is recorded and shown by ``status``."""

        async def work() -> None:
            if self.source is not None:
                await self.source.refresh()
            self.reload_quietly()

        self._spawn(work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    # --- withdrawals ----------------------------------------------------------------------------

    def watched(self, watch: "Watch") -> None:
        """Act on what a watch hears of Hubs."""
        self.watch = watch
        watch.stopped = self._withdrawn
        watch.bundle = self._look_at_policy

    def _withdrawn(self, what: "Stopped") -> None:
        """A server was stopped because its Hub withdrew what it was started from."""
        if self.admission is not None:
            self.admission.stopped(what)

    def _look_at_policy(self) -> None:
        """Take the policy out of force if its bundle was withdrawn, and look for a newer one.

        An older one is never loaded: until there is a newer one everything is denied.
        """
        source, watch = self.source, self.watch
        said = source.withdrawal() if source is not None else None
        if source is None or watch is None or (said is None and not self._suspended):
            return
        if said is not None and not self._suspended:
            self._suspended = said.error().message
            for server in self._servers.values():
                server.suspend(out_of_force(self._suspended))
            watch.unloaded(said)
            self._tried = source.newest()
        if not self._looking:
            self._looking = True
            self._spawn(self._look_for_newer(source))

    async def _look_for_newer(self, source: "BundleSource") -> None:
        try:
            await source.refresh()
        finally:
            self._looking = False
        newest = source.newest()
        # What was refused is not looked at every minute.
        if self._suspended and (newest != self._tried or source.withdrawal() is None):
            self._tried = newest
            self.reload_quietly()

    def _note_reload(self, **what: Any) -> None:
        for kind, body in self.source.drain() if self.source is not None else ():
            with contextlib.suppress(RemitError):
                self._ledger.note(kind, **body)
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
            said = granted(**await self._control(hello, caller.peer))
        except RemitError as error:
            said = refused(error)
        await caller.say(said)

    async def _control(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        if peer.uid not in {0, os.getuid()}:
            raise GuardError(f"`{peer.user}` may not control this Guard", code="guard.not_yours")
        if hello.op in OPERATIONS:
            self._not_an_agent(hello, peer)
            return await answer(self.desk, self.invitations, hello, peer)
        match hello.op:
            case "status":
                return self.status()
            case "reload":
                await self.renew()
                return {"reload": self._reloaded}
            case "stop":
                self.stopping.set()
                return {}
            case "questions":
                return {"questions": self.questions.listing()}
            case _:
                return self._answer(hello, peer)

    def _not_an_agent(self, hello: Hello, peer: Peer) -> None:
        """What people decide, the agents that wait for it do not."""
        asking = self.sessions.executables()
        line = lineage(peer.pid)
        if line is None or not line[0].executable or any(p.executable in asking for p in line):
            self._ledger.note(
                "confirmation.refused",
                op=hello.op,
                question=printable(hello.question or hello.request, 60),
                pid=peer.pid,
            )
            raise GuardError(
                "an agent cannot confirm or approve a call",
                code="guard.agent_answers",
                hint="run this command in a terminal of your own",
            )

    def _answer(self, hello: Hello, peer: Peer) -> dict[str, Any]:
        """A person's word on a question."""
        self._not_an_agent(hello, peer)
        if not self.questions.is_open(hello.question):
            name = printable(hello.question, 40)
            raise GuardError(f"no question `{name}` is open", code="guard.no_question")
        # A word that cannot be recorded is none.
        self._ledger.note(
            "confirmation.answer", question=hello.question, yes=hello.yes, user=peer.user
        )
        self.questions.answer(hello.question, yes=hello.yes)
        return {}

    # --- sessions -------------------------------------------------------------------------------

    def server(self, name: str) -> GovernedServer:
        """The governed server called ``name``.

        Raises:
            GuardError: there is none.
        """
        found = self._servers.get(name)
        if found is None:
            known = {key: server.config for key, server in self._servers.items()}
            Config(bundle=None, state=None, servers=known).server(name)
        assert found is not None
        return found

    def connect(self, server: GovernedServer, agent: Agent, user: str) -> Connect:
        """How sessions over HTTP reach a server; what it says on its error stream is dropped."""
        return self._connect(server, agent, user, None)

    async def _session(self, caller: Caller, hello: Hello) -> None:
        try:
            server = self.server(hello.server)
            if len(caller.descriptors) != STREAMS:
                raise GuardError("the standard streams did not come", code="guard.no_streams")
            parties = self.sessions.parties(server, caller.peer.user)
            agent = identify(ancestors(caller.peer.pid))
            source, sink, errors = _streams(caller.descriptors)
        except RemitError as error:
            await self._turn_away(caller, hello, error)
            return
        connect = self._connect(server, agent, parties.user, errors)
        link = StdioSession(parties, agent, self._limits, connect)
        with source, sink, errors:
            try:
                await self._serve(caller, link, source, sink)
            except RemitError as error:
                await self._turn_away(caller, hello, error)
            finally:
                await link.close()

    async def _turn_away(self, caller: Caller, hello: Hello, error: RemitError) -> None:
        self._ledger.note(
            "session.refused",
            server=printable(hello.server, 100),
            code=error.code,
            pid=caller.peer.pid,
            user=printable(caller.peer.user, 100),
        )
        await caller.say(refused(error))

    async def _serve(
        self, caller: Caller, link: StdioSession, source: BinaryIO, sink: BinaryIO
    ) -> None:
        """Run a session to its end.

        Raises:
            RemitError: it could not begin.
        """
        origin = Origin(transport="stdio", user=caller.peer.user, pid=caller.peer.pid)
        live = self.sessions.add(link.session, origin, link.done.set)
        watch = asyncio.get_running_loop().create_task(_watch(caller, link))
        try:
            await link.start()
            await caller.say(granted(session=link.session.id))
            self._peers.add(caller)
            await link.serve(source, sink)
            reason = link.session.gone
            await caller.say(ended(1 if reason else 0, reason))
        finally:
            watch.cancel()
            self._peers.discard(caller)
            await self.sessions.remove(live, link.session.gone)

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
            "http": self.address,
            "approvals": f"{self.desk.party.origin}/approvals" if self.desk.party else "",
            "policy": {
                "name": bundle.name if bundle else "",
                "version": bundle.version if bundle else "",
                "serial": bundle.serial if bundle else 0,
                "mode": bundle.mode if bundle else "",
                "digest": bundle.digest if bundle else "",
                "problem": self.source.problem if self.source else "",
                "withdrawn": self._suspended,
                "reload": self._reloaded,
            },
            "log": {
                "origin": log.origin,
                "records": self._ledger.accepted,
                "durable": log.durable_size,
                "signed": log.signed_size,
                "unanchored_records": log.size,
                "unanchored_seconds": self._unanchored_s(),
                "poisoned": log.poisoned.message if log.poisoned else "",
            },
            "withdrawals": self.watch.shown() if self.watch else {},
            "servers": [self._shown(server) for _, server in sorted(self._servers.items())],
            "sessions": self.sessions.listing(),
            "questions": len(self.questions.listing()),
        }

    def _unanchored_s(self) -> int:
        """Age of the oldest record that nobody outside of this machine has seen."""
        return max(0, self._clock.now_us() - self.log_since_us) // 1_000_000

    def _shown(self, server: GovernedServer) -> dict[str, Any]:
        name = server.config.id
        problem = ""
        try:
            pinned = server.pins.get(name)
        except RemitError as error:
            pinned, problem = None, error.message
        return {
            "id": name,
            "transport": "http" if server.config.url else "stdio",
            "command": list(server.config.command),
            "url": server.config.url,
            "artifact": self._artifact(server.config),
            "tools": len(pinned.tools) if pinned else 0,
            "pinned": pinned is not None,
            "sessions": self.sessions.count(name),
            "problem": problem,
        }

    def _artifact(self, config: ServerConfig) -> dict[str, Any]:
        """What a server is started from, and what was last said of that; empty if it is none."""
        if not config.artifact:
            return {}
        known = self.admission.known.get(config.id) if self.admission else None
        return {
            "reference": config.artifact,
            "admitted": known.admitted if known else None,
            "time_us": known.time_us if known else 0,
            "digest": known.digest if known else "",
            "code": known.code if known else "",
            "problem": known.problem if known else "",
        }


async def _watch(caller: Caller, link: StdioSession) -> None:
    await caller.gone()
    link.done.set()


def _streams(descriptors: list[int]) -> tuple[BinaryIO, BinaryIO, BinaryIO]:
    """Files of the descriptors; each that becomes one is taken out of the list.

    Raises:
        GuardError: one of them is no stream.
    """
    made: list[io.FileIO] = []
    try:
        for mode in ("rb", "wb", "wb"):
            made.append(io.FileIO(descriptors[0], mode))
            descriptors.pop(0)
    except OSError as error:
        for file in made:
            file.close()
        raise GuardError("a standard stream is no stream", code="guard.bad_streams") from error
    source, sink, errors = made
    return source, sink, errors
