"""Temporary files of a process are removed, also when it was killed, and nobody else's are."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remit.core.scratch import PREFIX, scratch

HOLDS = """
import sys, time
from pathlib import Path
from remit.core.scratch import scratch
with scratch(Path(sys.argv[1])) as own:
    (own / "deep").mkdir()
    (own / "deep" / "file").write_bytes(b"x")
    print(own, flush=True)
    time.sleep(60)
"""


def base_of(parent: Path) -> Path:
    return parent / f"{PREFIX}{os.geteuid()}"


def holder(parent: Path) -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def killed(process: "subprocess.Popen[str]", number: int) -> None:
    process.send_signal(number)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_it_is_private_and_gone_afterwards(tmp_path):
    with scratch(tmp_path / "new") as own:
        assert own.stat().st_mode & 0o777 == 0o700
        assert own.parent.stat().st_mode & 0o777 == 0o700
        (own / "file").write_bytes(b"x")
    assert not own.exists()
    assert list(base_of(tmp_path / "new").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_a_living_one_keeps_its_own(tmp_path):
    dead, left = holder(tmp_path)
    living, kept = holder(tmp_path)
    try:
        killed(dead, signal.SIGKILL)
        assert (left / "deep" / "file").exists()
        with scratch(tmp_path) as own:
            assert not left.exists()
            assert (kept / "deep" / "file").exists()
            assert own.exists()
        assert (kept / "deep" / "file").exists()
    finally:
        killed(living, signal.SIGKILL)


def test_it_is_removed_when_it_cannot_be_entered(tmp_path):
    with scratch(tmp_path) as own:
        (own / "a" / "b").mkdir(parents=True)
        (own / "a" / "b" / "file").write_bytes(b"x")
        (own / "a" / "b").chmod(0)
        (own / "a").chmod(0)
    assert not own.exists()


def test_no_link_is_followed(tmp_path):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "precious").write_bytes(b"x")
    parent = tmp_path / "tmp"
    with scratch(parent):
        pass
    # One of what is below the base, and one in something that is removed.
    (base_of(parent) / "7-link").symlink_to(outside / "sub")
    dead = base_of(parent) / "8-dead"
    dead.mkdir(mode=0o700)
    (dead / "link").symlink_to(outside)
    with scratch(parent):
        assert not dead.exists()
    assert (outside / "sub" / "precious").exists()
    assert not (outside / "sub" / ".lock").exists()
    assert (base_of(parent) / "7-link").is_symlink()


def test_a_base_that_is_a_link_is_not_used(tmp_path):
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True, mode=0o700)
    parent = tmp_path / "tmp"
    parent.mkdir()
    outside.chmod(0o700)
    base_of(parent).symlink_to(outside)
    with scratch(parent) as own:
        assert own.parent == parent
        assert own.stat().st_mode & 0o777 == 0o700
    assert not own.exists()
    assert list(outside.iterdir()) == [outside / "sub"]
    assert list((outside / "sub").iterdir()) == []


def test_a_base_that_others_may_use_is_not_used(tmp_path):
    base = base_of(tmp_path)
    (base / "1-trap").mkdir(parents=True)
    base.chmod(0o777)
    with scratch(tmp_path) as own:
        assert own.parent == tmp_path
    assert (base / "1-trap").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_what_belongs_to_another_user_is_left_alone(tmp_path):
    base = base_of(tmp_path)
    (base / "1-theirs").mkdir(parents=True, mode=0o700)
    base.chmod(0o700)
    os.chown(base / "1-theirs", 65534, 65534)
    with scratch(tmp_path) as own:
        assert own.parent == base
    assert (base / "1-theirs").exists()
    os.chown(base, 65534, 65534)
    with scratch(tmp_path) as own:
        assert own.parent == tmp_path
    assert (base / "1-theirs").exists()


def test_many_that_start_at_once_do_not_remove_each_other(tmp_path):
    def one(_: int) -> bool:
        with scratch(tmp_path) as own:
            (own / "file").write_bytes(b"x")
            time.sleep(0.002)
            return (own / "file").read_bytes() == b"x"

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))
    assert list(base_of(tmp_path).iterdir()) == []
