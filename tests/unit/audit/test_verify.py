import shutil

import orjson
import pytest

from remit.attest.errors import NoteError
from remit.attest.keys import LogKey
from remit.attest.notes import verify as verify_note
from remit.audit import checkpoint as checkpoints
from remit.audit.checkpoint import Checkpoint
from remit.audit.merkle import root_of
from remit.audit.verify import read_checkpoint, verify
from tests.unit.audit import support
from tests.unit.audit.support import KEY, ORIGIN, check, copy, leaves_of, make_log, open_log

SEGMENT = "seg/000000000000.seg"


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return make_log(tmp_path_factory.mktemp("verify") / "log", 300)


def problem(directory, **more):
    return verify(directory, ORIGIN, check, **more).problem


def test_a_whole_log(log):
    seen = []
    report = verify(log, ORIGIN, check, progress=seen.append)
    assert report.ok
    assert (report.records, report.signed) == (300, 300)
    assert report.unanchored_records == 300
    assert report.unanchored_seconds == pytest.approx(0.299)
    assert seen == []


def test_an_anchor_outside_counts(log, tmp_path):
    kept = [(log / "checkpoint").read_bytes()]
    report = verify(log, ORIGIN, check, kept=kept)
    assert (report.unanchored_records, report.unanchored_seconds) == (0, 0.0)
    grown = copy(log, tmp_path / "grown")
    with open_log(grown, clock=support.FakeClock(support.START_US + 10_000_000, 1000)) as more:
        for number in range(4):
            more.append("tool.decision", support.body(number))
    report = verify(grown, ORIGIN, check, kept=kept)
    assert report.ok
    assert report.unanchored_records == 4
    assert report.unanchored_seconds == pytest.approx(0.003)


def test_truncation_is_seen_with_a_kept_checkpoint_only_when_checkpoints_are_gone(log, tmp_path):
    kept = (log / "checkpoint").read_bytes()
    cut = copy(log, tmp_path / "cut")
    support.write_leaves(cut, leaves_of(log)[:280])
    found = problem(cut)
    assert (found.seq, found.code) == (280, "audit.truncated")
    # The owner of the key goes further: an older checkpoint, and none of the newer.
    head = Checkpoint(ORIGIN, 280, root_of(map(support.leaf_hash, leaves_of(cut))))
    (cut / "checkpoint").write_bytes(checkpoints.seal(head, KEY))
    shutil.rmtree(cut / "checkpoints")
    assert problem(cut) is None
    found = problem(cut, kept=[kept])
    assert (found.seq, found.code) == (280, "audit.truncated")


def test_a_fork_is_seen_with_a_kept_checkpoint(log, tmp_path):
    kept = (log / "checkpoint").read_bytes()
    fork = make_log(tmp_path / "fork", 300, clock=support.FakeClock(support.START_US + 7))
    assert problem(fork) is None
    found = problem(fork, kept=[kept])
    assert found.code == "audit.root"
    assert "300" in found.message


def test_another_key_is_not_trusted(log, tmp_path):
    other = LogKey(ORIGIN, b"\x09" * 32)
    rewritten = make_log(tmp_path / "rewritten", 300, signer=other)
    assert verify(rewritten, ORIGIN, lambda note: verify_note(note, other.verifier)).ok
    assert problem(rewritten).code == "audit.checkpoint"
    kept = [(log / "checkpoint").read_bytes()]
    report = verify(rewritten, ORIGIN, lambda note: verify_note(note, other.verifier), kept=kept)
    assert report.problem.code == "audit.checkpoint"


def test_a_checkpoint_of_another_log_is_refused(tmp_path):
    other = LogKey("another", b"\x07" * 32)
    note = checkpoints.seal(Checkpoint("another", 0, root_of([])), other)
    with pytest.raises(checkpoints.CheckpointError):
        read_checkpoint(note, ORIGIN, lambda n: verify_note(n, other.verifier))


@pytest.mark.parametrize(
    "attack",
    [
        lambda d: (d / "checkpoint").unlink(),
        lambda d: (d / "checkpoint").write_bytes(b""),
        lambda d: (d / "checkpoint").write_bytes(
            (d / "checkpoint").read_bytes().replace(b"\n300\n", b"\n299\n")
        ),
        lambda d: shutil.copy(d / "checkpoints" / "0", d / "checkpoints" / "5"),
        lambda d: (d / "checkpoints" / "300").write_bytes(b"x"),
        lambda d: shutil.rmtree(d / "seg"),
        lambda d: (d / SEGMENT).rename(d / "seg" / "000000065536.seg"),
        lambda d: (d / SEGMENT).unlink(),
    ],
)
def test_damage_beside_the_records(log, tmp_path, attack):
    directory = copy(log, tmp_path / "log")
    attack(directory)
    assert problem(directory) is not None


def test_links_are_refused(log, tmp_path):
    for name in (SEGMENT, "checkpoint"):
        directory = copy(log, tmp_path / name.replace("/", "_"))
        (directory / name).rename(tmp_path / "elsewhere")
        (directory / name).symlink_to(tmp_path / "elsewhere")
        assert problem(directory).code == "audit.link"


def test_an_older_checkpoint_of_its_own_gives_rollback_away(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    shutil.copy(directory / "checkpoints" / "0", directory / "checkpoint")
    support.write_leaves(directory, leaves_of(log)[:10])
    assert problem(directory).code == "audit.truncated"


def test_a_huge_frame_length_reads_nothing(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    data = bytearray((directory / SEGMENT).read_bytes())
    data[0:4] = b"\x7f\xff\xff\xff"
    (directory / SEGMENT).write_bytes(data)
    assert problem(directory).seq == 0


def test_an_unfinished_write_is_a_note_and_not_a_problem(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    with (directory / SEGMENT).open("ab") as file:
        file.write(support.frame(b'{"a":1}')[:-1])
    report = verify(directory, ORIGIN, check)
    assert report.ok
    assert "unfinished" in report.notes[0]


def test_damage_in_the_unsigned_tail_is_found(log, tmp_path):
    directory = copy(log, tmp_path / "log")
    with open_log(directory, clock=support.FakeClock(support.START_US * 2)) as more:
        for number in range(3):
            more.append("tool.decision", support.body(number))
    for name in ("302", "303"):
        (directory / "checkpoints" / name).unlink(missing_ok=True)
    shutil.copy(directory / "checkpoints" / "300", directory / "checkpoint")
    leaves = leaves_of(directory)
    data = bytearray((directory / SEGMENT).read_bytes())
    data[-len(support.frame(leaves[302])) - 5] ^= 1
    (directory / SEGMENT).write_bytes(data)
    assert problem(directory).seq == 301
    support.write_leaves(
        directory, [*leaves[:301], leaves[301].replace(b"alice", b"mallo"), leaves[302]]
    )
    assert problem(directory).seq == 301


BAD = [
    ("duplicate key", lambda r: orjson.dumps(r)[:-1] + b',"seq":7}', "audit.json"),
    ("not json", lambda r: b'{"seq":7', "audit.json"),
    ("array", lambda r: b"[7]", "audit.json"),
    ("version", lambda r: orjson.dumps({**r, "v": 2}), "audit.record"),
    ("seq as text", lambda r: orjson.dumps({**r, "seq": "7"}), "audit.seq"),
    ("seq as boolean", lambda r: orjson.dumps({**r, "seq": True}), "audit.seq"),
    (
        "no kind",
        lambda r: orjson.dumps({k: v for k, v in r.items() if k != "kind"}),
        "audit.record",
    ),
    ("no time", lambda r: orjson.dumps({**r, "time": 1.5}), "audit.record"),
    ("time back", lambda r: orjson.dumps({**r, "time": 5}), "audit.time"),
    ("another log", lambda r: orjson.dumps({**r, "log": "x"}), "audit.record"),
]


@pytest.mark.parametrize(("name", "change", "code"), BAD, ids=[n for n, _, _ in BAD])
def test_an_owner_of_the_key_cannot_sign_what_is_no_record(log, tmp_path, name, change, code):
    directory = copy(log, tmp_path / "log")
    leaves = leaves_of(log)[:8]
    leaves[7] = change(orjson.loads(leaves[7]))
    support.write_leaves(directory, leaves)
    head = Checkpoint(ORIGIN, 8, root_of(map(support.leaf_hash, leaves)))
    (directory / "checkpoint").write_bytes(checkpoints.seal(head, KEY))
    shutil.rmtree(directory / "checkpoints")
    found = problem(directory)
    assert (found.seq, found.code) == (7, code)


def test_the_verifier_of_notes_decides(log):
    def refuse(note):
        raise NoteError("no")

    assert verify(log, ORIGIN, refuse).problem.code == "audit.checkpoint"
