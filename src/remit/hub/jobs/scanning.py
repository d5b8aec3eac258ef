"""The work of a scan: lay the artifact out in private, have every scanner look at it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from remit.hub.jobs.materialise import CONTENTS, Contents, materialise
from remit.hub.jobs.ports import Content
from remit.hub.jobs.values import Task
from remit.scan.base import Report
from remit.scan.run import Progress

_LAID_OUT, _WHOLE = 50, 1000


def looked_at(contents: Contents, reports: Sequence[Report]) -> Report:
    """The report of what was there to be scanned; it fails if nobody looked at any of it.

    Scanners that read no file look exactly like scanners that found nothing.
    """
    there = any(each.is_file() and each.stat().st_size for each in contents.root.rglob("*"))
    if not there or any(each.coverage for each in reports if not each.failed):
        return contents.report
    return msgspec.structs.replace(contents.report, failed="no scanner looked at any of its files")


class Scan(Protocol):
    """Scans a directory: :func:`remit.scan.run.run` with the worker's bounds."""

    def __call__(self, contents: Contents, task: Task, progress: Progress) -> Sequence[Report]:
        """Reports of all scanners; runs in a thread."""
        ...


class Scanning:
    """A :class:`~remit.hub.jobs.worker.Work`.

    Args:
        content: bytes of artifacts.
        scan: looks at what was laid out.
    """

    def __init__(self, content: Content, scan: Scan) -> None:
        self._content = content
        self._scan = scan

    async def __call__(self, task: Task, place: Path, told: Progress) -> Sequence[Report]:
        """Reports of all scanners, and of what was there to be scanned."""

        def scanned(done: int, total: int) -> None:
            told(_LAID_OUT + (_WHOLE - _LAID_OUT) * done // max(1, total), _WHOLE)

        contents = await materialise(self._content, task, place)
        reports = await asyncio.to_thread(self._scan, contents, task, scanned)
        others = [each for each in reports if each.scanner != CONTENTS]
        return [looked_at(contents, others), *others]
