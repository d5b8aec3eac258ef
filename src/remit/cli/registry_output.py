"""What the commands over registries print: progress on a terminal, tables, JSON."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from remit.artifacts.oci.manifest import Descriptor
    from remit.artifacts.oci.uploads import Outcome
    from remit.artifacts.transfer.copy import Transferred
    from remit.artifacts.transfer.ports import Watcher

_MANY = 12
"""So many bars of blobs that are there fit on a terminal."""
_SHORT = 12 + len("sha256:")


class Quiet:
    """Shows nothing."""

    def planned(self, blobs: "Sequence[Descriptor]") -> None:
        """Nothing."""

    def moved(self, blob: "Descriptor", there: int) -> None:
        """Nothing."""

    def ended(self, blob: "Descriptor", outcome: "Outcome") -> None:
        """Nothing."""


class Bars:
    """One bar for each blob that moves, and one for all."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._there: dict[str, int] = {}
        self._all: TaskID | None = None

    def planned(self, blobs: "Sequence[Descriptor]") -> None:
        """The bar of all."""
        self._all = self._progress.add_task("all", total=sum(blob.size for blob in blobs))

    def moved(self, blob: "Descriptor", there: int) -> None:
        """Move the bar of a blob."""
        if blob.digest not in self._bars:
            self._bars[blob.digest] = self._progress.add_task(blob.digest[:_SHORT], total=blob.size)
        self._progress.update(self._bars[blob.digest], completed=there)
        if self._all is not None:
            self._progress.advance(self._all, there - self._there.get(blob.digest, 0))
        self._there[blob.digest] = there

    def ended(self, blob: "Descriptor", outcome: "Outcome") -> None:
        """Say what became of it."""
        self.moved(blob, blob.size)
        self._progress.update(
            self._bars[blob.digest],
            description=f"{blob.digest[:_SHORT]} {outcome}",
            visible=len(self._bars) <= _MANY,
        )


@contextlib.contextmanager
def watcher(output: str) -> "Iterator[Watcher]":
    """Bars on a terminal, nothing elsewhere."""
    if output != "table" or not sys.stderr.isatty():
        yield Quiet()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)


def transferred(done: "Transferred", written: str, output: str, **more: Any) -> None:
    """What was moved, and to where; as JSON with whatever ``more`` there is to say."""
    if output == "json":
        click.echo(json.dumps({**_value(done, written), **more}, indent=2))
        return
    counts: dict[str, int] = {}
    for blob in done.blobs:
        counts[blob.outcome] = counts.get(blob.outcome, 0) + 1
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    counted = [_count(done.manifests, "manifest"), _count(len(done.blobs), "blob")]
    if done.referrers:
        counted.insert(1, _count(done.referrers, "referrer"))
    click.echo(f"{written}@{done.descriptor.digest}")
    click.echo(f"{', '.join(counted)} ({said}), {size(done.bytes_moved)} moved", err=True)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _value(done: "Transferred", written: str) -> dict[str, Any]:
    return {
        "reference": written,
        "digest": done.descriptor.digest,
        "media_type": done.descriptor.media_type,
        "size": done.descriptor.size,
        "artifact_type": done.descriptor.artifact_type,
        "manifests": done.manifests,
        "referrers": done.referrers,
        "bytes_moved": done.bytes_moved,
        "blobs": [
            {
                "digest": blob.digest,
                "size": blob.size,
                "media_type": blob.media_type,
                "outcome": blob.outcome,
            }
            for blob in done.blobs
        ],
    }


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def referrers(found: "Sequence[Descriptor]", output: str) -> None:
    """What refers to something."""
    from remit.core.text import printable

    if output == "json":
        values = [
            {
                "digest": each.digest,
                "media_type": each.media_type,
                "artifact_type": each.artifact_type,
                "size": each.size,
                "annotations": each.annotations,
            }
            for each in found
        ]
        click.echo(json.dumps(values, indent=2))
        return
    if not found:
        click.echo("nothing refers to it", err=True)
        return
    rows = [
        (each.digest, " ".join(printable(each.artifact_type, 200).split()), size(each.size))
        for each in found
    ]
    if not sys.stdout.isatty():
        for row in (("digest", "artifact type", "size"), *rows):
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("digest", "artifact type", "size", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
