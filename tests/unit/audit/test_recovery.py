import shutil

import pytest

from remit.audit.disk import Disk
from remit.audit.errors import Corrupt
from remit.audit.log import read
from remit.audit.recovery import examine
from remit.audit.store import Pending, Store
from remit.audit.verify import verify
from tests.unit.audit import support
from tests.unit.audit.support import (
    KEY,
    ORIGIN,
    FakeClock,
    check,
    copy,
    frame,
    leaf_hash,
    leaves_of,
    make_log,
    open_log,
)

SEGMENT = "seg/000000000000.seg"


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Three records, all signed."""
    return make_log(tmp_path_factory.mktemp("signed") / "log", 3)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """Records in batches of 5, 2 (the clock was set back) and 2; only the empty log was signed: as after a crash."""
    directory = make_log(tmp_path_factory.mktemp("crashed") / "log", 5)
    with open_log(directory) as log:
        log.append("tool.decision", support.body(5))
        log.flush()
        log.append("tool.decision", support.body(6))
        log.append("tool.decision", support.body(7))
    for path in (directory / "checkpoints").iterdir():
        if path.name != "0":
            path.unlink()
    shutil.copy(directory / "checkpoints" / "0", directory / "checkpoint")
    return directory


def test_every_truncation_of_an_unsigned_log_opens_with_a_prefix(crashed, tmp_path):
    data = (crashed / SEGMENT).read_bytes()
    whole = leaves_of(crashed)
    ends = []
    for leaf in whole:
        ends.append((ends[-1] if ends else 0) + len(frame(leaf)))
    directory = copy(crashed, tmp_path / "log")
    for cut in range(len(data) + 1):
        (directory / SEGMENT).write_bytes(data[:cut])
        state = examine(directory, Disk(), KEY)
        expected = sum(end <= cut for end in ends)
        assert state.tree.range.size == expected
        assert state.dropped == cut - (ends[expected - 1] if expected else 0)


def test_every_truncation_of_a_signed_log_is_refused(signed, tmp_path):
    data = (signed / SEGMENT).read_bytes()
    directory = copy(signed, tmp_path / "log")
    for cut in range(len(data)):
        (directory / SEGMENT).write_bytes(data[:cut])
        with pytest.raises(Corrupt) as caught:
            examine(directory, Disk(), KEY)
        assert caught.value.code == "audit.truncated"


def test_no_bit_flip_of_a_signed_log_is_accepted(signed, tmp_path):
    data = (signed / SEGMENT).read_bytes()
    directory = copy(signed, tmp_path / "log")
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        (directory / SEGMENT).write_bytes(changed)
        with pytest.raises(Corrupt):
            examine(directory, Disk(), KEY)


def test_no_bit_flip_of_an_unsigned_log_loses_more_than_its_last_record(crashed, tmp_path):
    data = (crashed / SEGMENT).read_bytes()
    last = len(data) - len(frame(leaves_of(crashed)[-1]))
    directory = copy(crashed, tmp_path / "log")
    for bit in range(0, len(data) * 8, 13):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        (directory / SEGMENT).write_bytes(changed)
        if bit // 8 < last:
            with pytest.raises(Corrupt):
                examine(directory, Disk(), KEY)
        else:
            assert examine(directory, Disk(), KEY).tree.range.size == len(leaves_of(crashed)) - 1


def test_a_dropped_suffix_is_said_in_the_log(crashed, tmp_path):
    directory = copy(crashed, tmp_path / "log")
    with (directory / SEGMENT).open("ab") as file:
        file.write(b"\0\0\1")
    open_log(directory).close()
    last = list(read(directory))[-1].record
    assert last["kind"] == "audit.gap"
    assert last["gap"] == {"reason": "torn_tail", "bytes": 3, "records": 0}
    assert verify(directory, ORIGIN, check).ok


def batch_of(directory, count, size=700):
    """A log whose last group commit holds ``count`` large records and was not signed."""
    directory = make_log(directory, 3)
    with (
        open_log(directory, clock=FakeClock(support.START_US * 2)) as log,
        log._committer.condition,
    ):
        # One batch: the committer cannot take it before the lock is released.
        for number in range(count):
            now = log._clock.now_us()
            log._put("tool.decision", {"n": number, "pad": "x" * size}, (), now, now)
    for path in (directory / "checkpoints").iterdir():
        if int(path.name) > 3:
            path.unlink()
    shutil.copy(directory / "checkpoints" / "3", directory / "checkpoint")
    return directory


def test_a_hole_in_the_last_group_commit_is_dropped(tmp_path):
    directory = batch_of(tmp_path / "log", 20)
    data = bytearray((directory / SEGMENT).read_bytes())
    at = 3000 - 3000 % 512
    data[at : at + 512] = bytes(512)
    (directory / SEGMENT).write_bytes(data)
    state = examine(directory, Disk(), KEY)
    assert 3 <= state.tree.range.size < 23
    assert state.dropped > 0
    open_log(directory).close()
    assert verify(directory, ORIGIN, check).ok


def test_the_same_hole_is_refused_when_a_later_commit_acknowledged_it(tmp_path):
    directory = batch_of(tmp_path / "log", 20)
    with open_log(directory) as log:
        log.append("tool.decision", support.body())
    for path in (directory / "checkpoints").iterdir():
        if int(path.name) > 3:
            path.unlink()
    shutil.copy(directory / "checkpoints" / "3", directory / "checkpoint")
    data = bytearray((directory / SEGMENT).read_bytes())
    data[2560:3072] = bytes(512)
    (directory / SEGMENT).write_bytes(data)
    with pytest.raises(Corrupt) as caught:
        examine(directory, Disk(), KEY)
    assert caught.value.code == "audit.damaged"


def test_a_damaged_record_that_is_no_hole_is_refused(tmp_path):
    directory = batch_of(tmp_path / "log", 20)
    data = bytearray((directory / SEGMENT).read_bytes())
    data[3000] ^= 1
    (directory / SEGMENT).write_bytes(data)
    with pytest.raises(Corrupt):
        examine(directory, Disk(), KEY)


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (
            lambda d: (d / "checkpoint").unlink() or shutil.rmtree(d / "checkpoints"),
            "audit.checkpoint_missing",
        ),
        (lambda d: (d / "checkpoint").write_bytes(b"forged"), "audit.checkpoint_forged"),
        (lambda d: (d / "checkpoints" / "9").write_bytes(b"forged"), "audit.checkpoint_forged"),
        (
            lambda d: (
                shutil.copy(d / "checkpoints" / "0", d / "checkpoint")
                and (d / SEGMENT).write_bytes(b"")
            ),
            "audit.truncated",
        ),
        (lambda d: (d / SEGMENT).rename(d / "seg/000000065536.seg"), "audit.corrupt"),
        (
            lambda d: support.write_leaves(d, support.rechain(leaves_of(d)[1:], 0)),
            "audit.truncated",
        ),
        (lambda d: support.write_leaves(d, [*leaves_of(d)[:2], leaves_of(d)[1]]), "audit.root"),
        (lambda d: (d / "log.vkey").write_text("x"), "audit.wrong_key"),
    ],
)
def test_attacks_are_refused_at_the_next_start(signed, tmp_path, attack, code):
    directory = copy(signed, tmp_path / "log")
    attack(directory)
    with pytest.raises(Corrupt) as caught:
        open_log(directory)
    assert caught.value.code == code
    assert "lock" in {p.name for p in directory.iterdir()}


def test_a_segment_that_is_too_large_is_not_even_read(signed, tmp_path):
    directory = copy(signed, tmp_path / "log")
    with (directory / SEGMENT).open("r+b") as file:
        file.truncate(64 << 30)
    with pytest.raises(Corrupt, match="larger than segments can be"):
        examine(directory, Disk(), KEY)


def test_links_are_refused(signed, tmp_path):
    directory = copy(signed, tmp_path / "log")
    (directory / SEGMENT).rename(tmp_path / "elsewhere")
    (directory / SEGMENT).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Corrupt) as caught:
        open_log(directory)
    assert caught.value.code == "audit.link"
    other = copy(signed, tmp_path / "other")
    (other / "seg").rename(tmp_path / "moved")
    (other / "seg").symlink_to(tmp_path / "moved")
    with pytest.raises(Corrupt):
        open_log(other)


def test_tail_records_must_continue_the_log(crashed, tmp_path):
    for change in (
        lambda leaves: [*leaves[:7], leaves[6]],
        lambda leaves: [*leaves, leaves[7].replace(b'"seq":7', b'"seq":8')],
        lambda leaves: [*leaves, b"[1]"],
        lambda leaves: [leaf.replace(b"guard/1", b"guard/2") for leaf in leaves],
    ):
        directory = copy(crashed, tmp_path / "log")
        support.write_leaves(directory, change(leaves_of(crashed)))
        with pytest.raises(Corrupt):
            examine(directory, Disk(), KEY)
        shutil.rmtree(directory)


def test_a_crash_while_the_log_is_created_is_repaired(tmp_path):
    complete = make_log(tmp_path / "log", 0)
    for missing in (
        ["checkpoint", "checkpoints/0"],
        ["checkpoint"],
        ["log.vkey", "checkpoint", "checkpoints/0", SEGMENT],
    ):
        directory = copy(complete, tmp_path / f"copy{len(missing)}")
        for name in missing:
            (directory / name).unlink()
        with open_log(directory) as log:
            log.append("guard.start", {})
        assert verify(directory, ORIGIN, check).ok


def pending(store, count):
    """Records that continue the store, one batch."""
    made, previous = [], store.last
    from remit.audit.record import leaf_bytes

    for seq in range(store.size, store.size + count):
        head = {
            "v": 1,
            "log": ORIGIN,
            "seq": seq,
            "time": 1000 + seq,
            "boot": "b",
            "mono_ns": seq,
            "prev": previous.hex(),
            "batch": store.size,
            "kind": "tool.decision",
        }
        leaf = leaf_bytes(head, {})
        previous = leaf_hash(leaf)
        made.append(Pending(leaf, previous))
    return made


def big_log(directory):
    """Three segments with a checkpoint in the last."""
    directory.mkdir()
    store = Store(directory / "log", Disk(), KEY, None, reserve_bytes=0)
    for count in (65_530, 65_600, 3000):
        batch = pending(store, count)
        store.commit(batch)
        store.grow(batch)
    store.checkpoint(keep=True)
    store.close()
    return directory / "log"


def test_three_segments(tmp_path):
    directory = big_log(tmp_path / "x")
    total = 65_530 + 65_600 + 3000
    names = sorted(p.name for p in (directory / "seg").iterdir())
    assert names == ["000000000000.seg", "000000065536.seg", "000000131072.seg"]
    assert (directory / "seg" / names[0]).stat().st_mode & 0o777 == 0o400
    assert (directory / "seg" / names[2]).stat().st_mode & 0o777 == 0o600
    report = verify(directory, ORIGIN, check)
    assert (report.ok, report.records) == (True, total)

    state = examine(directory, Disk(), KEY)
    assert state.tree.range.size == total
    shutil.rmtree(directory / "tile")
    again = examine(directory, Disk(), KEY)
    assert again.tree.range.root() == state.tree.range.root() == report.root

    # Poisoned tiles are not believed: the records decide.
    with Disk_copy(directory, tmp_path / "poison") as poisoned:
        (poisoned / "tile" / "1").mkdir(parents=True)
        (poisoned / "tile" / "1" / "000").write_bytes(bytes(8192))
        assert examine(poisoned, Disk(), KEY).tree.range.root() == report.root

    with Disk_copy(directory, tmp_path / "gone") as gone:
        (gone / "seg" / names[1]).unlink()
        with pytest.raises(Corrupt):
            examine(gone, Disk(), KEY)

    with Disk_copy(directory, tmp_path / "swapped") as swapped:
        for a, b in ((0, "t"), (1, 0), ("t", 1)):
            source = swapped / "seg" / (names[a] if a != "t" else "t")
            source.rename(swapped / "seg" / (names[b] if b != "t" else "t"))
        result = verify(swapped, ORIGIN, check)
        assert (result.problem.seq, result.problem.code) == (0, "audit.seq")


class Disk_copy:  # noqa: N801
    def __init__(self, source, target):
        self.source, self.target = source, target

    def __enter__(self):
        return copy(self.source, self.target)

    def __exit__(self, *error):
        shutil.rmtree(self.target)
