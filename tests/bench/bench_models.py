"""Large models through Remit's own scanners: all of a scan, in its sandbox, unpacking and listing too.

The baseline of the safetensors file is SHA-256 of the same bytes in this process, in the same run. The
hostile pickle is benign and has 5,000,000 objects, each remembered, so that a reader that keeps what
it reads takes gigabytes: `end` is how Remit's scanner of pickles ends with it, `peak MB` the most that
the processes of the scan held (resident), and the bound is that of an ordinary scan.
"""

import hashlib
import json
import struct
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from remit.scan.base import scanners
from remit.scan.run import run
from remit.scan.sandbox import Bounds
from remit.scan.target import Target
from tests.bench.bench_scanners import Memory

MB = 1_000_000


def weights(place: Path, size: int) -> None:
    """Safetensors with `size` bytes of numbers in tensors of 64 MiB, half of them F32, half BF16."""
    import numpy as np

    header, at, pieces = {}, 0, []
    rng = np.random.default_rng(7)
    while at < size:
        length = min(64 << 20, size - at) // 4 * 4
        single = len(pieces) % 2 == 0
        shape = [length // 4] if single else [length // 2]
        header[f"layer.{len(pieces)}"] = {
            "dtype": "F32" if single else "BF16", "shape": shape,
            "data_offsets": [at, at + length],
        }  # fmt: skip
        pieces.append(length)
        at += length
    head = json.dumps(header).encode()
    numbers = rng.standard_normal(16 << 20, dtype=np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    with place.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for number, length in enumerate(pieces):
            data = numbers.tobytes() if number % 2 == 0 else halves * 2
            file.write(data[:length])


def objects(place: Path, count: int) -> None:
    """A list of `count` texts of 38 bytes, each remembered, in batches as :mod:`pickle` makes them."""
    batch = 1000
    with place.open("wb") as file:
        file.write(b"\x80\x04]\x94")
        for begin in range(0, count, batch):
            texts = (b"\x8c\x26%038d\x94" % number for number in range(begin, begin + batch))
            file.write(b"(" + b"".join(texts) + b"e")
        file.write(b".")


def measured(root: Path, bounds: Bounds) -> tuple[float, float, int, str]:
    """Seconds, processor seconds, bytes and how the pickle scanner ended."""
    begun = time.perf_counter()
    with Memory() as memory:
        reports = run(Target(root=root), wanted=tuple(scanners()), bounds=bounds)
    taken = time.perf_counter() - begun
    failed = [each.failed for each in reports if each.failed]
    ends = [
        f"{each.status} {each.reason}".strip()
        for report in reports
        for each in report.coverage
        if report.scanner in {"pickles", "safetensors"}
    ]
    return taken, memory.seconds, memory.most, "; ".join(failed or ends)


def main(arguments: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of the table."""
    quick = "--quick" in arguments
    size, count = (200 * MB, 500_000) if quick else (1_000 * MB, 5_000_000)
    rows: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="remit-bench-") as folder:
        root = Path(folder)
        file = root / "model.safetensors"
        weights(file, size)
        for name in ("SHA-256", "safetensors"):
            best = None
            for _ in range(1 if quick else 3):
                if name == "SHA-256":
                    begun, used = time.perf_counter(), time.process_time()
                    with file.open("rb") as opened:
                        hashlib.file_digest(opened, "sha256")
                    found = time.perf_counter() - begun, time.process_time() - used, 0, ""
                else:
                    found = measured(root, Bounds())
                best = min(best or found, found)
            assert best is not None
            rows.append(row(f"{name}, {size // MB} MB", file.stat().st_size, best))
        file.unlink()
        file = root / "model.pkl"
        objects(file, count)
        rows.append(
            row(f"pickle of {count:,} objects", file.stat().st_size, measured(root, Bounds()))
        )
    return rows


def row(name: str, size: int, found: tuple[float, float, int, str]) -> Mapping[str, Any]:
    """One row."""
    taken, used, most, end = found
    return {
        "what": name, "MB": size // MB, "s": f"{taken:.2f}", "CPU s": f"{used:.2f}",
        "MB/s": f"{size / MB / taken:.0f}", "MB/s of CPU": f"{size / MB / max(used, 0.01):.0f}",
        "peak MB": most >> 20, "end": end,
    }  # fmt: skip
