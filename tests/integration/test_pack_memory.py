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
    """Run `remit`; its peak memory in megabytes and how many seconds it took."""
    start = time.monotonic()
    process = subprocess.Popen([*CALL, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1000, time.monotonic() - start


@pytest.mark.parametrize(
    "gigabytes", [1, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
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
