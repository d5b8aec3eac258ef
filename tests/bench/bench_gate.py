"""From the push to the decision: a tiny artifact on an idle Hub, by Remit's own scanners.

One Hub with one worker and SQLite, as `remit hub run` starts them. `push` is until the manifest is
answered, `decided` until the first pull that succeeds after it, asked for every 20 ms. `scan` beside
it is one scan of the same file by the same scanners in this process, without a Hub: what the way
through the queue, the evidence and the decision add is the difference.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.scan.base import scanners
from remit.scan.run import run
from remit.scan.target import Target
from tests.rig.fronts import Wire
from tests.rig.gated import put, state
from tests.rig.registries import hub, person

LISTING = b'{"tools": [{"name": "table", "description": "Makes a table.", "inputSchema": {"type": "object"}}]}'
DEADLINE_S = 120.0


def decided(wire: Wire, number: int) -> tuple[float, float]:
    """Seconds of a push, and from its end to the decision."""
    begun = time.perf_counter()
    files = {"tools.json": LISTING, "README.md": f"# Number {number}\n".encode()}
    put(wire, f"bench/n{number}", "v1", files)
    pushed = time.perf_counter()
    while (found := state(wire, f"bench/n{number}", "v1")) == "quarantined":
        if time.perf_counter() - pushed > DEADLINE_S:
            raise RuntimeError("nobody decided")
        time.sleep(0.02)
    if found != "admitted":
        raise RuntimeError(f"a harmless artifact is {found}")
    return pushed - begun, time.perf_counter() - pushed


def scanned(place: Path) -> float:
    """Seconds of a scan without a Hub."""
    (place / "tools.json").write_bytes(LISTING)
    (place / "README.md").write_bytes(b"# Number\n")
    begun = time.perf_counter()
    run(Target(root=place), wanted=tuple(scanners()))
    return time.perf_counter() - begun


def main(arguments: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of the table."""
    rounds = 4 if "--quick" in arguments else 12
    with (
        tempfile.TemporaryDirectory(prefix="remit-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="remit-bench-") as place,
        hub(Path(folder), auth="basic", gate=True) as found,
    ):
        wire = Wire.to(person(found, "writer", "writer", "**"))
        decided(wire, 0)  # the worker is up now
        pairs, alone = [], []
        for number in range(1, rounds + 1):
            time.sleep(1.1)  # idle: as far apart as its pauses get
            pairs.append(decided(wire, number))
            alone.append(scanned(Path(place)))
    return [
        {
            "what": name,
            "best s": f"{min(each):.2f}",
            "median s": f"{statistics.median(each):.2f}",
            "worst s": f"{max(each):.2f}",
        }
        for name, each in (
            ("push", [pair[0] for pair in pairs]),
            ("decided after it", [pair[1] for pair in pairs]),
            ("scan alone", alone),
        )
    ]
