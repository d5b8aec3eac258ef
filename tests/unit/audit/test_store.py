import errno

import pytest

from remit.audit import recovery as recovery_module
from remit.audit import store as store_module
from remit.audit.errors import AuditError, Corrupt
from remit.audit.store import Store
from remit.audit.verify import verify
from tests.unit.audit.simdisk import HOME, SimDisk
from tests.unit.audit.support import KEY, ORIGIN, check
from tests.unit.audit.test_recovery import pending


def calls(disk, start=0):
    return [call for call, *_ in disk.log[start:]]


@pytest.fixture
def disk():
    return SimDisk()


def opened(disk, **more):
    more.setdefault("reserve_bytes", 0)
    return Store(HOME, disk, KEY, None, **more)


def test_a_commit_is_one_write_and_one_sync(disk):
    store = opened(disk)
    start = len(disk.log)
    store.commit(pending(store, 5))
    assert calls(disk, start) == ["write", "fdatasync"]


def test_a_checkpoint_is_safe_before_it_has_its_name(disk):
    store = opened(disk)
    start = len(disk.log)
    store.checkpoint(keep=False)
    assert calls(disk, start) == ["open", "write", "fsync", "rename", "sync_directory"]
    start = len(disk.log)
    store.checkpoint(keep=True)
    assert calls(disk, start) == ["open", "write", "fsync", "rename", "sync_directory"] * 2


def test_partial_tiles_follow_the_checkpoint(disk):
    store = opened(disk)
    for count in (3, 255):
        batch = pending(store, count)
        store.commit(batch)
        store.grow(batch)
        store.checkpoint(keep=False)
    names = {str(path.relative_to(HOME)) for path in disk.names_now if "tile" in path.parts}
    assert names == {"tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1"}


def test_the_reserve_is_made_once_and_freed_for_the_last_words(disk):
    store = opened(disk, reserve_bytes=4096)
    assert disk.size(HOME / "reserve.bin") == 4096
    batch = pending(store, 2)
    store.commit(batch)
    store.grow(batch)
    store.last_words(lambda seq, prev: pending(store, 1)[0])
    assert store.size == 3
    assert disk.size(HOME / "reserve.bin") == -1
    store.close()
    assert opened(disk).size == 3


def test_no_last_words_when_half_a_batch_lies_in_the_segment_before(disk, monkeypatch):
    for module in (store_module, recovery_module):
        monkeypatch.setattr(module, "RECORDS", 16)
    store = opened(disk, reserve_bytes=4096)
    batch = pending(store, 20)
    disk.failures["write", disk.counts["write"] + 2] = errno.ENOSPC
    with pytest.raises(OSError, match="ENOSPC"):
        store.commit(batch)
    with pytest.raises(OSError, match="no place"):
        store.last_words(lambda seq, prev: pytest.fail("the place would be wrong"))
    store.close()
    disk.failures = {}
    assert opened(disk).size == 16


@pytest.mark.parametrize(
    ("code", "name"), [(errno.ENOSPC, "audit.no_space"), (errno.EIO, "audit.io")]
)
def test_a_disk_that_fails_at_the_start_is_said_and_unlocked(code, name):
    for number in range(1, 4):
        disk = SimDisk()
        disk.failures = {("write", number): code}
        with pytest.raises(AuditError) as caught:
            opened(disk)
        assert caught.value.code == name
        assert caught.value.hint
        assert not disk.locked
    disk.failures = {}
    opened(disk).close()


def test_refusing_changes_nothing(disk):
    store = opened(disk)
    batch = pending(store, 3)
    store.commit(batch)
    store.grow(batch)
    store.checkpoint(keep=True)
    store.close()
    node = disk.nodes[disk.names_now[HOME / "seg" / "000000000000.seg"]]
    node.data = node.data[:-1]
    start = len(disk.log)
    with pytest.raises(Corrupt):
        opened(disk)
    assert calls(disk, start) == []


def test_a_checkpoint_that_lost_its_rename_is_written_again(disk):
    store = opened(disk)
    batch = pending(store, 3)
    store.commit(batch)
    store.grow(batch)
    store.checkpoint(keep=True)
    store.close()
    disk.nodes[disk.names_now[HOME / "checkpoint"]].data = disk.read(HOME / "checkpoints" / "0")
    again = opened(disk)
    assert again.signed_size == 3
    assert disk.read(HOME / "checkpoint") == disk.read(HOME / "checkpoints" / "3")


def test_on_a_real_disk(tmp_path):
    from remit.audit.disk import Disk

    store = Store(tmp_path / "log", Disk(), KEY, None, reserve_bytes=0)
    batch = pending(store, 700)
    store.commit(batch)
    store.grow(batch)
    store.checkpoint(keep=False)
    store.close()
    store.close()
    report = verify(tmp_path / "log", ORIGIN, check)
    assert report.ok
    assert report.records == 700
