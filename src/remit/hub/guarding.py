"""Wiring of the gate, a part of the composition root: who decides, and workers beside the Hub."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from remit.artifacts.trust_files import load_trust
from remit.attest.places import Place
from remit.attest.trust import TrustRoot
from remit.audit.clock import SystemClock
from remit.core.digest import Digest
from remit.core.ids import EntropyPool, ulid
from remit.hub.admission.attesting import Attesting
from remit.hub.admission.decider import Decider
from remit.hub.admission.deposit import Depositor
from remit.hub.admission.desk import Desk
from remit.hub.admission.evidence import Naming
from remit.hub.admission.expecting import expecting
from remit.hub.admission.keys import Role, RoleKeys
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.renewal import Renewal
from remit.hub.admission.rescan import Rescan
from remit.hub.admission.signers import Signers, Trust
from remit.hub.admission.sweep import Sweep
from remit.hub.api import jobs
from remit.hub.api.gate import Gate
from remit.hub.app import Application
from remit.hub.errors import HubError
from remit.hub.front import PASSWORD, UpstreamOptions
from remit.hub.jobs.crew import Crew
from remit.hub.jobs.fingerprint import fingerprint
from remit.hub.jobs.materialise import CONTENTS
from remit.hub.lasting import lasting
from remit.hub.ledger import Ledger
from remit.hub.registry.endpoints import Taking
from remit.hub.registry.ports import Small
from remit.hub.store import accounts
from remit.hub.store.cases import SqlCases
from remit.hub.store.cataloged import SqlCatalog
from remit.hub.store.database import Database, connect
from remit.hub.store.endings import SqlEndings
from remit.hub.store.people import SqlPeople
from remit.hub.store.probes import SqlProbes
from remit.hub.store.scans import SqlScans
from remit.hub.store.schema import migrate
from remit.hub.store.unknown import SqlUnknown
from remit.hub.store.wanted import Expecting
from remit.scan.base import Settings
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
) -> tuple[SqlCases, ArtifactPolicy, Signers]:
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
        What was scanned, the policy, and who finds out who signed.

    Raises:
        RemitError: the artifact policy has errors, or a key or the trust root cannot be read: a
            Hub without them gives nothing out.
    """
    clock, node = SystemClock(), ledger.log.origin
    names, scanners = await asyncio.to_thread(known, options.settings)
    host = options.url.partition("://")[2] or f"{options.host}:{options.port}"
    cases = SqlCases(
        database,
        clock,
        node,
        EntropyPool(os.urandom),
        expected=(CONTENTS, *names),
        scanners=scanners,
        host=host,
    )
    policy = await asyncio.to_thread(ArtifactPolicy.load, options.policy)
    naming = Naming(host=host, gate=f"urn:remit:gate:{node}", policy=f"urn:remit:{policy.name}")
    keys = keys_of(options)
    keys.check()
    upstream = options.upstream is not None
    deposit = Depositor(taking, keys, naming, clock, node=node, upstream=upstream)
    trust = _trust(options, clock)
    signers = Signers(SqlCatalog(database), small, trust, host, clock)
    probes = SqlProbes(database, clock, node, EntropyPool(os.urandom))
    attesting = Attesting(probes, deposit.answers, ledger.settle, clock)
    decider = Decider(cases, policy, ledger.settle, clock, deposit, signers)
    asks = SqlScans(database, clock, node, EntropyPool(os.urandom))
    unknown = SqlUnknown(database, clock, EntropyPool(os.urandom))
    renewal = Renewal(SqlEndings(database, clock), policy.digest)
    expects = Expecting(database, clock, node, names)
    # Before a worker is there: none may begin without knowing.
    await expects()
    lasts: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
        ("saying what workers need", lambda: expecting(expects)),
        ("deciding on scans", decider.run),
        ("attesting what served models answered", attesting.run),
        ("renewing what ends", renewal.run),
        ("sweeping", Sweep(unknown, small).run),
        ("scanning again", Rescan(asks, int(options.rescan_days * DAY_US)).run),
    )
    tasks = [asyncio.create_task(lasting(work, what)) for what, work in lasts]

    async def ended() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stack.push_async_callback(ended)
    if options.workers:
        crew = Crew(worker_command(options), worker_env(options), options.workers, say)
        crew.start()
        stack.push_async_callback(crew.close)
    return cases, policy, signers


def keys_of(options: "HubOptions") -> RoleKeys:
    """What the Hub signs with; what opens a key that was named is in a file."""
    given: dict[Role, str] = {"scan": options.scan_key, "gate": options.gate_key}
    return RoleKeys(options.state / "keys", given, _secret)


def _secret(place: Place) -> bytes:
    """A line of the file that REMIT_PASSPHRASE_FILE names: nobody is there to type.

    Raises:
        HubError: there is none.
    """
    file = os.environ.get("REMIT_PASSPHRASE_FILE", "")
    if not place.asks_for:
        return b""
    try:
        return Path(file).read_bytes().split(b"\n")[0]
    except OSError as error:
        raise HubError(
            f"the {place.asks_for} of a key cannot be read: {error.strerror}",
            code="hub.keys",
            hint="set REMIT_PASSPHRASE_FILE to a private file that holds it",
        ) from error


def _trust(options: "HubOptions", clock: SystemClock) -> Trust | None:
    """Reads the trust root anew for each decision; the first time now, so that it can be read.

    Raises:
        RemitError: it cannot.
    """
    file = options.signers
    if file is None:
        return None

    def read() -> TrustRoot:
        return load_trust(file, options.signers_key, clock.now_us(), options.state)

    read()
    return read


async def desk_of(
    found: tuple[SqlCases, ArtifactPolicy, Signers], database: Database, ledger: Ledger
) -> Desk:
    """Where curators work, of what :func:`guarding` gave."""
    clock, (cases, policy, signers) = SystemClock(), found
    node, entropy = ledger.log.origin, EntropyPool(os.urandom)
    # Requests are for every Hub of the database: a balancer may give each to another.
    fresh = f"remit.hub/{ulid(clock.now_us(), os.urandom(10)).lower()}".encode()
    hub = await database.change(lambda c: accounts.setting(c, "gate_id", fresh))
    people = SqlPeople(database, clock, cases, node, entropy)
    return Desk(people, policy, hub.decode(), ledger.settle, clock, entropy, signers)


def waiting_room(
    options: "HubOptions", gate: Gate, database: Database, ledger: Ledger
) -> dict[str, Application]:
    """Where the queue is looked after over HTTP; nowhere without a gate."""
    if not options.gate:
        return {}
    asks = SqlScans(database, SystemClock(), ledger.log.origin, EntropyPool(os.urandom))
    return {jobs.PREFIX: jobs.Jobs(gate, asks, ledger.settle)}


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


def known(settings: Settings) -> tuple[tuple[str, ...], Digest]:
    """Names of the reports of a scan, and the digest of all scanners and their rules.

    Raises:
        ScanError: the database of advisories cannot be read.
    """
    return expected(), fingerprint(settings)


def worker_command(options: "HubOptions") -> list[str]:
    """The command of a worker beside this Hub; no secret is in it."""
    command = [sys.executable, "-I", "-c", _MAIN, "hub", "worker", "--follow"]
    command += ["--state", str(options.state)]
    if options.upstream is not None:
        command += _upstream(options.upstream)
    for host in options.settings.indexes:
        command += ["--index", host]
    if options.settings.advisories:
        command += ["--advisories", options.settings.advisories]
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
    found.pop("REMIT_ADVISORIES", None)
    if options.upstream is not None:
        found[PASSWORD] = options.upstream.password
    return found
