"""All scanners over one unpacked artifact: the one way in for whoever has one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.scan.base import Report
from remit.scan.sandbox import Bounds, scan
from remit.scan.worker import Request

Progress = Callable[[int, int], None]
"""Told how many scanners are done, and how many there are."""


def run(
    root: Path,
    *,
    digest: str,
    kind: str = "",
    metadata: Mapping[str, Any] | None = None,
    wanted: Sequence[str] = (),
    bounds: Bounds | None = None,
    progress: Progress | None = None,
) -> list[Report]:
    """A report of every scanner in :func:`expected`; a failed one of those without a result.

    Args:
        root: directory with the artifact's files.
        digest: of its manifest.
        kind: of artifact; empty if it is none that Remit knows.
        metadata: its configuration, a Kitfile as JSON.
        wanted: names of scanners; all if empty.
        bounds: what a scan may cost.
        progress: told how far it is.

    Raises:
        ScanError: there is no sandbox.
    """
    from remit.scan.base import scanners

    names = tuple(wanted) or tuple(scanners())
    tell = progress or (lambda _done, _total: None)
    tell(0, len(names))
    request = Request(
        root="",
        scratch="",
        scanners=names,
        digest=digest,
        kind=kind,
        metadata=dict(metadata or {}),
    )
    reports = scan(root, request, bounds or Bounds())
    tell(len(names), len(names))
    return reports


def expected(wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the reports that :func:`run` gives."""
    from remit.scan.base import scanners

    return ("archives", *(tuple(wanted) or tuple(scanners())))
