"""One scan of one artifact by all scanners that are wanted: the entry of the command and the Hub.

A scanner that fails has a failed report; nothing it does is raised here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.scan.base import Report, scanners
from remit.scan.sandbox import Bounds, failed
from remit.scan.sandbox import scan as scan_own
from remit.scan.worker import Request

ARCHIVES = "archives"
Progress = Callable[[int, int], None]


def run(
    root: Path,
    *,
    digest: str = "",
    kind: str = "",
    metadata: Mapping[str, Any] | None = None,
    wanted: Sequence[str],
    bounds: Bounds,
    progress: Progress | None = None,
) -> list[Report]:
    """Scan the unpacked artifact in ``root``.

    Args:
        root: its directory; nothing is written to it.
        digest, kind, metadata: of the artifact, as :class:`remit.scan.base.Artifact` has them.
        wanted: names of scanners, in any order.
        bounds: what it may cost.
        progress: is told how many scanners of how many have answered, from any thread.

    Returns:
        A report of ``archives`` and of each that is wanted, failed for those without a result.
        Give the same names to :func:`remit.scan.verdict.judge`, with ``archives``.

    Raises:
        ScanError: there is no sandbox (``scan.no_sandbox``).
    """
    names = tuple(dict.fromkeys(name for name in wanted if name != ARCHIVES))
    known = scanners()
    own = tuple(name for name in names if name in known)
    request = Request(
        root="", scratch="", scanners=own, digest=digest, kind=kind, metadata=dict(metadata or {})
    )
    reports = {each.scanner: each for each in scan_own(root, request, bounds)}
    if progress is not None:
        progress(len(names), len(names))
    return [
        reports.get(name) or failed(name, "there is no such scanner") for name in (ARCHIVES, *names)
    ]
