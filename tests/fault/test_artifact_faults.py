"""A disk that takes no more: nothing half-done, and a sentence instead of a trace."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REMIT = Path(sys.executable).with_name("remit")
LIMIT = 1 << 20


def full() -> None:
    """No file may become larger than the limit: writes beyond it fail, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def remit(*arguments, limited: bool = False):
    return subprocess.run(
        [str(REMIT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=full if limited else None,
    )


@pytest.fixture
def context(tmp_path):
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "a.csv").write_bytes(b"small")
    (tmp_path / "ctx" / "b.csv").write_bytes(bytes(5 * LIMIT))
    return tmp_path / "ctx"


def test_packing(context, tmp_path):
    store = tmp_path / "store"
    failed = remit("pack", context, "-t", "big:v1", "--store", store, limited=True)
    assert failed.returncode == 1
    assert "the disk does not let it" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert json.loads(remit("list", "--store", store, "-o", "json").stdout) == []
    assert list((store / "ingest").iterdir()) == []
    assert remit("pack", context, "-t", "big:v1", "--store", store).returncode == 0


@pytest.mark.parametrize("options", [[], ["--gzip"]])
def test_unpacking(context, tmp_path, options):
    store = tmp_path / "store"
    assert remit("pack", context, "-t", "big:v1", "--store", store, *options).returncode == 0
    before = sorted(each.name for each in tmp_path.iterdir())
    failed = remit("unpack", "big:v1", "-d", tmp_path / "out", "--store", store, limited=True)
    assert failed.returncode == 1
    assert "the disk does not let it" in failed.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    assert remit("unpack", "big:v1", "-d", tmp_path / "out", "--store", store).returncode == 0
    assert (tmp_path / "out" / "b.csv").stat().st_size == 5 * LIMIT
