"""A scan that is broken off leaves nothing on the disk; one that is killed, until the next begins."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig.registries import hub

pytestmark = pytest.mark.timeout(120)

# As at a terminal: who started the tests may have interrupts ignored (`nohup`), which is inherited.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from remit.cli.main import main
main()
"""


@pytest.fixture
def artifact(tmp_path):
    """A directory that takes a second to be scanned."""
    found = tmp_path / "artifact"
    found.mkdir()
    for at in range(300):
        (found / f"m{at}.py").write_text("import os\n" * 200)
    return found


def environment(tmp_path: Path) -> dict[str, str]:
    place = tmp_path / "tmp"
    place.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(place), "REMIT_STATE": str(tmp_path / "state")}


def begun(tmp_path: Path, artifact: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "scan", str(artifact)],
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not list((tmp_path / "tmp").rglob("remit-stage-*")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    return process


def left(tmp_path: Path) -> list[Path]:
    return [each for each in (tmp_path / "tmp").rglob("*") if each.parent != tmp_path / "tmp"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_scan_that_is_stopped_leaves_nothing(tmp_path, artifact, number, status):
    process = begun(tmp_path, artifact)
    process.send_signal(number)
    assert process.wait(30) == status
    assert left(tmp_path) == []


def test_a_scan_that_is_killed_is_cleaned_up_by_the_next(tmp_path, artifact):
    process = begun(tmp_path, artifact)
    process.kill()
    process.wait(30)
    assert left(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "scan", str(artifact / "m1.py")],
        env=environment(tmp_path), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert left(tmp_path) == []


def test_a_hub_removes_what_a_killed_one_left_and_what_is_its_own(tmp_path):
    base = tmp_path / "tmp" / f"remit-scratch-{os.geteuid()}"
    dead = base / "1-dead" / "remit-diff-x"
    dead.mkdir(parents=True, mode=0o700)
    for each in (base, dead.parent):
        each.chmod(0o700)
    with hub(tmp_path / "hub", env={"TMPDIR": str(tmp_path / "tmp")}):
        assert not dead.parent.exists()
        assert len(list(base.iterdir())) == 1
    assert list(base.iterdir()) == []
