"""The composition root of the Guard: the only place that wires its ports to the machine."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from remit.attest.cipher import SubjectCipher
from remit.attest.keys import LogKey
from remit.audit.clock import SystemClock, boot_id
from remit.audit.log import Log, directory_of
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.ids import EntropyPool, ulid
from remit.core.text import printable
from remit.facts.usage import Usage
from remit.guard import paths
from remit.guard.config import Config, JudgeConfig, ServerConfig
from remit.guard.errors import GuardError
from remit.guard.governed import GovernedServer, out_of_force
from remit.guard.identity import current_agent, current_user
from remit.guard.ledger import Ledger
from remit.guard.mcp.catalog import Catalog
from remit.guard.mcp.confirm import Terminal
from remit.guard.mcp.session import Limits, Parties
from remit.guard.mcp.stdio import StdioSession
from remit.guard.mcp.upstream import (
    Connect,
    OnExit,
    OnLine,
    ProcessUpstream,
    Resolve,
    process,
)
from remit.guard.opinion import LlmJudge
from remit.guard.recovery import close_orphans, restore, save_snapshot
from remit.guard.store.secrets import Secrets
from remit.policy.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    from remit.artifacts.oci.review import Withdrawals
    from remit.guard.admission.admission import Admission
    from remit.guard.admission.bundles import BundleSource
    from remit.guard.admission.copies import Copies
    from remit.guard.admission.running import Running
    from remit.guard.admission.watch import Watch
    from remit.guard.admission.withdrawn import Withdrawn

WITHDRAWN = "withdrawn"
"""Where, below what Guards of a user share, it is remembered what Hubs have withdrawn."""
COPIES = "run"
"""Where, below the state directory, copies of large artifacts are while they run."""

EXIT_OK = 0
EXIT_DENIED = 1
EXIT_UNREACHABLE = 5


class ExecOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``remit mcp exec`` was asked to do.

    Attributes:
        server: what to start.
        bundle: directory of the policy bundle; None if ``config`` names an artifact.
        judge: a model that gives second opinions.
        config: that the server is of, if it is of one.
        state: exact state directory, or ``None`` for a lane below the user's.
        terminal: device for confirmations when the client has no elicitation.
        limits: bounds of the session.
    """

    server: ServerConfig
    bundle: Path | None
    state: Path | None = None
    judge: JudgeConfig | None = None
    config: Config | None = None
    terminal: Path | None = None
    limits: Limits = Limits()


def open_log(state: Path, clock: SystemClock) -> Log:
    """Open the log of a state directory, with keys made on first use.

    Raises:
        RemitError: keys or log cannot be used.
    """
    keys = state / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_file = keys / "log.key"
    if key_file.exists():
        key = LogKey.load(key_file)
    else:
        key = LogKey.generate(
            key_file, f"remit.guard/{ulid(clock.now_us(), os.urandom(10)).lower()}"
        )
    return Log.open(
        directory_of(state, key.name),
        key,
        clock,
        cipher=SubjectCipher(keys / "subjects", entropy=EntropyPool(os.urandom)),
        entropy=EntropyPool(os.urandom),
        boot=boot_id(),
    )


def no_bundle(path: Path | None) -> GuardError:
    """What is said when there is no policy to be in force."""
    where = f"there is no policy bundle at `{path}`" if path else "no policy bundle is given"
    return GuardError(
        where,
        code="config.no_bundle",
        hint="a bundle is a directory with a bundle.toml; `remit policy new` writes one",
    )


def _claim_descriptors() -> None:
    """Refuse to run without standard streams, before a file of ours takes one of their numbers.

    Raises:
        GuardError: standard input or output is closed.
    """
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            os.open(os.devnull, os.O_RDWR)
    if 0 in closed or 1 in closed:
        raise GuardError(
            "standard input or output is closed",
            code="guard.no_stdio",
            hint="start this command from an MCP client, which talks to it over both",
        )


def execute(options: ExecOptions) -> int:
    """:func:`run_exec` in an event loop of its own, for the command line.

    Raises:
        RemitError: Guard cannot start; nothing was forwarded.
    """
    _claim_descriptors()
    return asyncio.run(run_exec(options))


async def run_exec(options: ExecOptions) -> int:
    """Govern one stdio server until the client goes; the exit status of the command.

    Raises:
        RemitError: Guard cannot start; nothing was forwarded.
    """
    if options.bundle is not None and not options.bundle.is_dir():
        raise no_bundle(options.bundle)
    clock = SystemClock()
    bundle = load_bundle(options.bundle) if options.bundle is not None else None
    place = paths.take(options.state, options.server.id, os.environ)
    try:
        source = None
        if bundle is None and options.config is not None:
            source = bundle_source(options.config, place, clock)
            await source.refresh()
            bundle = source.current()
        if bundle is None:
            raise no_bundle(None)
        log = open_log(place.state, clock)
        try:
            return await _govern(options, bundle, source, place, log, clock)
        finally:
            log.close()
    finally:
        os.close(place.lock)


async def _govern(
    options: ExecOptions, bundle: Bundle, source: "BundleSource | None", place: paths.Place,
    log: Log, clock: SystemClock,
) -> int:  # fmt: skip
    usage = Usage(bundle.limits)
    snapshot = place.state / "usage.json"
    opened = restore(directory_of(place.state, log.origin), snapshot, log, usage)
    ledger = Ledger(log, guard_id=log.origin, surface="exec")
    config = options.server
    agent, user = current_agent(), current_user()
    ledger.note(
        "guard.start",
        pid=os.getpid(),
        actor={"agent": printable(agent.id, 100), "user": user},
        server=config.id,
    )
    close_orphans(ledger, opened)
    for kind, body in source.drain() if source is not None else ():
        ledger.note(kind, **body)
    if source is not None and source.problem:
        say(f"remit: the last good policy bundle stays in force: {source.problem}")
    resolve = Secrets(place.state).resolve
    governed = GovernedServer(config, bundle, usage, ledger, clock, place.pins)
    governed.guard.opinion = LlmJudge(options.judge, resolve) if options.judge else None
    governed.open()
    parties = Parties(
        guard=governed.guard,
        ledger=ledger,
        clock=clock,
        catalog=Catalog(config.id, governed, ledger),
        user=user,
        terminal=Terminal(options.terminal) if options.terminal else None,
    )
    admission, copies = None, None
    watching = _watching(options.config, place, governed, source, ledger, clock)
    if config.artifact and watching is not None:
        copies = copies_of(place.state)
        admission = admission_of(
            options.config, place.state, copies, watching.running, ledger, clock
        )
    asking = None
    if watching is not None:
        asking = asyncio.get_running_loop().create_task(watching.poller.run())
    try:
        status = await _serve(options, parties, governed, agent, resolve, admission)
    finally:
        if asking is not None:
            asking.cancel()
        if copies is not None:
            copies.close()
        ledger.close()
    ledger.note("guard.stop", pid=os.getpid())
    log.flush()
    save_snapshot(snapshot, ledger, usage)
    return status


def _watching(
    config: Config | None, place: paths.Place, governed: GovernedServer,
    source: "BundleSource | None", ledger: Ledger, clock: Clock,
) -> "Watch | None":  # fmt: skip
    """What watches for withdrawals of what this process runs; None if nothing comes from a Hub."""
    if config is None or config.trust is None or not (governed.config.artifact or source):
        return None
    mine = msgspec.structs.replace(config, servers={governed.config.id: governed.config})
    if source is None:
        mine = msgspec.structs.replace(mine, bundle_reference="")
    known = source.withdrawn if source is not None else None
    found = watch_of(lambda: mine, known or withdrawn_of(place), ledger, clock)
    found.stopped = lambda what: say(f"remit: {what.withdrawal.error().message}")

    def bundle() -> None:
        said = source.withdrawal() if source is not None else None
        if said is not None and governed.guard.suspended is None:
            governed.suspend(out_of_force(said.error().message))
            found.unloaded(said)
            say(f"remit: no policy is in force: {said.error().message}")

    found.bundle = bundle
    return found


def say(text: str) -> None:
    """Tell the user; standard output may be the protocol's."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command's own message


def withdrawn_of(place: paths.Place) -> "Withdrawn":
    """What Hubs have withdrawn, as this Guard and those beside it remember it."""
    from remit.guard.admission.withdrawn import Withdrawn

    found = Withdrawn(place.shared / WITHDRAWN)
    with contextlib.suppress(RemitError):
        # For `status`; each admission reads it again, and is denied if something is wrong with it.
        found.load()
    return found


def watch_of(
    config: Callable[[], Config], withdrawn: "Withdrawn", ledger: Ledger, clock: Clock
) -> "Watch":
    """What asks Hubs what they withdrew, and acts on it."""
    from remit.guard.admission.hubs import HubWithdrawals
    from remit.guard.admission.watch import Watch

    async def ask(host: str, repository: str, since: str, tag: str, limit: int) -> "Withdrawals":
        return await HubWithdrawals(config().artifacts).ask(host, repository, since, tag, limit)

    return Watch(withdrawn, config, ask, ledger, clock, random.SystemRandom().random)


def bundle_source(
    config: Config, place: paths.Place, clock: Clock, withdrawn: "Withdrawn | None" = None
) -> "BundleSource":
    """The policy bundle that a configuration names by reference."""
    from remit.artifacts.oci.names import Reference
    from remit.guard.admission.bundles import BundlePlaces, BundleSource
    from remit.guard.admission.shelf import store_path
    from remit.guard.admission.supply import ATTEST_S, RegistrySupply

    assert config.trust is not None
    return BundleSource(
        Reference.parse(config.bundle_reference),
        config.trust,
        BundlePlaces(
            store=store_path(config.artifacts.store),
            directory=place.state / "policy",
            memory=place.state / "trust",
        ),
        None if config.artifacts.offline else RegistrySupply(config.artifacts, ATTEST_S),
        clock,
        withdrawn or withdrawn_of(place),
    )


def copies_of(state: Path) -> "Copies":
    """Where the copies of artifacts that run are; what an earlier Guard left is removed."""
    from remit.guard.admission.copies import Copies, memory_of

    found = Copies(state / COPIES, memory_of(os.environ))
    found.sweep()
    return found


def admission_of(
    config: Config | None, state: Path, copies: "Copies", running: "Running", ledger: Ledger,
    clock: Clock,
) -> "Admission | None":  # fmt: skip
    """What admits artifacts; None if the configuration does not say by whose word."""
    if config is None or config.trust is None:
        return None
    from remit.guard.admission.admission import Admission, Places
    from remit.guard.admission.lockfile import FILE, Lockfile
    from remit.guard.admission.shelf import store_path
    from remit.guard.admission.supply import RegistrySupply

    table = config.artifacts
    return Admission(
        config.trust,
        Places(store=store_path(table.store), memory=state / "trust", copies=copies),
        Lockfile(config.base / FILE).resolve,
        None if table.offline else RegistrySupply(table),
        running,
        ledger,
        clock,
    )


def connect_to(
    governed: GovernedServer, agent: Agent, user: str, limit: int, errors: BinaryIO | None,
    resolve: Resolve, admission: "Admission | None",
) -> Connect:  # fmt: skip
    """How sessions reach a server: by its URL, or by a process of their own.

    Raises:
        GuardError: it is an artifact and nobody can say whether it may run.
    """
    config = governed.config
    if config.artifact:
        from remit.guard.admission.upstream import admitted

        if admission is None:
            raise GuardError(
                f"server `{config.id}` is an artifact, and there is no [trust] to verify it by",
                code="config.invalid",
            )

        def make(
            started: ServerConfig, on_line: OnLine, on_exit: OnExit, environ: dict[str, str]
        ) -> ProcessUpstream:
            return ProcessUpstream(started, limit, errors, resolve, on_line, on_exit, environ)

        return admitted(admission, governed, agent, user, make)
    if config.url:
        from remit.guard.http.upstream import over_http

        return over_http(config, limit, resolve)
    return process(config, limit, errors, resolve)


async def _serve(
    options: ExecOptions, parties: Parties, governed: GovernedServer, agent: Agent,
    resolve: Resolve, admission: "Admission | None",
) -> int:  # fmt: skip
    errors = sys.stderr.buffer if sys.stderr else None
    connect = connect_to(
        governed, agent, parties.user, options.limits.server_bytes, errors, resolve, admission
    )
    link = StdioSession(parties, agent, options.limits, connect)
    await link.start()
    if link.session.barred is not None:
        say(f"remit: {link.session.barred.detail}")
    end_on_signals(link.done)
    await link.serve(sys.stdin.buffer, sys.stdout.buffer)
    if link.session.barred is not None:
        return EXIT_DENIED
    if not link.session.gone:
        return EXIT_OK
    say(f"remit: {link.session.gone}")
    return EXIT_UNREACHABLE


def end_on_signals(done: asyncio.Event) -> None:
    """Set ``done`` when the process is asked to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", None)):
        if number is not None:
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, done.set)
