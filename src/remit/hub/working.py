"""The composition root of workers: processes that scan, or ask served models, for a Hub."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from remit.artifacts.oci.manifest import Descriptor
from remit.audit.clock import SystemClock
from remit.core.scratch import remove, scratch
from remit.hub.compose import HubOptions, open_blobs
from remit.hub.front import connected
from remit.hub.jobs.fingerprint import fingerprint
from remit.hub.jobs.materialise import Contents
from remit.hub.jobs.ports import Content
from remit.hub.jobs.probing import Limits, Probing
from remit.hub.jobs.scanning import Scan, Scanning
from remit.hub.jobs.targets import load_targets
from remit.hub.jobs.values import Task
from remit.hub.jobs.worker import BESIDE_S, IDLE_S, Worker
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.ports import Bytes
from remit.hub.store.database import Database, connect
from remit.hub.store.queue import SqlQueue
from remit.scan.base import Report
from remit.scan.bill import bill
from remit.scan.dynamic.garak import check_environment
from remit.scan.run import Progress, expected, run
from remit.scan.sandbox import Bounds
from remit.scan.target import Target


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``remit hub worker`` was asked to do.

    Attributes:
        hub: where database and bytes are.
        scratch: where artifacts are laid out; the system's directory for temporary files if None.
        bounds: what a scan may cost.
        follow: end when standard input closes.
    """

    hub: HubOptions
    scratch: Path | None = None
    bounds: Bounds = Bounds()
    follow: bool = False


class ProberOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``remit hub prober`` was asked to do.

    Attributes:
        hub: where the database is.
        targets: the file of served models.
        environment: directory of the environment with garak.
        limits: of each run.
    """

    hub: HubOptions
    targets: Path
    environment: Path
    limits: Limits = Limits()


class _Stored:
    """The Hub's own bytes."""

    def __init__(self, hub: HubOptions) -> None:
        self._store = open_blobs(hub)

    async def read(self, repository: str, descriptor: Descriptor) -> Bytes:
        del repository
        async for piece in self._store.read(descriptor.digest, 0, descriptor.size):
            yield piece

    async def close(self) -> None:
        await self._store.close()


class _Upstream:
    """The bytes of the registry that the Hub stands before."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def read(self, repository: str, descriptor: Descriptor) -> Bytes:
        async with self._upstream.blob(repository, descriptor.digest) as answer:
            async for piece in answer.pieces():
                yield piece


@contextlib.asynccontextmanager
async def _content(hub: HubOptions) -> AsyncIterator[Content]:
    if hub.upstream is not None:
        async with connected(hub.upstream) as upstream:
            yield _Upstream(upstream)
        return
    stored = _Stored(hub)
    try:
        yield stored
    finally:
        await stored.close()


def serve(options: WorkerOptions) -> int:
    """Be a worker until stopped; the exit status of the command.

    Raises:
        RemitError: the database or the bytes cannot be used.
        OSError: the scratch directory cannot be used.
    """

    @contextlib.asynccontextmanager
    async def scanner(own: Path) -> AsyncIterator[Worker]:
        known = await asyncio.to_thread(fingerprint, options.hub.settings)
        async with _database(options.hub) as database, _content(options.hub) as content:
            yield Worker(
                worker_name(),
                SqlQueue(database, SystemClock(), known, expected()),
                Scanning(content, _scan(options)),
                own,
                idle_s=BESIDE_S if options.follow else IDLE_S,
            )

    return _until_stopped("worker", scanner, options.scratch, follow=options.follow)


def _scan(options: WorkerOptions) -> Scan:
    settings = options.hub.settings

    def scan(contents: Contents, task: Task, progress: Progress) -> Sequence[Report]:
        target = Target(
            root=contents.root, digest=task.digest, kind=task.kind, metadata=contents.metadata
        )
        # Each in a sandbox of its own; neither waits for the other.
        with ThreadPoolExecutor(max_workers=1) as beside:
            listing = beside.submit(bill, target, options.bounds, settings)
            reports = run(target, bounds=options.bounds, settings=settings, progress=progress)
            listed = listing.result()
        return [*reports, *([listed] if listed else [])]

    return scan


def probe(options: ProberOptions) -> int:
    """Be a prober until stopped; the exit status of the command.

    Raises:
        RemitError: the database cannot be used, or the file of served models is wrong.
        OSError: that file, or the scratch directory, cannot be used.
    """
    targets = load_targets(options.targets, os.environ)
    check_environment(options.environment)
    names = tuple(each.name for each in targets)
    work = Probing(targets, options.environment, os.environ, options.limits)

    @contextlib.asynccontextmanager
    async def prober(own: Path) -> AsyncIterator[Worker]:
        async with _database(options.hub) as database:
            queue = SqlQueue(database, SystemClock(), targets=names)
            yield Worker(worker_name(), queue, work, own)

    return _until_stopped("prober", prober, None)


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()[:100]}/{os.getpid()}/{secrets.token_hex(4)}"


@contextlib.asynccontextmanager
async def _database(hub: HubOptions) -> AsyncIterator[Database]:
    database = connect(hub.database, hub.state)
    try:
        yield database
    finally:
        await database.close()


_Making = Callable[[Path], contextlib.AbstractAsyncContextManager[Worker]]


def _until_stopped(name: str, making: _Making, place: Path | None, *, follow: bool = False) -> int:
    logging.basicConfig(stream=sys.stderr, format=f"remit hub {name}: %(message)s")
    # Until the loop has handlers of its own: a worker that is stopped early cleans up, too.
    signal.signal(signal.SIGTERM, _stopped)
    with scratch(place or Path(tempfile.gettempdir())) as own:
        # The sandbox makes its directories where Python makes temporary ones.
        tempfile.tempdir = str(own)
        asyncio.run(_run(making, own, follow=follow))
    return 0


def _stopped(number: int, frame: object) -> None:
    del number, frame
    raise SystemExit(0)


async def _run(making: _Making, own: Path, *, follow: bool) -> None:
    async with making(own) as worker:
        task = asyncio.create_task(worker.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        if follow:
            loop.add_reader(sys.stdin.fileno(), _followed, task)
        with contextlib.suppress(asyncio.CancelledError):
            await task
    # Threads of work that was given back would keep the process until they end.
    remove(own)
    os._exit(0)


def _followed(task: "asyncio.Task[None]") -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        task.cancel()
