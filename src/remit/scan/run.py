"""One scan of one artifact by all scanners that are wanted: the entry of the command and the Hub.

Remit's own scanners share a sandbox; each external one has its own. They run beside each other,
as many as there are processors and memory for. A scanner that fails has a failed report; nothing
it does is raised here.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from remit.scan.base import Report, ScanError, Settings, scanners
from remit.scan.external import environments, runner
from remit.scan.external.agreement import settled
from remit.scan.external.stage import Listing
from remit.scan.sandbox import Bounds, failed
from remit.scan.sandbox import scan as scan_own
from remit.scan.target import Target
from remit.scan.worker import Request

ARCHIVES = "archives"
OWN_RESIDENT = 400_000_000
OWN_COST = 10.0
Progress = Callable[[int, int], None]
"""Told how many scanners are done, and how many there are."""


def known() -> tuple[str, ...]:
    """Names of all scanners, Remit's own first, whether they are installed or not."""
    return (*scanners(), *environments.tools())


def defaults() -> tuple[str, ...]:
    """Names of those that a scan asks if nobody says which: Remit's own and those installed."""
    return (*scanners(), *environments.available())


def expected(wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the reports that :func:`run` gives, for :func:`remit.scan.verdict.judge`."""
    names = dict.fromkeys(name for name in wanted if name != ARCHIVES)
    return (ARCHIVES, *(tuple(names) or defaults()))


def run(
    target: Target,
    *,
    wanted: Sequence[str] = (),
    bounds: Bounds | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> list[Report]:
    """Scan an unpacked artifact; nothing is written to its directory.

    Args:
        target: the artifact.
        wanted: names of scanners, in any order; those of :func:`defaults` if empty.
        bounds: what it may cost.
        settings: what the operator says of the world.
        progress: is told how many scanners of how many have answered, from one thread at a time.

    Returns:
        A report of each in :func:`expected`, failed for those without a result.

    Raises:
        ScanError: there is no sandbox (``scan.no_sandbox``).
    """
    bounds = bounds or Bounds()
    names = expected(wanted)[1:]
    ours, tools = scanners(), environments.tools()
    own = tuple(name for name in names if name in ours)
    reports = {name: failed(name, "there is no such scanner") for name in names}
    usable: dict[str, environments.Environment] = {}
    for name in names:
        if name in tools:
            environment = environments.installed(name)
            reports[name] = failed(name, f"it is not installed: `remit scanners install {name}`")
            if environment is not None:
                usable[name] = environment
    told = _Told(progress, len(names))
    told.add(len(names) - len(own) - len(usable))
    request = Request(
        root="",
        scratch="",
        scanners=own,
        digest=target.digest,
        kind=target.kind,
        metadata=target.metadata,
        settings=settings or Settings(),
    )
    gate = _Gate(bounds.jobs or os.cpu_count() or 1, bounds.budget)
    stop = threading.Event()
    with (
        tempfile.TemporaryDirectory(prefix="remit-stage-") as scratch,
        ThreadPoolExecutor(max_workers=len(usable) + 1) as pool,
        _stopping(stop),
    ):

        def ours_of() -> list[Report]:
            with gate.place(OWN_RESIDENT, OWN_COST):
                return scan_own(target.root, request, bounds, stop=stop)

        def theirs_of(name: str, listing: Listing) -> list[Report]:
            with gate.place(tools[name].resident, tools[name].cost):
                return [
                    runner.scan(
                        tools[name],
                        usable[name],
                        listing,
                        target.root,
                        Path(scratch),
                        bounds,
                        stop,
                    )
                ]

        waiting: dict[Future[list[Report]], tuple[str, ...]] = {pool.submit(ours_of): own}
        if usable:
            try:
                listing = runner.lay_out(
                    target.root,
                    Path(scratch),
                    tuple(usable),
                    bounds,
                    target.kind,
                    target.metadata,
                )
            except runner.LayoutError as error:
                reports |= {name: failed(name, str(error)) for name in usable}
                told.add(len(usable))
            else:
                # The one that takes longest begins first.
                for name in sorted(usable, key=lambda one: -tools[one].cost):
                    waiting[pool.submit(theirs_of, name, listing)] = (name,)
        for each in as_completed(waiting):
            reports |= {report.scanner: report for report in _result(each, waiting[each])}
            told.add(len(waiting[each]))
    return settled([reports[name] for name in (ARCHIVES, *names)], tools)


def _result(done: Future[list[Report]], names: Sequence[str]) -> list[Report]:
    try:
        return done.result()
    except ScanError:
        raise
    except Exception as error:  # noqa: BLE001 - of a scanner; it has no result then
        return [failed(name, f"it could not be run: {type(error).__name__}") for name in names]


@contextlib.contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Ends what still runs when the scan is broken off, by a key or an error."""
    try:
        yield
    except BaseException:
        stop.set()
        raise


class _Told:
    """Counts answers for somebody."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, count: int) -> None:
        """Some have answered."""
        self._done += count
        if self._progress is not None and count:
            self._progress(self._done, self._total)


class _Gate:
    """As many at a time as there are processors and memory for; one at least, the dearest first."""

    def __init__(self, jobs: int, budget: int) -> None:
        self._jobs = jobs
        self._budget = budget
        self._running = 0
        self._used = 0
        self._free = threading.Condition()
        self._waiting: list[float] = []

    @contextlib.contextmanager
    def place(self, size: int, cost: float) -> Iterator[None]:
        """Wait for a place, behind all that cost more."""
        with self._free:
            self._waiting.append(cost)
            try:
                self._free.wait_for(lambda: self._may(size, cost))
            finally:
                self._waiting.remove(cost)
                self._free.notify_all()
            self._running += 1
            self._used += size
        try:
            yield
        finally:
            with self._free:
                self._running -= 1
                self._used -= size
                self._free.notify_all()

    def _may(self, size: int, cost: float) -> bool:
        if cost < max(self._waiting):
            return False
        fits = self._running < self._jobs and self._used + size <= self._budget
        return not self._running or fits
