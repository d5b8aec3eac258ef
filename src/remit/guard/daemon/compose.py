"""The composition root of the daemon."""

import asyncio
import contextlib
import functools
import itertools
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from remit.audit.clock import SystemClock
from remit.audit.log import Log, directory_of
from remit.audit.log import read as read_log
from remit.core.event import Agent
from remit.core.paths import user_state
from remit.facts.usage import Usage
from remit.guard import paths
from remit.guard.approvals.notify import Apprise, Notifier, Webhook
from remit.guard.compose import (
    EXIT_OK,
    admission_of,
    bundle_source,
    connect_to,
    copies_of,
    end_on_signals,
    no_bundle,
    open_log,
    say,
    watch_of,
    withdrawn_of,
)
from remit.guard.config import Config, Value
from remit.guard.config import load as load_config
from remit.guard.daemon.daemon import Daemon
from remit.guard.daemon.peers import Peers
from remit.guard.daemon.unix import Listener
from remit.guard.governed import GovernedServer
from remit.guard.identity import current_user
from remit.guard.ledger import Ledger
from remit.guard.mcp.session import Limits
from remit.guard.mcp.stdio import CLOSE_GRACE_S
from remit.guard.mcp.upstream import Connect, Resolve
from remit.guard.opinion import LlmJudge
from remit.guard.recovery import close_orphans, restore, save_snapshot
from remit.guard.store.secrets import Secrets
from remit.policy.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    from remit.guard.admission.admission import Admission
    from remit.guard.admission.bundles import BundleSource
    from remit.guard.daemon.rooms import HttpRooms
    from remit.guard.http.app import Pages, PagesApp
    from remit.guard.http.listener import HttpListener
    from remit.web.openid import OpenId

MAX_DESCRIPTORS = 65_536
END_S = CLOSE_GRACE_S + 8.0
"""Longer than a session waits for its calls and its server together."""


class GuardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``remit guard run`` was asked to do.

    Attributes:
        config: the ``remit.toml`` that names servers and bundle.
        socket: where the shim and the command line find Guard.
        bundle: directory of the policy bundle, instead of the configuration's.
        state: exact state directory, instead of the configuration's or the user's.
        http: address of the HTTP listener, or ``off``, instead of the configuration's.
        limits: bounds of each session.
    """

    config: Path
    socket: Path
    bundle: Path | None = None
    state: Path | None = None
    http: str = ""
    limits: Limits = Limits()


def serve(options: GuardOptions) -> int:
    """:func:`run_guard` in an event loop of its own, for the command line.

    Raises:
        RemitError: Guard cannot start.
    """
    return asyncio.run(run_guard(options))


async def run_guard(options: GuardOptions) -> int:
    """Be the Guard of this machine until asked to stop; the exit status of the command.

    Raises:
        RemitError: Guard cannot start; nothing was forwarded.
    """
    _many_descriptors()
    clock = SystemClock()
    config = load_config(options.config)
    state = options.state or config.state or user_state(os.environ) / "guard"
    place = paths.take(state, "guard", os.environ)
    bundles = _Bundles(options, place, clock)
    try:
        await bundles.refresh(config)
        config, bundle = bundles.read()
        log = open_log(place.state, clock)
        try:
            return await _run_daemon(options, bundles, config, bundle, place, log, clock)
        finally:
            log.close()
    finally:
        os.close(place.lock)


class _Bundles:
    """Reads configuration and policy bundle, wherever that is."""

    def __init__(self, options: GuardOptions, place: paths.Place, clock: SystemClock) -> None:
        self._options = options
        self._place = place
        self._clock = clock
        self.withdrawn = withdrawn_of(place)
        self._known: tuple[object, ...] = ()
        self.source: BundleSource | None = None

    async def refresh(self, config: Config) -> None:
        """Ask the registry, if the bundle is an artifact."""
        self._choose(config)
        if self.source is not None:
            await self.source.refresh()

    def read(self) -> tuple[Config, Bundle]:
        """Both, as they are now.

        Raises:
            RemitError: one of them does not check, or there is no bundle.
        """
        config = load_config(self._options.config)
        self._choose(config)
        if self.source is not None:
            return config, self.source.current()
        bundle = self._options.bundle or config.bundle
        if bundle is None or not bundle.is_dir():
            raise no_bundle(bundle)
        return config, load_bundle(bundle)

    def _choose(self, config: Config) -> None:
        """The source of the configuration; the one there is, if nothing of it changed."""
        named = "" if self._options.bundle else config.bundle_reference
        wanted = (named, config.trust, config.artifacts)
        if wanted != self._known:
            self._known = wanted
            self.source = (
                bundle_source(config, self._place, self._clock, self.withdrawn) if named else None
            )


def _many_descriptors() -> None:
    """Raise the soft limit of open files to the hard one: a session has eight of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def _open_http(
    options: GuardOptions,
    config: Config,
    daemon: Daemon,
    ledger: Ledger,
    place: paths.Place,
    resolve: Resolve,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Open the HTTP listener, unless it is off."""
    http = config.http
    if options.http:
        http = msgspec.structs.replace(http, listen=options.http)
    if http.listen == "off":
        return
    from remit.guard.callers.compose import callers_from
    from remit.guard.daemon.rooms import HttpRooms
    from remit.guard.http.app import App
    from remit.guard.http.listener import HttpListener

    callers = callers_from(config.callers, place.state)
    rooms = HttpRooms(daemon, ledger, options.limits)
    listener = HttpListener(http, config.base, options.limits.client_bytes)
    stack.push_async_callback(listener.close)
    daemon.desk.party = listener.party
    pages = _pages(daemon, rooms, listener, ledger, functools.partial(_openid, config, resolve))
    await listener.start(App(rooms, callers, listener.rules, listener.base, approvals=pages))
    sweeping = asyncio.get_running_loop().create_task(rooms.sweep())
    stack.callback(sweeping.cancel)
    daemon.address = listener.base


def _one(resolve: Resolve, value: Value) -> str:
    return resolve({"value": value})["value"]


def _notifiers(resolve: Resolve, clock: SystemClock, config: Config) -> list[Notifier]:
    """Who is told that a call waits for a person."""
    told = config.approvals
    found: list[Notifier] = [
        Apprise(functools.partial(_one, resolve, url), f"apprise-{number}")
        for number, url in enumerate(told.notify)
    ]
    if told.webhook:
        secret = functools.partial(_one, resolve, told.webhook_secret)
        found.append(Webhook(told.webhook, secret, clock))
    return found


def _pages(
    daemon: Daemon, rooms: "HttpRooms", listener: "HttpListener", ledger: Ledger,
    openid: Callable[[str], "OpenId | None"],
) -> "Pages | None":  # fmt: skip
    """The pages of approvals; made, and imported, when the first of them is asked for."""
    party = daemon.desk.party
    if party is None:
        return None

    @functools.cache
    def made() -> "PagesApp":
        from remit.guard.inbox.app import Inbox

        inbox = Inbox(
            daemon.desk, daemon.invitations, party, listener.rules, ledger, SystemClock(),
            lambda status, code: rooms.refused("", status, code, None),
        )  # fmt: skip
        inbox.door.openid = openid(party.origin)
        return inbox

    return made


def _openid(config: Config, resolve: Resolve, origin: str) -> "OpenId | None":
    """The provider that knows the approvers, if one is configured."""
    table = config.approvals.openid
    if table is None:
        return None
    from remit.guard.inbox.door import BACK
    from remit.web.fetch import exchange, fetch
    from remit.web.openid import OpenId

    secret = functools.partial(_one, resolve, table.client_secret)
    return OpenId(table, secret, f"{origin}{BACK}", fetch, exchange, SystemClock())


async def _run_daemon(
    options: GuardOptions,
    bundles: _Bundles,
    config: Config,
    bundle: Bundle,
    place: paths.Place,
    log: Log,
    clock: SystemClock,
) -> int:
    usage = Usage(bundle.limits)
    snapshot = place.state / "usage.json"
    opened = restore(directory_of(place.state, log.origin), snapshot, log, usage)
    ledger = Ledger(log, guard_id=log.origin, surface="daemon")
    ledger.note("guard.start", pid=os.getpid(), actor={"user": current_user()})
    close_orphans(ledger, opened)
    limits = options.limits
    copies = copies_of(place.state)
    watch = watch_of(lambda: daemon.config or config, bundles.withdrawn, ledger, clock)

    resolve = Secrets(place.state).resolve

    def connect(
        server: GovernedServer, agent: Agent, user: str, errors: BinaryIO | None
    ) -> Connect:
        most = limits.server_bytes
        return connect_to(server, agent, user, most, errors, resolve, daemon.admission)

    def admits(config: Config) -> "Admission | None":
        return admission_of(config, place.state, copies, watch.running, ledger, clock)

    def opine(config: Config) -> LlmJudge | None:
        return LlmJudge(config.judge, resolve) if config.judge else None

    def read() -> tuple[Config, Bundle]:
        found = bundles.read()
        daemon.source = bundles.source
        return found

    daemon = Daemon(read, usage, ledger, clock, place, connect)
    peers = Peers(daemon, ledger, limits)

    daemon.opine = opine
    daemon.admits = admits
    daemon.watched(watch)
    daemon.notify = functools.partial(_notifiers, resolve, clock)
    for first in itertools.islice(read_log(directory_of(place.state, log.origin), 0), 1):
        daemon.log_since_us = int(first.record.get("time", daemon.log_since_us))
    listener = Listener(options.socket, peers.handle)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(ledger.close)
        stack.callback(copies.close)
        stack.callback(daemon.desk.close)
        stack.callback(daemon.notices.close)
        daemon.reload()
        await _open_http(options, config, daemon, ledger, place, resolve, stack)
        listener.open()
        stack.push_async_callback(listener.close)
        end_on_signals(daemon.stopping)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, daemon.renew_quietly)
        for work in (peers.keep_alive(), watch.poller.run()):
            stack.callback(loop.create_task(work).cancel)
        where = f"{options.socket} and {daemon.address}" if daemon.address else options.socket
        say(f"remit: Guard serves {len(daemon.servers)} servers on {where}")
        await daemon.stopping.wait()
        await daemon.sessions.end_all(END_S)
    ledger.note("guard.stop", pid=os.getpid())
    log.flush()
    save_snapshot(snapshot, ledger, daemon.usage)
    return EXIT_OK
