"""Memory stays flat, however large the files are."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT_MB = 120
CALL = [str(Path(sys.executable).with_name("remit"))]


def run(*arguments: str | Path) -> tuple[float, float]:
    """Run `remit`; its peak memory in megabytes and how many seconds it took.

    `ru_maxrss` would do, but a child has the peak of the process that it was forked from.
    """
    start = time.monotonic()
    with subprocess.Popen([*CALL, *map(str, arguments)], stdout=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        peak = 0
        while process.poll() is None:
            if "VmHWM:" in (text := status.read_text()):
                peak = max(peak, int(text.split("VmHWM:")[1].split()[0]))
            time.sleep(0.01)
    assert process.returncode == 0
    return peak / 1000, time.monotonic() - start


@pytest.mark.parametrize(
    "gigabytes",
    [
        pytest.param(1, marks=pytest.mark.timeout(600)),
        pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(1200)]),
    ],
)
def test_large_files_stream(tmp_path, gigabytes):
    context, store = tmp_path / "ctx", tmp_path / "store"
    context.mkdir()
    with (context / "model.safetensors").open("wb") as file:
        file.truncate(gigabytes << 30)
    (context / "config.json").write_text("{}")
    packed = run("pack", context, "-t", "big:v1", "--store", store)
    (context / "model.safetensors").unlink()
    unpacked = run("unpack", "big:v1", "-d", tmp_path / "out", "--store", store)
    assert (tmp_path / "out" / "model.safetensors").stat().st_size == gigabytes << 30
    rates = [
        f"{peak:.0f} MB, {gigabytes / seconds:.2f} GiB/s" for peak, seconds in (packed, unpacked)
    ]
    print(f"{gigabytes} GiB: pack {rates[0]}; unpack {rates[1]}")
    assert max(packed[0], unpacked[0]) < LIMIT_MB


@pytest.mark.timeout(300)
def test_compressed_layers_and_many_files_stream_too(tmp_path):
    context, store = tmp_path / "ctx", tmp_path / "store"
    context.mkdir()
    block = os.urandom(1 << 20)
    with (context / "rows.csv").open("wb") as file:
        for _ in range(128):
            file.write(block)
    (context / "many").mkdir()
    for at in range(5000):
        (context / "many" / f"{at}.csv").write_text("a,b\n")
    packed = run("pack", context, "-t", "rows:v1", "--gzip", "--store", store)
    unpacked = run("unpack", "rows:v1", "-d", tmp_path / "out", "--store", store)
    assert len(list((tmp_path / "out" / "many").iterdir())) == 5000
    assert max(packed[0], unpacked[0]) < LIMIT_MB
