"""Admission at start: everything that is verified and copied, beside hashing the same bytes alone.

`hash` reads and hashes the artifact's blobs, which must be done at every start; `admit` is the
whole of it: trust root, signatures, policy, the private copy, the record on disk. Alternating
rounds in one process, best of them; `CPU` is the processor time of all threads, which says more
than the clock where others use the machine.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from remit.artifacts.oci.digests import hasher
from remit.artifacts.oci.manifest import Descriptor
from remit.audit.clock import SystemClock
from remit.core.event import Agent
from remit.guard.admission.admission import Admission
from remit.guard.admission.running import Running
from remit.guard.admission.withdrawn import Withdrawn
from remit.guard.compose import admission_of, copies_of, open_log
from remit.guard.config import load
from remit.guard.ledger import Ledger
from remit.policy.bundle import load_bundle
from remit.policy.policy import Policy
from tests.rig.vouched import NAME, Machine, echo_server, pinned

SIZES = {
    "1 file, 1 MB": (1, 1 << 20),
    "300 files, 10 MB": (300, 10 << 20),
    "1500 files, 40 MB": (1500, 40 << 20),
    "20 files, 200 MB": (20, 200 << 20),
}
ROUNDS = 7


def hashed(machine: Machine, subject: Descriptor) -> tuple[float, float]:
    """Seconds to read and hash the blobs of an artifact, by the clock and of the processor."""
    manifest, _ = machine.layout.manifest(subject)
    begun, used = time.perf_counter(), time.process_time()
    for each in manifest.blobs:
        found = hasher("sha256")
        with machine.layout.path(each.digest).open("rb", buffering=0) as file:
            while data := file.read(1 << 20):
                found.update(data)
        assert f"sha256:{found.hexdigest()}" == each.digest
    return time.perf_counter() - begun, time.process_time() - used


async def admitted(machine: Machine, admission: Admission, policy: Policy) -> tuple[float, float]:
    """Seconds to admit it, until it could be started, by the clock and of the processor."""
    server = load(machine.home / "remit.toml").server("echo")
    begun, used = time.perf_counter(), time.process_time()
    found = await admission.admit(server, policy, Agent(id="bench"), "bench")
    taken = time.perf_counter() - begun, time.process_time() - used
    found.stage.close()
    return taken


async def measure(home: Path, files: int, size: int, rounds: int) -> dict[str, Any]:
    """One row."""
    machine = Machine(home)
    content = echo_server(home / "server") / "lib"
    for number in range(files):
        file = content / f"part{number // 50}" / f"file{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(size // files))
    subject = machine.vouch(machine.pack(home / "server"))
    config = load(machine.configure(pinned(NAME, subject)))
    copies = copies_of(machine.state)
    log = open_log(machine.state, SystemClock())
    try:
        ledger = Ledger(log, guard_id="bench", surface="bench")
        running = Running(Withdrawn(machine.state / "withdrawn"))
        admission = admission_of(config, machine.state, copies, running, ledger, SystemClock())
        assert admission is not None
        policy = Policy.compile(load_bundle(machine.bundle))
        pairs = [
            (hashed(machine, subject), await admitted(machine, admission, policy))
            for _ in range(rounds)
        ]
    finally:
        copies.close()
        log.close()
    (hash_ms, hash_cpu), (admit_ms, admit_cpu) = (
        [min(pair[which][at] for pair in pairs) * 1e3 for at in (0, 1)] for which in (0, 1)
    )
    return {
        "hash ms": f"{hash_ms:.1f}",
        "admit ms": f"{admit_ms:.1f}",
        "beyond ms": f"{admit_ms - hash_ms:.1f}",
        "hash CPU ms": f"{hash_cpu:.1f}",
        "admit CPU ms": f"{admit_cpu:.1f}",
    }


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the bench."""
    quick = "--quick" in arguments
    rows = []
    for name, (files, size) in SIZES.items():
        with tempfile.TemporaryDirectory() as home:
            row = asyncio.run(measure(Path(home), files, size, 3 if quick else ROUNDS))
        rows.append({"artifact": name, **row})
    return rows
