"""Records on their way from the outbox into the log."""

import asyncio
import contextlib
import errno
from pathlib import Path

import pytest

from remit.audit.errors import Locked, QueueFull
from remit.core.errors import RemitError
from remit.hub.ledger import Ledger, LogUnavailableError
from remit.hub.registry.ports import Record
from remit.hub.store.database import StoreError
from tests.unit.audit.simdisk import SimDisk
from tests.unit.audit.support import FakeClock, open_log

RECORD = Record(kind="registry.push", body={"artifact": {"repository": "a"}})


class Box:
    """An outbox in memory."""

    def __init__(self, *waiting):
        self.records = dict(waiting)
        self.broken = False

    async def waiting(self, *, mine):
        return list(self.records.items())[:2]

    async def forget(self, ids):
        if self.broken:
            raise StoreError("gone")
        for each in ids:
            self.records.pop(each, None)


def run(tmp_path, work, *waiting):
    async def around():
        with open_log(tmp_path / "log", clock=FakeClock()) as log:
            box = Box(*waiting)
            ledger = Ledger(log, box)
            await work(ledger, box)

    asyncio.run(around())


def test_a_record_is_durable_when_it_is_settled(tmp_path):
    async def work(ledger, box):
        box.records["id-1"] = RECORD
        before = ledger.log.durable_size
        await ledger.settle("id-1", RECORD)
        assert ledger.log.durable_size > before
        assert "id-1" in box.records
        await ledger.close()
        assert box.records == {}

    run(tmp_path, work)


def test_many_at_once_share_a_commit(tmp_path):
    async def work(ledger, box):
        await asyncio.gather(*(ledger.settle(f"id-{n}", RECORD) for n in range(200)))
        assert ledger.log.durable_size >= 200

    run(tmp_path, work)


def test_what_was_left_is_logged_and_forgotten(tmp_path):
    async def work(ledger, box):
        before = ledger.log.size
        assert await ledger.recover(mine=True) == 5
        assert ledger.log.durable_size == before + 5
        assert box.records == {}
        assert await ledger.recover(mine=True) == 0

    run(tmp_path, work, *((f"id-{n}", RECORD) for n in range(5)))


def test_an_outbox_that_cannot_be_reached_is_told_later(tmp_path):
    async def work(ledger, box):
        box.records["id-1"] = RECORD
        box.broken = True
        await ledger.settle("id-1", RECORD)
        with pytest.raises(StoreError):
            await ledger._forget()
        box.broken = False
        await ledger._forget()
        assert box.records == {}

    run(tmp_path, work)


def test_a_full_queue_is_waited_for(tmp_path):
    async def work(ledger, box):
        real, tries = ledger.log.append, []

        class Full:
            def __getattr__(self, name):
                return getattr(log, name)

            def append(self, kind, body):
                tries.append(kind)
                if len(tries) < 3:
                    raise QueueFull("full")
                return real(kind, body)

        log, ledger.log = ledger.log, Full()
        await ledger.note("registry.pull", {})
        assert len(tries) == 3

    run(tmp_path, work)


def test_a_closed_log_takes_nothing(tmp_path):
    async def work(ledger, box):
        ledger.log.close()
        with pytest.raises(LogUnavailableError) as refused:
            await ledger.note("registry.pull", {})
        assert refused.value.hint

    run(tmp_path, work)


class FullDisk(SimDisk):
    """Has no room while it is said to be full."""

    full = False

    def _step(self, call, *arguments):
        if self.full and call == "write":
            raise OSError(errno.ENOSPC, "ENOSPC")
        return super()._step(call, *arguments)


def reopening(work):
    async def around():
        disk = FullDisk()

        def reopen():
            return open_log(Path("log"), clock=FakeClock(), fs=disk)

        box = Box()
        ledger = Ledger(reopen(), box, reopen)
        try:
            await work(ledger, box, disk)
        finally:
            await ledger.close()

    asyncio.run(around())


async def healed(ledger):
    """Until the log before has let go of its files, as the ledger itself tries."""
    while True:
        with contextlib.suppress(Locked):
            assert await ledger.heal()
            return
        await asyncio.sleep(0.01)


def test_a_log_that_had_no_room_is_opened_again_when_it_has():
    async def work(ledger, box, disk):
        await ledger.settle("id-0", RECORD)
        disk.full = True
        box.records["id-1"] = RECORD
        with pytest.raises(LogUnavailableError):
            await ledger.settle("id-1", RECORD)
        with pytest.raises(RemitError):
            await ledger.heal()
        with pytest.raises(LogUnavailableError):
            ledger.check()
        disk.full = False
        before = ledger.log
        await healed(ledger)
        assert ledger.log is not before
        assert box.records == {}
        ledger.check()
        await ledger.settle("id-2", RECORD)
        assert not await ledger.heal()

    reopening(work)


def test_what_the_log_before_lost_is_not_forgotten():
    """While records of the outbox are noted, the log fails and another is opened."""

    class Slow(Box):
        async def waiting(self, *, mine):
            found = await super().waiting(mine=mine)
            if found and self.swap is not None:
                swap, self.swap = self.swap, None
                await swap()
            return found

    async def work(ledger, box, disk):
        async def swap():
            disk.full = True
            with pytest.raises(LogUnavailableError):
                await ledger.settle("id-x", RECORD)

        slow = Slow(("id-1", RECORD), ("id-2", RECORD))
        slow.swap = swap
        ledger._outbox = slow
        with pytest.raises(LogUnavailableError):
            await ledger.recover(mine=True)
        assert set(slow.records) == {"id-1", "id-2"}
        disk.full = False
        await healed(ledger)
        assert slow.records == {}

    reopening(work)
