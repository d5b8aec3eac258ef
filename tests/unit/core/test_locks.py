"""Advisory locks."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from remit.core.locks import exclusive, try_hold


def test_held_until_closed(tmp_path):
    path = tmp_path / "lock"
    first = try_hold(path)
    assert first is not None
    assert try_hold(path) is None
    os.close(first)
    second = try_hold(path)
    assert second is not None
    os.close(second)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_refused_try_leaks_no_descriptor(tmp_path):
    held = try_hold(tmp_path / "lock")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        assert try_hold(tmp_path / "lock") is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(held)


def test_exclusive_waits_and_lets_go_on_errors(tmp_path):
    path, seen = tmp_path / "lock", []

    def other():
        with exclusive(path):
            seen.append("other")

    thread = threading.Thread(target=other)

    def first():
        with exclusive(path):
            thread.start()
            time.sleep(0.03)
            seen.append("first")
            raise KeyError

    with pytest.raises(KeyError):
        first()
    thread.join(5)
    assert seen == ["first", "other"]


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from remit.core.locks import try_hold\n"
        "print(try_hold(Path(sys.argv[1])) is not None, flush=True); time.sleep(30)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"True\n"
        assert try_hold(tmp_path / "lock") is None
        child.kill()
    held = try_hold(tmp_path / "lock")
    assert held is not None
    os.close(held)


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such"):
        try_hold(tmp_path / "no" / "lock")
