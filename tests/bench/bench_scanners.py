"""Scan 200 mixed artifacts: each external scanner alone, Remit's own, and all beside each other.

The baseline is the slowest scanner alone, in the same run; `ratio` is the time of all divided by it.
Memory is the most that all processes of a scan held at one moment (proportional set size, so that
what they share counts once), `CPU s` their processor time, both sampled every 250 ms: half of the sum
of it, or the longest, is the least that two processors can need. Scanners that are not installed are left out:
`make rig-scanners` installs them.
"""

import contextlib
import json
import pickle
import random
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from remit.scan.base import scanners
from remit.scan.external.environments import available
from remit.scan.run import run
from remit.scan.sandbox import Bounds
from remit.scan.target import Target

WORDS = ("table", "report", "invoice", "column", "format", "summary", "customer", "total", "sheet")


def pickled(root: Path, rng: random.Random) -> None:
    """Weights as lists of numbers, and a dictionary around them."""
    value = {f"layer.{n}": [rng.random() for _ in range(400)] for n in range(20)}
    (root / "weights.pkl").write_bytes(pickle.dumps(value))


def tensors(root: Path, rng: random.Random) -> None:
    """A megabyte of weights as safetensors."""
    data = rng.randbytes(1 << 20)
    header = {"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    head = json.dumps(header).encode()
    (root / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    (root / "config.json").write_text(json.dumps({"hidden_size": 64, "layers": 2}))


def listing(root: Path, rng: random.Random) -> None:
    """Tools of an MCP server."""
    tools = [
        {
            "name": f"{rng.choice(WORDS)}_{n}",
            "description": f"Makes a {rng.choice(WORDS)} of a {rng.choice(WORDS)}.",
            "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
        }
        for n in range(10)
    ]
    (root / "tools.json").write_text(json.dumps({"tools": tools}))


def code(root: Path, rng: random.Random) -> None:
    """Python of a server, five files."""
    for n in range(5):
        lines = [
            f"def {rng.choice(WORDS)}_{k}(rows):\n    return [row['{rng.choice(WORDS)}'] for row in rows]\n"
            for k in range(20)
        ]
        (root / f"part{n}.py").write_text("import json\n\n\n" + "\n\n".join(lines))


def skill(root: Path, rng: random.Random) -> None:
    """A skill with a script."""
    name = root.name
    (root / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: Formats a {rng.choice(WORDS)} as a"
        f" {rng.choice(WORDS)}.\nlicense: MIT\n---\n# Use\n\nRun `scripts/run.py` on a file.\n"
    )
    (root / "scripts").mkdir()
    code(root / "scripts", rng)


def text(root: Path, rng: random.Random) -> None:
    """Prose."""
    (root / "README.md").write_text(" ".join(rng.choice(WORDS) for _ in range(4000)))


MIX: tuple[tuple[int, Callable[[Path, random.Random], None]], ...] = (
    (70, pickled), (40, tensors), (30, listing), (20, code), (20, skill), (20, text),
)  # fmt: skip


def make(root: Path, share: int) -> int:
    """Artifacts in directories of `root`; how many."""
    rng, number = random.Random(7), 0
    for count, maker in MIX:
        for _ in range(max(1, count // share)):
            folder = root / f"artifact-{number}"
            folder.mkdir()
            maker(folder, rng)
            number += 1
    return number


class Memory:
    """Samples what this process and its children hold."""

    def __init__(self) -> None:
        self.most = 0
        self._used: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Of processors, of what ran in sandboxes and what that started."""
        return sum(self._used.values())

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.25):
            total = 0
            for each in (me, *me.children(recursive=True)):
                try:
                    total += each.memory_full_info().pss
                except psutil.AccessDenied:  # drivers hide theirs; what they share counts twice
                    with contextlib.suppress(psutil.Error):
                        total += each.memory_info().rss
                except (psutil.Error, OSError):
                    continue
                finally:
                    with contextlib.suppress(psutil.Error):
                        self._count(each)
            self.most = max(self.most, total)

    def _count(self, each: psutil.Process) -> None:
        """What a process that a sandbox started has used, with those that it has waited for."""
        parent = each.parent()
        if parent is not None and parent.name() == "bwrap" and each.name() != "bwrap":
            times = each.cpu_times()
            self._used[each.pid] = sum(times[:4])


def measured(root: Path, names: Sequence[str]) -> tuple[float, int, float]:
    """Seconds, bytes and processor seconds of a scan."""
    started = time.monotonic()
    with Memory() as memory:
        reports = run(Target(root=root), wanted=names, bounds=Bounds(seconds=600))
    broken = [each for each in reports if each.failed]
    if broken:
        raise RuntimeError(f"{broken[0].scanner}: {broken[0].failed}")
    return time.monotonic() - started, memory.most, memory.seconds


def main(arguments: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of the table."""
    quick = "--quick" in arguments
    own, tools = tuple(scanners()), available()
    rows: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="remit-bench-") as folder:
        root = Path(folder)
        count = make(root, 10 if quick else 1)
        measured(root, ("configs",))  # files are in memory for everybody
        alone: dict[str, float] = {}
        for name, names in (("remit's own", own), *((tool, (tool,)) for tool in tools)):
            alone[name], most, used = measured(root, names)
            rows.append(
                {
                    "scanner": name, "s": f"{alone[name]:.1f}", "CPU s": f"{used:.1f}",
                    "MB": most >> 20,
                }
            )  # fmt: skip
        taken, most, used = measured(root, (*own, *tools))
        slowest = max(alone, key=lambda name: alone[name])
        rows.append(
            {
                "scanner": f"all, {count} artifacts", "s": f"{taken:.1f}",
                "CPU s": f"{used:.1f}", "MB": most >> 20,
                "ratio": f"{taken / alone[slowest]:.2f}", "slowest alone": slowest,
                "all after one another": f"{sum(alone.values()):.1f}",
            }
        )  # fmt: skip
    return rows
