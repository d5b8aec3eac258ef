"""What changed since the version before: compared once, in a sandbox, one pair at a time.

The bytes of both are hostile, so nothing of the Hub's process reads them: they are laid out in a
directory of their own, and :mod:`.comparing` reads them there, without network, with bounds of time
and memory. Layers that both have are equal and are not fetched.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import msgspec

from remit.artifacts.diff.base import SEVERITIES, Change, Difference
from remit.artifacts.errors import ArtifactError
from remit.artifacts.layout import Layout
from remit.artifacts.oci.manifest import Descriptor, Manifest, parse_manifest
from remit.core.errors import RemitError
from remit.hub.catalog.ports import Found
from remit.hub.console.comparing import Order
from remit.hub.errors import HubError
from remit.hub.registry.ports import Small
from remit.scan.sandbox import ROOT, SCRATCH, command

SECONDS = 30.0
PATIENCE_S = 90.0
MAX_BLOB_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 256 * 1024 * 1024
MAX_OUTPUT_BYTES = 8 * 1024 * 1024
MAX_KEPT = 16
FAILED_S = 60.0
"""How long a pair that was not compared is not tried again."""
MAX_QUEUED = 8
MAX_SHOWN = 400


class NotComparedError(HubError):
    """Two artifacts that were not compared; the message says why."""

    code = "console.diff"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A difference as a page shows it.

    Attributes:
        found: the whole, but for its changes.
        groups: changes by file.
        counts: how many changes there are of each severity, the gravest first.
        left: how many changes are not shown.
    """

    found: Difference
    groups: tuple[tuple[str, tuple[Change, ...]], ...]
    counts: tuple[tuple[str, int], ...]
    left: int


class Differences:
    """See the module's text. Belongs to the event loop's thread.

    Args:
        small: reads blobs.
    """

    def __init__(self, small: Small) -> None:
        self._small = small
        self._turn = asyncio.Semaphore(1)
        self._done: OrderedDict[tuple[str, str], Shown | str] = OrderedDict()
        self._failed_at: dict[tuple[str, str], float] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def of(self, before: Found, after: Found, patience_s: float) -> Shown | None:
        """The difference; ``None`` if it is not there in so many seconds, then ask again.

        Raises:
            NotComparedError: there will be none.
        """
        key = (before.item.digest, after.item.digest)
        known = self._known(key)
        if known is None:
            task = self._tasks.get(key)
            if task is None:
                if len(self._tasks) >= MAX_QUEUED:
                    raise NotComparedError(
                        "too much is being compared at once", hint="load the page again later"
                    )
                task = asyncio.create_task(self._compare(key, before, after))
                self._tasks[key] = task
            await asyncio.wait([task], timeout=patience_s)
            known = self._known(key)
        if isinstance(known, str):
            raise NotComparedError(known, hint="`remit diff` compares on your machine")
        return known

    def _known(self, key: tuple[str, str]) -> Shown | str | None:
        """What came of a pair; nothing of a failure that is long ago."""
        failed = self._failed_at.get(key)
        if failed is not None and asyncio.get_running_loop().time() - failed > FAILED_S:
            return None
        return self._done.get(key)

    async def close(self) -> None:
        """End what is being compared."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _compare(self, key: tuple[str, str], before: Found, after: Found) -> None:
        result: Shown | str = "they could not be compared"
        try:
            async with self._turn:
                result = shown(await self._compared(before, after))
        except RemitError as error:
            result = error.message
        except OSError as error:
            result = f"there is no room to compare them: {error.strerror}"
        finally:
            del self._tasks[key]
            self._done[key] = result
            self._failed_at.pop(key, None)
            if isinstance(result, str):
                self._failed_at[key] = asyncio.get_running_loop().time()
            while len(self._done) > MAX_KEPT:
                self._failed_at.pop(self._done.popitem(last=False)[0], None)

    async def _compared(self, before: Found, after: Found) -> Difference:
        both = [parse_manifest(each.body, each.item.media_type) for each in (before, after)]
        if any(each.config is None for each in both):
            raise NotComparedError("an index is compared member by member")
        with (
            tempfile.TemporaryDirectory(prefix="remit-diff-") as place,
            tempfile.TemporaryDirectory(prefix="remit-diff-") as scratch,
        ):
            await self._lay_out(Path(place), (before, after), both)
            order = Order(
                root=ROOT, scratch=SCRATCH, seconds=SECONDS,
                before=_descriptor(before), after=_descriptor(after),
                names=(_name(before), _name(after)),
            )  # fmt: skip
            inner = (sys.executable, "-I", "-m", "remit.hub.console.comparing",
                     msgspec.json.encode(order).decode())  # fmt: skip
            output = await _run(command(Path(place), Path(scratch), inner))
        try:
            return msgspec.json.decode(output, type=Difference)
        except msgspec.MsgspecError:
            raise NotComparedError("what compares them gave no difference") from None

    async def _lay_out(
        self, place: Path, found: tuple[Found, Found], manifests: list[Manifest]
    ) -> None:
        layout = Layout.open(place, create=True)
        layers = [{each.digest for each in manifest.layers} for manifest in manifests]
        shared, left, taken = layers[0] & layers[1], MAX_TOTAL_BYTES, set[str]()
        for each, manifest in zip(found, manifests, strict=True):
            layout.put(each.body, each.item.digest)
            for blob in manifest.blobs:
                # What is left out is told as not looked into, and never as equal.
                if blob.digest in shared | taken or blob.size > min(left, MAX_BLOB_BYTES):
                    continue
                data = await self._small(each.item.repository, blob, MAX_BLOB_BYTES)
                if data is not None:
                    with contextlib.suppress(ArtifactError):
                        await asyncio.to_thread(layout.put, data, blob.digest)
                    left -= len(data)
                    taken.add(blob.digest)


def _descriptor(found: Found) -> Descriptor:
    return Descriptor(
        media_type=found.item.media_type, digest=found.item.digest, size=len(found.body)
    )


def _name(found: Found) -> str:
    item = found.item
    return f"{item.repository}:{item.tags[0]}" if item.tags else item.repository


async def _run(arguments: list[str]) -> bytes:
    """The output of a command in bounds of time and size.

    Raises:
        NotComparedError: it did not end well.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
    assert process.stdout is not None
    output = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while piece := await process.stdout.read(1 << 16):
                output += piece
                if len(output) > MAX_OUTPUT_BYTES:
                    raise NotComparedError("there are more differences than a page shows")
            status = await process.wait()
    except TimeoutError:
        raise NotComparedError(f"comparing them took longer than {PATIENCE_S:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if status:
        raise NotComparedError("what compares them ended before its time")
    return bytes(output)


def shown(found: Difference) -> Shown:
    """A difference, cut to what a page shows."""
    grouped: dict[str, list[Change]] = {}
    for change in found.changes[:MAX_SHOWN]:
        grouped.setdefault(change.path, []).append(change)
    counts = [
        (name, sum(each.severity == name for each in found.changes))
        for name in reversed(SEVERITIES)
    ]
    return Shown(
        found=msgspec.structs.replace(found, changes=()),
        groups=tuple((path, tuple(changes)) for path, changes in grouped.items()),
        counts=tuple(each for each in counts if each[1]),
        left=max(0, len(found.changes) - MAX_SHOWN),
    )
