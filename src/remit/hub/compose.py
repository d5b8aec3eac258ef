"""The composition root of the Hub: the only place that wires its ports to the machine."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from remit.artifacts.servers import namespace_of
from remit.attest.cipher import SubjectCipher
from remit.attest.keys import LogKey
from remit.audit.clock import SystemClock, boot_id
from remit.audit.log import Log, directory_of
from remit.core.errors import RemitError
from remit.core.files import write_atomically
from remit.core.ids import EntropyPool, ulid
from remit.core.locks import try_hold
from remit.hub.administration import Administration
from remit.hub.admission.gatekeeper import Gatekeeper
from remit.hub.api import artifacts, servers
from remit.hub.api.artifacts import Artifacts
from remit.hub.api.gate import Gate
from remit.hub.api.review import Review
from remit.hub.api.servers import Servers
from remit.hub.app import Application, Hub
from remit.hub.catalog.describe import Describer, small_of
from remit.hub.catalog.ports import NotScanned, Tagged
from remit.hub.collector import Collected, Collector
from remit.hub.console.deciding import DeskCuration, DeskSuppressing
from remit.hub.console.options import ConsoleOptions
from remit.hub.errors import HubError
from remit.hub.front import UpstreamOptions, connected, polling, sync_once
from remit.hub.fsck import Checked, Progress, fsck
from remit.hub.guarding import desk_of, guarding, keys_of, waiting_room
from remit.hub.lasting import lasting
from remit.hub.ledger import Ledger
from remit.hub.registry.accounts import Account, Doorkeeper, keep
from remit.hub.registry.app import Registry
from remit.hub.registry.endpoints import Giving, Taking
from remit.hub.registry.front.noting import Noting
from remit.hub.registry.front.poll import Poller, Synced
from remit.hub.registry.front.pulls import FrontPulls
from remit.hub.registry.front.pushes import FrontPushes
from remit.hub.registry.ports import BlobStore, Small
from remit.hub.registry.pulls import Pulls
from remit.hub.registry.pushes import Pushes
from remit.hub.registry.tokens import Tokens
from remit.hub.showing import Parts, Place, console_of, no_trust, own_keys
from remit.hub.store import accounts
from remit.hub.store.accounts import SqlAccounts
from remit.hub.store.cases import SqlAdmissions
from remit.hub.store.cataloged import SqlCatalog
from remit.hub.store.database import Database, connect
from remit.hub.store.files import Files
from remit.hub.store.front import SqlNotes, bind, upstream_of
from remit.hub.store.metadata import MAX_WAITING
from remit.hub.store.records import SqlOutbox
from remit.hub.store.schema import migrate
from remit.scan.base import NO_SETTINGS, Settings

ADMIN = "admin"
PASSWORD_FILE = "admin-password"  # noqa: S105 - the name of a file


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``remit hub run`` was asked to do.

    Attributes:
        state: directory of this Hub, of one process.
        host, port: where it listens.
        database: address of PostgreSQL; empty for SQLite in ``state``.
        blobs: address of an object store; empty for files in ``state``.
        url: how clients reach the Hub; empty for what they say in ``Host``.
        certificate, key: files of TLS; without them the Hub speaks HTTP.
        redirect: send clients to the object store for blobs.
        collect_s: seconds between two collections; 0 for none.
        basic: ask clients for Basic credentials and give no tokens.
        upstream: the registry that keeps the bytes; ``None`` if the Hub does.
        gate: scan what is pushed, and give out only what is admitted.
        workers: how many processes that scan are started here.
        max_waiting: scans that may wait before pushes are told to come back later.
        rescan_days: age of a decision at which the artifact is scanned again; 0 for never.
        policy: directory of the artifact policy; ``None`` for the one that comes with Remit.
        console: what its pages were asked to do; ``None`` for a Hub without pages.
        signers: file of the trust root: whose signatures policy is told of; ``None`` for nobody's.
        signers_key: public key that must have signed it; ``None`` to take it as it lies there.
        scan_key: what signs what scanners found; empty for a key in ``state``.
        gate_key: what signs what the gate decided; likewise.
        settings: what the operator says to the scanners.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 7450
    database: str = ""
    blobs: str = ""
    url: str = ""
    certificate: Path | None = None
    key: Path | None = None
    redirect: bool = False
    collect_s: float = 3600
    basic: bool = False
    upstream: UpstreamOptions | None = None
    gate: bool = True
    workers: int = 1
    max_waiting: int = MAX_WAITING
    rescan_days: float = 7.0
    policy: Path | None = None
    console: ConsoleOptions | None = ConsoleOptions()
    signers: Path | None = None
    signers_key: Path | None = None
    scan_key: str = ""
    gate_key: str = ""
    settings: Settings = NO_SETTINGS


def hold_state(state: Path) -> int:
    """Take the state directory for this process; the descriptor that keeps it.

    Raises:
        HubError: another Hub has it, or it cannot be made.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = try_hold(state / "hub.lock")
    except OSError as error:
        raise HubError(
            f"the state directory cannot be used: {error.strerror} (`{error.filename}`)",
            code="hub.state_unusable",
            hint="choose a writable directory with --state",
        ) from error
    if lock is None:
        raise HubError(
            f"another Hub is using `{state}`",
            code="hub.state_in_use",
            hint="give each process a --state of its own; they share --database and --blobs",
        )
    return lock


def open_log(state: Path, clock: SystemClock) -> Log:
    """Open the Hub's log, with keys made on first use.

    Raises:
        RemitError: keys or log cannot be used.
    """
    keys = state / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = keys / "log.key"
    if file.exists():
        key = LogKey.load(file)
    else:
        key = LogKey.generate(file, f"remit.hub/{ulid(clock.now_us(), os.urandom(10)).lower()}")
    entropy = EntropyPool(os.urandom)
    return Log.open(
        directory_of(state, key.name),
        key,
        clock,
        cipher=SubjectCipher(keys / "subjects", entropy=entropy),
        entropy=EntropyPool(os.urandom),
        boot=boot_id(),
    )


def open_blobs(options: HubOptions) -> BlobStore:
    """The place for bytes; for those on their way, if an upstream keeps them.

    Raises:
        ObjectsError: an address that is none of an object store.
    """
    if options.upstream is not None:
        return open_spool(options)
    if options.blobs:
        from remit.hub.store.objects import Objects, store_at

        return Objects(store_at(options.blobs), redirect=options.redirect)
    return Files(options.state / "blobs")


def open_spool(options: HubOptions) -> Files:
    """Room for what is on its way to an upstream."""
    return Files(options.state / "spool")


@contextlib.asynccontextmanager
async def opened(options: HubOptions) -> AsyncIterator[Hub]:
    """A Hub that is ready to answer; closed afterwards.

    Raises:
        RemitError: a part of it cannot be used.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        lock = hold_state(options.state)
        stack.callback(os.close, lock)
        database = connect(options.database, options.state)
        stack.push_async_callback(database.close)
        await database.change(migrate)
        await _bind(database, options)
        await _first_account(database, options.state, clock)
        store = open_blobs(options)
        stack.push_async_callback(store.close)
        log = open_log(options.state, clock)
        outbox = SqlOutbox(database, clock, log.origin)
        ledger = Ledger(log, outbox, lambda: open_log(options.state, clock))
        stack.push_async_callback(ledger.close)
        await ledger.recover(mine=True)
        ledger.start()
        await ledger.note("hub.start", {"pid": os.getpid()})
        fresh = secrets.token_bytes(32)
        key = await database.change(lambda c: accounts.setting(c, "token_key", fresh))
        tokens = Tokens(key, clock)
        entropy = EntropyPool(os.urandom)
        metadata = SqlNotes(
            database,
            clock,
            log.origin,
            entropy,
            gated=options.gate,
            max_waiting=options.max_waiting,
        )
        await metadata.let_go()
        doorkeeper = Doorkeeper(SqlAccounts(database, clock), tokens, clock)
        pulls, pushes, small = await _endpoints(stack, options, metadata, store, ledger)
        admissions = SqlAdmissions(database, clock)
        gatekeeper = Gatekeeper(admissions) if options.gate else None
        registry = Registry(
            metadata,
            pulls,
            pushes,
            doorkeeper,
            None if options.basic else tokens,
            ledger,
            url=options.url,
            gatekeeper=gatekeeper,
        )
        found = None
        if options.gate:
            found = await guarding(stack, options, database, ledger, small, pushes, say)
        collector = Collector(
            database, store, clock, log.origin, os.urandom, retention=options.upstream is None
        )
        collecting = asyncio.create_task(
            lasting(lambda: _collect(collector, options.collect_s), "collecting garbage")
        )
        stack.callback(collecting.cancel)
        gate = Gate(
            doorkeeper, ledger, registry.stranger, url=options.url, bearer=not options.basic
        )
        catalog = SqlCatalog(database)
        states = admissions if options.gate else NotScanned()
        offered = admissions if options.gate else Tagged()
        listed: Application = Artifacts(gate, catalog, small, states, gatekeeper)
        desk = None
        if found is not None:
            desk = await desk_of(found, database, ledger)
            listed = Review(gate, catalog, desk, listed)
        rooms: dict[str, Application] = {
            **waiting_room(options, gate, database, ledger),
            artifacts.PREFIX: listed,
            servers.PREFIX: Servers(gate, catalog, offered),
        }
        if options.console is not None:
            rooms["/ui/"] = console_of(
                stack,
                options.console,
                _place(options),
                Parts(
                    database=database,
                    catalog=catalog,
                    small=small,
                    keeper=doorkeeper,
                    ledger=ledger,
                    clock=clock,
                    curation=DeskCuration(desk) if desk is not None else None,
                    suppressing=DeskSuppressing(desk) if desk is not None else None,
                    own=own_keys(keys_of(options)) if options.gate else no_trust,
                ),
            )
        yield Hub(registry, ledger, rooms)
        await ledger.note("hub.stop", {"pid": os.getpid()})


def _place(options: HubOptions) -> Place:
    scheme = "https" if options.certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    return Place(
        state=options.state,
        url=options.url,
        listen=f"{scheme}://{host}:{options.port}",
        gated=options.gate,
    )


async def _endpoints(
    stack: contextlib.AsyncExitStack,
    options: HubOptions,
    metadata: SqlNotes,
    store: BlobStore,
    ledger: Ledger,
) -> tuple[Giving, Taking, Small]:
    """The endpoints over the Hub's own bytes, or over its upstream, which is looked through."""
    namespace = namespace_of(options.url)
    if options.upstream is None:
        small = small_of(metadata, store)
        describe = Describer(small, namespace)
        pushes = Pushes(metadata, store, ledger.settle, describe)
        return Pulls(metadata, store), pushes, small
    assert isinstance(store, Files)
    upstream = await stack.enter_async_context(connected(options.upstream))
    describe = Describer(upstream.small, namespace)
    noting = Noting(metadata, describe, ledger.settle)
    poller = Poller(upstream, metadata, noting, ledger.settle, options.upstream.repositories)
    every_s = options.upstream.poll_s
    task = asyncio.create_task(lasting(lambda: polling(poller, every_s, say), "asking upstream"))
    stack.push_async_callback(_ended, task)
    return (
        FrontPulls(upstream, noting),
        FrontPushes(upstream, metadata, store, ledger.settle, describe),
        upstream.small,
    )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _bind(database: Database, options: HubOptions) -> None:
    """See that the database belongs to the upstream, if there is one.

    Raises:
        HubError: what it knows is elsewhere.
    """
    url = options.upstream.url if options.upstream is not None else ""
    before = await database.change(lambda connection: bind(connection, url))
    if before and before != url:
        say(f"remit hub: the upstream is `{url}` now and was `{before}`")


async def _collect(collector: Collector, every_s: float) -> None:
    while every_s:
        await asyncio.sleep(every_s)
        try:
            await collector.run()
        except (RemitError, OSError) as error:
            say(f"remit hub: garbage was not collected: {error}")


async def _first_account(database: Database, state: Path, clock: SystemClock) -> None:
    """Make an administrator where there is nobody yet, so that nothing begins open to all."""
    if await database.look(accounts.everybody):
        return
    # Of hexadecimal digits: one that began with `-` would be an option on a command line.
    password = secrets.token_hex(20)
    account = Account(name=ADMIN, kind="user", secret=keep("user", password))
    now, file = clock.now_us(), state / PASSWORD_FILE
    # Written first: a crash in between leaves a file too many and no account that nobody can use.
    write_atomically(file, f"{password}\n".encode())
    if await database.change(lambda c: accounts.add_first(c, account, now)):
        say(f"remit hub: made the account `{ADMIN}`; its password is in {file}")
    else:
        file.unlink()


def say(text: str) -> None:
    """Tell the operator."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command's own message


@contextlib.asynccontextmanager
async def administration(options: HubOptions, by: str) -> AsyncIterator[Administration]:
    """Changes to the database of a Hub, which may run meanwhile.

    Raises:
        RemitError: the database cannot be used.
    """
    database = connect(options.database, options.state)
    try:
        await database.change(migrate)
        yield Administration(database, SystemClock(), by)
    finally:
        await database.close()


async def collect_garbage(options: HubOptions, *, grace_s: float, stray_s: float) -> Collected:
    """Collect once, beside a Hub that may run.

    Raises:
        RemitError: the database or the blobs cannot be used.
    """
    async with _opened_stores(options) as (database, store, front):
        return await Collector(
            database,
            store,
            SystemClock(),
            "",
            os.urandom,
            grace_us=int(grace_s * 1e6),
            stray_us=int(stray_s * 1e6),
            retention=not front,
        ).run()


async def check(options: HubOptions, *, deep: bool, progress: Progress | None) -> Checked:
    """Look whether everything is as it must be.

    Raises:
        RemitError: the database or the blobs cannot be used.
    """
    async with _opened_stores(options) as (database, store, front):
        return await fsck(database, store, deep=deep, progress=progress, front=front)


async def sync(options: HubOptions, *, deep: bool) -> Synced:
    """Compare the catalogue with the upstream once, beside a Hub that may run.

    Raises:
        RemitError: the upstream or the database cannot be used, or belongs to another upstream.
    """
    assert options.upstream is not None
    async with _opened_database(options) as database:
        await _bind(database, options)
        namespace = namespace_of(options.url)
        return await sync_once(options.upstream, database, SystemClock(), namespace, deep=deep)


@contextlib.asynccontextmanager
async def _opened_database(options: HubOptions) -> AsyncIterator[Database]:
    database = connect(options.database, options.state)
    try:
        await database.change(migrate)
        yield database
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _opened_stores(
    options: HubOptions,
) -> AsyncIterator[tuple[Database, BlobStore, bool]]:
    """Database and blobs, and whether an upstream has the bytes of what the database knows."""
    async with _opened_database(options) as database:
        front = bool(await database.look(upstream_of))
        store = open_spool(options) if front else open_blobs(options)
        try:
            yield database, store, front
        finally:
            await store.close()
