"""Answers of served models are attested one by one; none that cannot be holds the others up."""

import asyncio

import pytest

from remit.core.errors import RemitError
from remit.hub.admission.attesting import Attesting
from remit.hub.admission.one_by_one import LATER_US
from remit.hub.admission.values import Sealed
from remit.hub.ledger import LogUnavailableError
from remit.hub.registry.errors import Denied
from remit.hub.registry.ports import Record
from tests.unit.hub.admission.support import NOW, scanned

LEFT, PLACED = Record(kind="scan.done", body={}), Record(kind="registry.push", body={})


class Clock:
    us = NOW

    def now_us(self):
        return self.us


class Probes:
    """Answers that wait, in memory."""

    def __init__(self, *jobs):
        self.waiting = [(scanned(job=job), "qwen") for job in jobs]
        self.closed = {}

    async def unattested(self, count):
        return self.waiting[:count]

    async def claim_record(self, job):
        return f"left-{job}", LEFT

    async def attest(self, probed, sealed, why=""):
        self.waiting = [each for each in self.waiting if each[0].job != probed.job]
        self.closed[probed.job] = (sealed, why)
        return [(f"placed-{probed.job}", PLACED)]


def attesting(probes, troubles, settled, clock=None, log=None):
    async def seal(probed, target):
        assert target == "qwen"
        if probed.job in troubles:
            raise troubles[probed.job]
        return Sealed(evidence=f"of-{probed.job}")

    async def settle(event, record):
        if log is not None:
            raise log
        settled.append((event, record.kind))

    return Attesting(probes, seal, settle, clock or Clock())


def test_each_is_closed_with_its_evidence_and_its_records():
    probes, settled = Probes("a", "b"), []
    assert asyncio.run(attesting(probes, {}, settled).once()) == 2
    assert {job: sealed.evidence for job, (sealed, _) in probes.closed.items()} == {
        "a": "of-a", "b": "of-b",
    }  # fmt: skip
    assert settled[:2] == [("left-a", "scan.done"), ("placed-a", "registry.push")]


@pytest.mark.parametrize("error", [Denied("the repository is full"), ZeroDivisionError()])
def test_what_can_never_be_attested_is_closed_without(error):
    probes = Probes("a", "b")
    asyncio.run(attesting(probes, {"a": error}, []).once())
    sealed, why = probes.closed["a"]
    assert sealed is None
    assert why
    assert probes.closed["b"][0] is not None


def test_evidence_whose_manifest_has_no_place_is_left_out():
    class Full(Probes):
        async def attest(self, probed, sealed, why=""):
            if sealed is not None:
                raise Denied("the repository is full")
            return await super().attest(probed, sealed, why)

    probes = Full("a")
    asyncio.run(attesting(probes, {}, []).once())
    sealed, why = probes.closed["a"]
    assert sealed is None
    assert "the repository is full" in why


def test_what_cannot_be_attested_now_waits_and_holds_nobody_up():
    probes, clock, troubles = Probes("a", "b"), Clock(), {"a": OSError(28, "no space")}
    loop = attesting(probes, troubles, [], clock)
    assert asyncio.run(loop.once()) == 2
    assert list(probes.closed) == ["b"]
    assert asyncio.run(loop.once()) == 0
    clock.us += LATER_US + 1
    troubles.clear()
    assert asyncio.run(loop.once()) == 1
    assert list(probes.closed) == ["b", "a"]


def test_without_a_log_nothing_is_attested():
    probes = Probes("a")
    with pytest.raises(LogUnavailableError):
        asyncio.run(attesting(probes, {}, [], log=LogUnavailableError("x")).once())
    assert probes.closed == {}


def test_a_database_in_trouble_is_told(caplog):
    class Broken(Probes):
        async def unattested(self, count):
            raise RemitError("the database is gone")

    async def run():
        task = asyncio.create_task(attesting(Broken(), {}, []).run())
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(run())
    assert "the database is gone" in caplog.text
