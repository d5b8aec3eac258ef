"""Wiring of the gate, a part of the composition root: who decides, and workers beside the Hub."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from remit.audit.clock import SystemClock
from remit.core.digest import Digest, sha256
from remit.core.ids import EntropyPool, ulid
from remit.hub.admission.decider import Decider
from remit.hub.admission.deposit import Depositor
from remit.hub.admission.desk import Desk
from remit.hub.admission.evidence import Naming
from remit.hub.admission.keys import RoleKeys
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.renewal import Renewal
from remit.hub.admission.rescan import Rescan
from remit.hub.admission.sweep import Sweep
from remit.hub.front import PASSWORD, UpstreamOptions
from remit.hub.jobs.crew import Crew
from remit.hub.jobs.materialise import CONTENTS
from remit.hub.ledger import Ledger
from remit.hub.registry.endpoints import Taking
from remit.hub.registry.ports import Small
from remit.hub.store import accounts
from remit.hub.store.cases import SqlCases
from remit.hub.store.database import Database, connect
from remit.hub.store.endings import SqlEndings
from remit.hub.store.people import SqlPeople
from remit.hub.store.scans import SqlScans
from remit.hub.store.schema import migrate
from remit.hub.store.unknown import SqlUnknown
from remit.scan.run import expected

if TYPE_CHECKING:
    from remit.hub.compose import HubOptions

DAY_US = 86_400_000_000
_MAIN = "from remit.cli.main import main; main()"


async def guarding(
    stack: contextlib.AsyncExitStack,
    options: "HubOptions",
    database: Database,
    ledger: Ledger,
    small: Small,
    taking: Taking,
    say: Callable[[str], None],
) -> tuple[SqlCases, ArtifactPolicy]:
    """Decide on scans, and keep workers, until the stack is closed.

    Args:
        stack: of what is ended with the Hub.
        options: of the Hub.
        database: of the Hub.
        ledger: the Hub's log.
        small: reads small blobs.
        taking: where evidence is stored.
        say: tells the operator.

    Returns:
        What was scanned, and the policy.

    Raises:
        BundleError: the artifact policy has errors: a Hub without one gives nothing out.
    """
    clock, node = SystemClock(), ledger.log.origin
    names, scanners = await asyncio.to_thread(known)
    cases = SqlCases(
        database,
        clock,
        node,
        EntropyPool(os.urandom),
        expected=(CONTENTS, *names),
        scanners=scanners,
    )
    policy = await asyncio.to_thread(ArtifactPolicy.load, options.policy)
    host = options.url.partition("://")[2] or f"{options.host}:{options.port}"
    naming = Naming(host=host, gate=f"urn:remit:gate:{node}", policy=f"urn:remit:{policy.name}")
    keys = RoleKeys(options.state / "keys")
    upstream = options.upstream is not None
    deposit = Depositor(taking, keys, naming, clock, node=node, upstream=upstream)
    asks = SqlScans(database, clock, node, EntropyPool(os.urandom))
    unknown = SqlUnknown(database, clock, EntropyPool(os.urandom))
    tasks = [
        asyncio.create_task(Decider(cases, policy, ledger.settle, clock, deposit).run()),
        asyncio.create_task(Renewal(SqlEndings(database, clock), policy.digest).run()),
        asyncio.create_task(Sweep(unknown, small).run()),
        asyncio.create_task(Rescan(asks, scanners, int(options.rescan_days * DAY_US)).run()),
    ]

    async def ended() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(ended)
    if options.workers:
        crew = Crew(worker_command(options), worker_env(options), options.workers, say)
        crew.start()
        stack.push_async_callback(crew.close)
    return cases, policy


async def desk_of(
    found: tuple[SqlCases, ArtifactPolicy], database: Database, ledger: Ledger
) -> Desk:
    """Where curators work, of what :func:`guarding` gave."""
    clock, (cases, policy) = SystemClock(), found
    node, entropy = ledger.log.origin, EntropyPool(os.urandom)
    # Requests are for every Hub of the database: a balancer may give each to another.
    fresh = f"remit.hub/{ulid(clock.now_us(), os.urandom(10)).lower()}".encode()
    hub = await database.change(lambda c: accounts.setting(c, "gate_id", fresh))
    people = SqlPeople(database, clock, cases, node, entropy)
    return Desk(people, policy, hub.decode(), ledger.settle, clock, entropy)


@contextlib.asynccontextmanager
async def scans(options: "HubOptions") -> AsyncIterator[SqlScans]:
    """The queue of a Hub, which may run meanwhile.

    Raises:
        RemitError: the database cannot be used.
    """
    database = connect(options.database, options.state)
    try:
        await database.change(migrate)
        yield SqlScans(database, SystemClock(), "", EntropyPool(os.urandom))
    finally:
        await database.close()


def known() -> tuple[tuple[str, ...], Digest]:
    """Names of the reports of a scan, and the digest of all scanners and their rules."""
    from remit.scan.base import scanners
    from remit.scan.external import environments

    said = [f"{name} {each.version} {each.rules}" for name, each in scanners().items()]
    for name in environments.available():
        environment = environments.installed(name)
        if environment is not None:
            said.append(f"{name} {environment.record.version} {environment.rules()}")
    return expected(), sha256("\n".join(sorted(said)).encode())


def worker_command(options: "HubOptions") -> list[str]:
    """The command of a worker beside this Hub; no secret is in it."""
    command = [sys.executable, "-I", "-c", _MAIN, "hub", "worker", "--follow"]
    command += ["--state", str(options.state)]
    if options.upstream is not None:
        command += _upstream(options.upstream)
    return command


def _upstream(upstream: UpstreamOptions) -> list[str]:
    found = ["--upstream", upstream.url]
    if upstream.user:
        found += ["--upstream-user", upstream.user]
    if upstream.plain_http:
        found.append("--upstream-plain-http")
    if upstream.ca_file is not None:
        found += ["--upstream-ca-file", str(upstream.ca_file)]
    return found


def worker_env(options: "HubOptions") -> dict[str, str]:
    """The environment of a worker beside this Hub: addresses, which may hold passwords."""
    found = dict(os.environ)
    found["REMIT_HUB_DATABASE"] = options.database
    found["REMIT_HUB_BLOBS"] = options.blobs
    found.pop("REMIT_UPSTREAM", None)
    if options.upstream is not None:
        found[PASSWORD] = options.upstream.password
    return found
