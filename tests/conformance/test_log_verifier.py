"""The tamper matrix, against the product's verifier and against the one that shares no code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from remit.audit.verify import verify
from tests.unit.audit import support
from tests.unit.audit.support import ORIGIN, check, copy, leaves_of, make_log, open_log

SCRIPT = Path(__file__).parents[2] / "spec" / "verify_log.py"
COUNT = 300
POSITIONS = [0, 1, 131, 254, 255, 256, 298, 299]
VALUE = {str: "forged", int: 7, bool: False, list: ["forged"], dict: {"x": 1}}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    directory = tmp_path_factory.mktemp("log") / "log"
    with open_log(directory) as writer:
        for number in range(COUNT):
            writer.append(
                ["tool.decision", "tool.result", "guard.start"][number % 3], support.body(number)
            )
    return directory


def independent(directory, *more):
    """Exit code and output of the stand-alone verifier; it runs without Remit on its path."""
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(directory), *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def bad_record(directory, *, kept=()):
    """The record that both verifiers name."""
    notes = [path.read_bytes() for path in kept]
    problem = verify(directory, ORIGIN, check, kept=notes).problem
    assert problem is not None
    code, output = independent(directory, *(f"--checkpoint={path}" for path in kept))
    assert code == 3, output
    assert output.startswith("NOT VERIFIED")
    if problem.seq >= 0:
        assert f"record {problem.seq}:" in output, (problem, output)
    return problem.seq


def tamper(log, tmp_path, change, *, tiles=True):
    directory = copy(log, tmp_path / "log")
    support.write_leaves(directory, change(leaves_of(log)))
    if not tiles:
        shutil.rmtree(directory / "tile")
    return directory


def test_both_accept_the_log(log):
    report = verify(log, ORIGIN, check)
    assert report.ok
    code, output = independent(
        log, "--vkey", support.KEY.vkey, "--checkpoint", str(log / "checkpoint")
    )
    assert code == 0
    assert f"{COUNT} records" in output
    import base64

    assert base64.b64encode(report.root).decode() in output


def test_the_script_is_small_and_imports_nothing_of_ours():
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 150
    assert "import remit" not in text
    assert "from remit" not in text


@pytest.mark.parametrize("tiles", [True, False], ids=["tiles", "no tiles"])
@pytest.mark.parametrize("at", POSITIONS)
def test_a_flipped_byte_names_its_record(log, tmp_path, at, tiles):
    def change(leaves):
        leaves[at] = leaves[at].replace(b"alice", b"alicf")
        return leaves

    assert bad_record(tamper(log, tmp_path, change, tiles=tiles)) == at


@pytest.mark.parametrize("tiles", [True, False], ids=["tiles", "no tiles"])
@pytest.mark.parametrize("at", [1, 150, 298, 299])
def test_a_changed_prev_names_its_own_record(log, tmp_path, at, tiles):
    def change(leaves):
        record = json.loads(leaves[at])
        record["prev"] = ("0" if record["prev"][0] != "0" else "1") + record["prev"][1:]
        leaves[at] = json.dumps(record, separators=(",", ":"), sort_keys=True).encode()
        return leaves

    assert bad_record(tamper(log, tmp_path, change, tiles=tiles)) == at


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_every_field_of_every_kind_is_protected(log, tmp_path, kind):
    at = 120 + kind
    record = json.loads(leaves_of(log)[at])
    paths = [(key,) for key in record]
    paths += [
        (key, inner) for key, value in record.items() if isinstance(value, dict) for inner in value
    ]
    for number, path in enumerate(paths):
        changed = json.loads(json.dumps(record))
        target = changed
        for part in path[:-1]:
            target = target[part]
        old = target[path[-1]]
        target[path[-1]] = VALUE[type(old)] if VALUE[type(old)] != old else "other"

        def change(leaves, leaf=changed):
            leaves[at] = json.dumps(leaf, separators=(",", ":"), sort_keys=True).encode()
            return leaves

        (tmp_path / str(number)).mkdir()
        directory = tamper(log, tmp_path / str(number), change)
        found = verify(directory, ORIGIN, check).problem
        assert found.seq == at, (path, found)
        if number % 4 == 0:
            assert bad_record(directory) == at


CHANGES = {
    "deleted": (lambda leaves: leaves[:50] + leaves[51:], 50),
    "deleted, chain repaired": (lambda leaves: support.rechain(leaves[:50] + leaves[51:], 50), 50),
    "swapped": (lambda leaves: [*leaves[:50], leaves[51], leaves[50], *leaves[52:]], 50),
    "duplicated": (lambda leaves: [*leaves[:51], leaves[50], *leaves[51:]], 51),
    "inserted, chain repaired": (
        lambda leaves: support.rechain([*leaves[:50], leaves[9], *leaves[50:]], 50),
        50,
    ),
    "truncated": (lambda leaves: leaves[:200], 200),
    "all but nothing": (lambda leaves: [], 0),
    "first deleted": (lambda leaves: leaves[1:], 0),
    "last deleted": (lambda leaves: leaves[:-1], 299),
    "changed, chain repaired": (
        lambda leaves: support.rechain(
            [*leaves[:70], leaves[70].replace(b"alice", b"mallo"), *leaves[71:]], 70
        ),
        70,
    ),
    "last two changed, chain repaired": (
        lambda leaves: support.rechain(
            [*leaves[:298], leaves[298].replace(b"alice", b"mallo"), leaves[299]], 298
        ),
        298,
    ),
    "duplicate key": (lambda leaves: [*leaves[:9], leaves[9][:-1] + b',"seq":9}', *leaves[10:]], 9),
    "replayed from the past": (lambda leaves: [*leaves[:80], leaves[3], *leaves[81:]], 80),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_first_bad_record_is_named(log, tmp_path, name):
    change, first = CHANGES[name]
    assert bad_record(tamper(log, tmp_path, change)) == first


@pytest.mark.parametrize(
    "name", ["deleted", "swapped", "duplicated", "truncated", "last deleted", "duplicate key"]
)
def test_it_is_named_without_tiles_too(log, tmp_path, name):
    change, first = CHANGES[name]
    assert bad_record(tamper(log, tmp_path, change, tiles=False)) == first


def test_a_flipped_byte_without_a_new_checksum_names_its_record(log, tmp_path):
    for number, at in enumerate(POSITIONS):
        directory = copy(log, tmp_path / str(number))
        data = bytearray((directory / "seg/000000000000.seg").read_bytes())
        leaves = leaves_of(log)
        data[sum(len(support.frame(leaf)) for leaf in leaves[:at]) + 30] ^= 4
        (directory / "seg/000000000000.seg").write_bytes(data)
        assert bad_record(directory) == at


def test_poisoned_tiles_accuse_nobody(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    tile = directory / "tile" / "0" / "000"
    tile.write_bytes(bytes(8192))
    assert verify(directory, ORIGIN, check).ok
    assert independent(directory)[0] == 0
    leaves = leaves_of(log)
    leaves[77] = leaves[77].replace(b"alice", b"mallo")
    support.write_leaves(directory, leaves)
    assert bad_record(directory) == 77


def test_truncation_by_the_owner_of_the_key_needs_a_kept_checkpoint(log, tmp_path):
    kept = tmp_path / "kept"
    shutil.copy(log / "checkpoint", kept)
    shorter = make_log(tmp_path / "shorter", 100)
    assert verify(shorter, ORIGIN, check).ok
    assert independent(shorter)[0] == 0
    assert bad_record(shorter, kept=[kept]) == 100


def test_a_fork_needs_a_kept_checkpoint(log, tmp_path):
    fork = make_log(tmp_path / "fork", 320, clock=support.FakeClock(support.START_US + 5))
    assert independent(fork)[0] == 0
    code, output = independent(fork, "--checkpoint", str(log / "checkpoint"))
    assert code == 3
    assert "300 records" in output


@pytest.mark.parametrize(
    "attack",
    [
        lambda d: (d / "checkpoint").write_bytes(
            (d / "checkpoint").read_bytes().replace(b"\n300\n", b"\n200\n")
        ),
        lambda d: (d / "checkpoint").write_bytes(b""),
        lambda d: (d / "checkpoint").unlink(),
        lambda d: (d / "checkpoint").write_bytes((d / "checkpoints" / "0").read_bytes()[:-4]),
        lambda d: (d / "seg/000000000000.seg").rename(d / "seg/000000065536.seg"),
    ],
    ids=["size", "empty", "missing", "cut", "renamed segment"],
)
def test_forged_checkpoints_and_segments(log, tmp_path, attack):
    directory = copy(log, tmp_path / "log")
    attack(directory)
    assert verify(directory, ORIGIN, check).problem is not None
    assert independent(directory)[0] == 3


def test_a_log_rewritten_with_another_key_needs_the_trusted_key(log, tmp_path):
    from remit.attest.keys import LogKey

    other = LogKey(ORIGIN, b"\x09" * 32)
    rewritten = make_log(tmp_path / "log", 10, signer=other)
    assert independent(rewritten)[0] == 0
    assert independent(rewritten, "--vkey", support.KEY.vkey)[0] == 3
    assert not verify(rewritten, ORIGIN, check).ok
    code, _ = independent(rewritten, "--checkpoint", str(log / "checkpoint"))
    assert code == 3


def test_links_are_refused(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    (directory / "seg/000000000000.seg").rename(tmp_path / "elsewhere")
    (directory / "seg/000000000000.seg").symlink_to(tmp_path / "elsewhere")
    assert not verify(directory, ORIGIN, check).ok
    assert independent(directory)[0] == 3


def test_segments_swapped_between_two_logs_name_the_first_foreign_record(log, tmp_path):
    other = make_log(tmp_path / "other", COUNT, clock=support.FakeClock(support.START_US + 3))
    directory = copy(log, tmp_path / "log")
    shutil.copy(other / "seg/000000000000.seg", directory / "seg/000000000000.seg")
    assert bad_record(directory) == 0
