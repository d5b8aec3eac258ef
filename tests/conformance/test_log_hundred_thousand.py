"""The stand-alone verifier on a log of 100,000 records, in two segments."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.audit import support
from tests.unit.audit.support import copy, leaves_of, open_log

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
SCRIPT = Path(__file__).parents[2] / "spec" / "verify_log.py"
COUNT = 100_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    directory = tmp_path_factory.mktemp("big") / "log"
    with open_log(directory) as writer:
        for number in range(COUNT):
            writer.append("tool.decision", support.body(number))
            if number % 4_000 == 0:
                writer.flush()
    return directory


def verifier(directory, *more):
    """Exit code and output."""
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(directory), "--vkey", support.KEY.vkey, *more],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_it_is_accepted(log):
    code, output = verifier(log, "--checkpoint", str(log / "checkpoint"))
    assert code == 0, output
    assert f"{COUNT} records" in output


CHANGES = {
    "flipped": (lambda leaves: [*leaves[:70_123], leaves[70_123].replace(b"alice", b"alicf"),
                                *leaves[70_124:]], 70_123),
    "deleted": (lambda leaves: leaves[:66_000] + leaves[66_001:], 66_000),
    "swapped": (lambda leaves: [*leaves[:9], leaves[10], leaves[9], *leaves[11:]], 9),
    "duplicated": (lambda leaves: [*leaves[:99_000], leaves[98_999], *leaves[99_000:]], 99_000),
    "truncated": (lambda leaves: leaves[:90_000], 90_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_the_first_bad_record_is_named(log, tmp_path, kind):
    change, at = CHANGES[kind]
    directory = copy(log, tmp_path / "log")
    support.write_leaves(directory, change(leaves_of(log)))
    code, output = verifier(directory, "--checkpoint", str(log / "checkpoint"))
    assert code == 3
    assert f"record {at}:" in output, output


def test_swapped_segments_are_found(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    first, second = sorted((directory / "seg").iterdir())
    first_bytes, second_bytes = first.read_bytes(), second.read_bytes()
    for path, data in ((first, second_bytes), (second, first_bytes)):
        path.unlink()
        path.write_bytes(data)
    code, output = verifier(directory)
    assert code == 3
    assert "record 0:" in output, output


def test_a_forged_checkpoint_is_no_checkpoint(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    note = (directory / "checkpoint").read_text().replace(f"\n{COUNT}\n", f"\n{COUNT - 1}\n")
    (directory / "checkpoint").write_text(note)
    code, output = verifier(directory)
    assert code == 3
    assert "checkpoint" in output, output
