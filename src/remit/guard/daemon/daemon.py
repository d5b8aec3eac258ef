"""The Guard of a machine: its servers under policy, and the sessions it has.

Rules:

1. Command, environment and directory of a server come from the configuration, whoever asks.
2. A reload takes effect as a whole or not at all: every server's policy is compiled before the
   first one is replaced. Calls in flight go on; what waits for a person is asked again.
3. A session ends when its client, its server, its hand-over socket or Guard ends.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from remit.attest.cipher import SubjectCipher
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.facts.usage import Usage
from remit.guard.approvals.desk import Desk
from remit.guard.approvals.invitations import Invitations
from remit.guard.approvals.notify import Notices, Notifier
from remit.guard.config import Config
from remit.guard.daemon.questions import Questions
from remit.guard.daemon.sessions import Sessions
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer, out_of_force
from remit.guard.ledger import Ledger
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
        config, bundle: in force; None before the first :meth:`reload`.
        servers: by their names.
        suspended: why everything is denied; empty if it is not.
        reloaded: how the last reload went.
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
        self.ledger = ledger
        self.clock = clock
        self.place = place
        self._connect = connect
        self.servers: dict[str, GovernedServer] = {}
        self.bundle: Bundle | None = None
        self.reloaded: dict[str, Any] = {}
        self._renewing: set[asyncio.Task[None]] = set()
        self.suspended = ""
        self._tried = ""
        self._looking = False
        self.address = ""
        self.log_since_us = clock.now_us()
        self.started_us = clock.now_us()
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
            lambda: self.bundle.entities if self.bundle else Directory(),
        )
        self.invitations = Invitations(self.desk, ledger, clock)

        self.notices = Notices((), ledger, clock, lambda: self.address)
        self.desk.tell = self.notices.tell

    def _policy_of(self, server: str) -> Policy | None:
        found = self.servers.get(server)
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
                    server, bundle, usage, self.ledger, self.clock, self.place.pins
                )
                for name, server in config.servers.items()
                if name not in self.servers or self.servers[name].config != server
            }
            ready = {
                name: (fresh.get(name) or self.servers[name]).prepare(bundle)
                for name in config.servers
            }
        except RemitError as error:
            self._note_reload(ok=False, code=error.code, problem=printable(error.message, 600))
            raise
        except Exception as error:
            problem = f"{type(error).__name__} while reading the configuration"
            self._note_reload(ok=False, code="guard.reload_failed", problem=problem)
            raise GuardError(problem, code="guard.reload_failed") from error
        self._usage, self.bundle, self.config = usage, bundle, config
        self.suspended = ""
        kept = {name: self.servers[name] for name in config.servers if name not in fresh}
        gone = self.servers.keys() - kept.keys()
        self.servers = {**kept, **fresh}
        self.notices.notifiers = self.notify(config)
        opinion = self.opine(config)
        self.admission = self.admits(config)
        for name, prepared in ready.items():
            self.servers[name].adopt(bundle, prepared, usage)
            self.servers[name].guard.opinion = opinion
            self.servers[name].guard.approvals = self.desk
        self.sessions.replaced(gone)
        self._note_reload(ok=True, servers=len(self.servers), serial=bundle.serial)

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
        if source is None or watch is None or (said is None and not self.suspended):
            return
        if said is not None and not self.suspended:
            self.suspended = said.error().message
            for server in self.servers.values():
                server.suspend(out_of_force(self.suspended))
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
        if self.suspended and (newest != self._tried or source.withdrawal() is None):
            self._tried = newest
            self.reload_quietly()

    def _note_reload(self, **what: Any) -> None:
        for kind, body in self.source.drain() if self.source is not None else ():
            with contextlib.suppress(RemitError):
                self.ledger.note(kind, **body)
        self.reloaded = {"time_us": self.clock.now_us(), **what}
        with contextlib.suppress(RemitError):
            self.ledger.note("guard.reload", **what)

    # --- sessions -------------------------------------------------------------------------------

    def server(self, name: str) -> GovernedServer:
        """The governed server called ``name``.

        Raises:
            GuardError: there is none.
        """
        found = self.servers.get(name)
        if found is None:
            known = {key: server.config for key, server in self.servers.items()}
            Config(bundle=None, state=None, servers=known).server(name)
        assert found is not None
        return found

    def connect(
        self, server: GovernedServer, agent: Agent, user: str, errors: BinaryIO | None = None
    ) -> Connect:
        """How sessions reach a server; what it says on its error stream goes there, or nowhere."""
        return self._connect(server, agent, user, errors)
