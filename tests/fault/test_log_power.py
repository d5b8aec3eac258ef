"""Power cuts and I/O errors on a simulated disk: nothing acknowledged is ever lost."""

import errno
import random

import pytest

from remit.audit import recovery, store
from remit.audit import segment as segments
from remit.audit.errors import AuditError, Corrupt, Poisoned
from remit.audit.merkle import root_of
from remit.audit.store import Store
from tests.unit.audit import support
from tests.unit.audit.simdisk import HOME, SimDisk
from tests.unit.audit.support import KEY, body, leaf_hash, open_log

SEGMENT = 16
"""Records in a segment here, so that the short runs of this file cross many of them."""


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    for module in (store, recovery):
        monkeypatch.setattr(module, "RECORDS", SEGMENT)


class Plain:
    """A cipher that hides nothing: the disk is what is tested here."""

    def sealer(self, subject):
        return lambda plaintext, aad: plaintext

    def decrypt(self, subject, ciphertext, aad):
        return ciphertext


def story(seed, records):
    """A disk with the story of a log: batches, checkpoints, a clean stop, a second run."""
    disk = SimDisk()
    rng = random.Random(seed)
    written = []
    for run in range(2):
        clock = support.FakeClock(support.START_US * (run + 1))
        log = open_log(HOME, fs=disk, clock=clock, cipher=Plain(), reserve_bytes=0)
        log.subscribe(lambda size, error: disk.log.append(("ack", size)))
        put = log._committer.put

        def remember(pending, put=put):
            written.append(pending.leaf)
            put(pending)

        log._committer.put = remember
        for number in range(records):
            pad = "x" * rng.choice((0, 10, 400, 1500))
            private = {"action.args_c": ("alice", b"v" * rng.randrange(900))}
            log.append(
                "tool.decision", body(number, pad=pad), private=private if number % 3 else None
            )
            if rng.random() < 0.4:
                log.flush()
            if rng.random() < 0.08:
                log.checkpoint()
                disk.log.append(("signed", log.signed_size))
        log.close()
        disk.log.append(("signed", log.signed_size))
    return disk, written


def examine(disk, acknowledged, signed, written):
    """Open what a power cut left, and hold it against what was promised."""
    opened = Store(HOME, disk, KEY, Plain(), reserve_bytes=0)
    try:
        assert opened.size >= acknowledged
        assert opened.signed_size >= signed
        hashes = [leaf_hash(leaf) for leaf in written[: opened.size]]
        assert opened.root == root_of(hashes)
        opened.checkpoint(keep=True)
    finally:
        opened.close()
    again = Store(HOME, disk, KEY, Plain(), reserve_bytes=0)
    assert (again.size, again.dropped) == (opened.size, 0)
    again.close()
    values = side_values(disk)
    for seq in range(acknowledged):
        if b'"args_c"' in written[seq]:
            assert seq in values


def side_values(disk):
    from remit.audit.side import MAX_ENTRY_BYTES, parse

    found = set()
    for path, inode in disk.names_now.items():
        if path.suffix == ".side":
            for _, entry in segments.entries(disk.nodes[inode].data, 0, MAX_ENTRY_BYTES):
                found.add(parse(entry).seq)
    return found


def run(states, seed):
    disk, written = story(seed, 40)
    assert any(call == "seal" for call, *_ in disk.log)
    rng = random.Random(seed)
    steps = len(disk.log)
    for state in range(states):
        at = state * steps // states + 1 if states > steps else rng.randrange(steps) + 1
        promises = {"ack": 0, "signed": -1}
        promises.update(entry for entry in disk.log[:at] if entry[0] in promises)
        left = disk.replay(at).power_cut(rng)
        try:
            examine(left, promises["ack"], promises["signed"], written)
        except Corrupt as error:
            raise AssertionError(f"refused after a power cut at step {at}: {error}") from error


def test_power_cuts():
    for seed in range(4):
        run(150, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_power_cuts():
    for seed in range(100, 120):
        run(600, seed)


def faults():
    for call in (
        "write",
        "fdatasync",
        "fsync",
        "rename",
        "truncate",
        "sync_directory",
        "seal",
        "open",
    ):
        for code in (errno.EIO, errno.ENOSPC):
            for number in (1, 2, 3, 5, 8, 13, 21):
                yield pytest.param(
                    call, code, number, id=f"{call}-{errno.errorcode[code]}-{number}"
                )
    for share in (0.0, 0.5, 0.99):
        for number in (2, 5, 8, 13, 21):
            yield pytest.param("write", share, number, id=f"write-short-{share}-{number}")


@pytest.mark.parametrize(("call", "failure", "number"), list(faults()))
def test_every_failed_call_poisons_and_loses_nothing(call, failure, number):
    disk = SimDisk()
    log = open_log(HOME, fs=disk, cipher=Plain(), reserve_bytes=4096)
    disk.counts.clear()
    disk.failures[call, number] = failure
    written, acknowledged, errors = [], [], []
    put = log._committer.put
    log._committer.put = lambda pending: (written.append(pending.leaf), put(pending))
    log.subscribe(lambda size, error: errors.append(error) if error else acknowledged.append(size))
    try:
        for count in range(60):
            log.append("tool.decision", body(count), private={"c": ("alice", b"v")})
            if count % 5 == 4:
                log.flush()
            if count % 10 == 9:
                log.checkpoint()
        log.close()
        failed = False
    except Poisoned:
        failed = True
        with pytest.raises(Poisoned):
            log.append("tool.decision", body())
        with pytest.raises(Poisoned):
            log.checkpoint()
        log.close()
    promised = max(acknowledged, default=0)
    happened = disk.counts.get(call, 0) >= number
    assert happened == (failed or log.poisoned is not None)
    if happened:
        assert len(errors) == 1
    disk.failures.clear()
    again = Store(HOME, disk, KEY, Plain(), reserve_bytes=0)
    kept = again.size
    assert kept >= promised
    gap = happened and kept == promised + 1 and failure != errno.EIO
    hashes = [leaf_hash(leaf) for leaf in written[: promised if gap else kept]]
    if not gap:
        assert again.root == root_of(hashes)
    again.close()


def test_a_full_disk_is_the_last_record():
    disk = SimDisk()
    log = open_log(HOME, fs=disk, reserve_bytes=4096)
    log.append("tool.decision", body())
    log.flush()
    disk.counts.clear()
    disk.failures["write", 1] = 0.5
    for number in range(3):
        log.append("tool.decision", body(number))
    with pytest.raises(Poisoned, match="ENOSPC"):
        log.flush()
    assert HOME / "reserve.bin" not in disk.names_now
    data = disk.read(HOME / "seg" / "000000000000.seg")
    leaves = [leaf for _, leaf in segments.entries(data)]
    assert len(leaves) == 2
    assert b'"gap":{"bytes":0,"reason":"ENOSPC","records":3}' in leaves[1]
    assert disk.read(HOME / "checkpoint").split(b"\n")[1] == b"0"
    log.close()
    with open_log(HOME, fs=disk, clock=support.FakeClock(support.START_US * 2)) as again:
        assert again.append("guard.start", {}) == 2


def test_a_failing_cipher_poisons_before_anything_is_acknowledged():
    class Broken(Plain):
        def sealer(self, subject):
            raise AuditError("no key")

    disk = SimDisk()
    log = open_log(HOME, fs=disk, cipher=Broken())
    log.append("tool.decision", {}, private={"c": ("alice", b"v")})
    with pytest.raises(Poisoned, match="no key"):
        log.flush()
    assert log.durable_size == 0
    log.close()
