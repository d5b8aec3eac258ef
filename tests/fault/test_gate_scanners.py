"""Scanners that crash, hang, eat memory, say nothing or lie: nothing of it is ever clean.

The Hub is real, so is the sandbox; in it another program runs in place of the scanners.
"""

import asyncio
import io
import shutil
import sys
import tarfile

import pytest

from remit.audit.clock import SystemClock
from remit.hub.jobs import materialise
from remit.hub.jobs.materialise import RESERVE_BYTES
from remit.hub.jobs.scanning import Scanning
from remit.hub.jobs.worker import Worker
from remit.hub.store.database import connect
from remit.hub.store.files import Files
from remit.hub.store.queue import SqlQueue
from remit.scan.base import scanners
from remit.scan.sandbox import Bounds, scan
from remit.scan.worker import Request
from tests.rig.fronts import Wire
from tests.rig.gated import CLEAN, manifest_of, put, put_manifest, settled, state
from tests.rig.hubs import fresh
from tests.rig.registries import hub, person

CRASH = "import sys; sys.exit(1)"
ABORT = "import os; os.abort()"
HANG = "import time; time.sleep(600)"
SPIN = "while True: pass"
MEMORY = """
import sys, msgspec
from remit.scan import worker
worker._confine(msgspec.json.decode(sys.argv[-1], type=worker.Request))
held = []
while True: held.append(bytearray(64 << 20))
"""
CAUGHT = MEMORY.replace("while True: held", "try:\n  while True: held").rstrip() + (
    "\nexcept MemoryError: print('[]')\n"
)
SILENT = "pass"
EMPTY = "print('[]')"
NOISE = "print('all is well')"
HALF = 'print(\'[{"scanner":"archives","version":"1"\')'
FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
OTHERS = 'print(\'[{"scanner":"nobody","version":"1","rules":"sha256:0"}]\')'
FORK = "import os, time\nfor _ in range(50):\n  os.fork() or time.sleep(600)\n"
LIES = """
import msgspec, sys
from remit.scan.base import Report
request = msgspec.json.decode(sys.argv[-1])
names = ["archives", *request["scanners"]]
rules = "sha256:" + "0" * 64
found = [Report(scanner=each, version="1", rules=rules) for each in names]
sys.stdout.buffer.write(msgspec.json.encode(found))
"""


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A Hub that has no worker."""
    directory = tmp_path_factory.mktemp("gated")
    with hub(directory, auth="basic", gate=True, options=["--workers", "0"]) as found:
        yield found


@pytest.fixture(scope="module")
def writer(gated):
    return Wire.to(person(gated, "writer", "writer", "**"))


@pytest.fixture(scope="module")
def reader(gated):
    return Wire.to(person(gated, "reader", "reader", "**"))


class Stored:
    """The bytes of a Hub over files."""

    def __init__(self, store):
        self._store = store

    async def read(self, repository, descriptor):
        async for piece in self._store.read(descriptor.digest, 0, descriptor.size):
            yield piece


def work(registry, scratch, program="", seconds=20.0, scans=None):
    """Do what waits with another program in the sandbox; how many jobs those were."""

    def look(contents, task, progress):
        request = Request(root="", scratch="", scanners=tuple(scanners()), digest=task.digest)
        bounds = Bounds(seconds=seconds, memory=600_000_000)
        return scan(contents.root, request, bounds, (sys.executable, "-I", "-c", program))

    async def run():
        database, store = connect("", registry.state), Files(registry.state / "blobs")
        try:
            queue = SqlQueue(database, SystemClock())
            does = Scanning(Stored(store), scans or look)
            worker, count = Worker("tests", queue, does, scratch), 0
            while await worker.once():
                count += 1
            return count
        finally:
            await store.close()
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        (CRASH, 20), (ABORT, 20), (HANG, 2), (SPIN, 2), (MEMORY, 20), (CAUGHT, 20), (SILENT, 20),
        (EMPTY, 20), (NOISE, 20), (HALF, 20), (FLOOD, 20), (OTHERS, 20), (FORK, 2), (LIES, 20),
    ],
    ids=[
        "crash", "abort", "hang", "spin", "memory", "memory-caught", "silent", "empty", "noise",
        "half", "flood", "others", "fork", "lies",
    ],
)  # fmt: skip
def test_what_was_not_scanned_is_refused(gated, writer, reader, tmp_path, program, seconds):
    repository = fresh()
    put(writer, repository, "v1", CLEAN)
    assert work(gated, tmp_path, program, seconds)
    assert settled(writer, repository, "v1") == "refused"
    reason = reader("GET", f"/v2/{repository}/manifests/v1").reason
    assert "has no result" in reason
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_machine_that_cannot_scan_fails_the_job_and_says_why(gated, writer, tmp_path):
    def broken(contents, task, progress):
        raise OSError(28, "No space left on device")

    repository = fresh()
    put(writer, repository, "v1", CLEAN)
    assert work(gated, tmp_path, scans=broken)
    assert state(writer, repository, "v1") == "quarantined"


def test_a_worker_without_room(gated, writer, small_disk):
    """The disk of the worker is smaller than what it leaves free: the job is tried elsewhere."""
    repository = fresh()
    put(writer, repository, "v1", CLEAN)
    assert work(gated, small_disk)
    assert state(writer, repository, "v1") == "quarantined"
    assert [each.name for each in small_disk.iterdir()] in ([], ["lost+found"])
    assert RESERVE_BYTES > 80 << 20


def test_a_disk_that_fills_while_it_unpacks(gated, writer, small_disk, monkeypatch):
    """What compresses well fits until it is unpacked: nothing is decided on, nothing is left."""
    monkeypatch.setattr(materialise, "RESERVE_BYTES", 0)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("zeros.bin")
        member.size = 200 << 20
        archive.addfile(member, Zeros())
    data, repository = packed.getvalue(), fresh()
    document = manifest_of(writer, repository, CLEAN)
    document["layers"] = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": writer.blob(repository, data),
            "size": len(data),
        }
    ]
    put_manifest(writer, repository, "v1", document)
    # Its job is due at once; those that failed before may come again.
    assert work(gated, small_disk)
    assert state(writer, repository, "v1") == "quarantined"
    assert [each.name for each in small_disk.iterdir()] in ([], ["lost+found"])
    assert shutil.disk_usage(small_disk).free > 70 << 20


class Zeros(io.RawIOBase):
    """As many zeros as are asked for."""

    def read(self, size=-1):
        return bytes(size)
