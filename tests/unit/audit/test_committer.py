import threading

import pytest

from remit.audit import committer as module
from remit.audit.committer import Committer
from remit.audit.errors import Closed, QueueFull
from remit.audit.store import Store
from tests.unit.audit.simdisk import HOME, SimDisk
from tests.unit.audit.support import KEY
from tests.unit.audit.test_recovery import pending


@pytest.fixture
def disk():
    return SimDisk()


@pytest.fixture
def committer(disk):
    store = Store(HOME, disk, KEY, None, reserve_bytes=0)
    committer = Committer(store, lambda *_: pytest.fail("no gap expected"))
    committer.made = pending(store, 2000)
    yield committer
    committer.close()


def put(committer, start, end):
    with committer.condition:
        for item in committer.made[start:end]:
            committer.admit()
            committer.put(item)


def test_what_is_put_together_is_committed_together(committer, disk):
    start = len(disk.log)
    put(committer, 0, 100)
    committer.flush(10)
    assert committer.durable_size == 100
    assert [call for call, *_ in disk.log[start:]][:2] == ["write", "fdatasync"]
    assert sum(call == "fdatasync" for call, *_ in disk.log[start:]) == 1


def test_256_records_do_not_wait_for_the_timer(committer, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SECONDS", 60.0)
    done = threading.Event()
    committer.subscribe(lambda size, error: done.set())
    put(committer, 0, 256)
    assert done.wait(10)


def test_the_batch_is_the_first_record_that_is_not_committed(committer):
    assert committer.batch == 0
    put(committer, 0, 10)
    committer.flush(10)
    assert committer.batch == 10


def test_1024_records_are_signed(committer):
    put(committer, 0, 1500)
    committer.flush(10)
    put(committer, 1500, 1501)
    committer.flush(10)
    assert committer.signed_size >= 1500


def test_the_queue_has_a_bound_in_bytes_too(committer, monkeypatch):
    monkeypatch.setattr(module, "QUEUE_BYTES", 300)
    with pytest.raises(QueueFull):
        put(committer, 0, 10)


def test_urging_nothing_neither_writes_nor_signs(committer, disk):
    put(committer, 0, 3)
    committer.flush(10)
    start = len(disk.log)
    for _ in range(20):
        committer.urge()
        committer.flush(10)
    assert disk.log[start:] == []
    assert (committer.durable_size, committer.signed_size) == (3, 0)


def test_a_batch_without_urging_waits_for_the_timer(committer, disk):
    start = len(disk.log)
    put(committer, 0, 3)
    assert disk.log[start:] == []
    done = threading.Event()
    committer.subscribe(lambda size, error: done.set())
    assert done.wait(10)


def test_closing_commits_signs_and_ends(committer):
    put(committer, 0, 7)
    committer.close()
    assert (committer.durable_size, committer.signed_size) == (7, 7)
    with committer.condition, pytest.raises(Closed):
        committer.admit()
