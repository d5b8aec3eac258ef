"""A decision is made once and recorded, whichever Hub makes it and whenever one dies."""

import asyncio
import os
import time
from collections import Counter

import pytest

from remit.audit.clock import SystemClock
from remit.core.digest import sha256
from remit.core.ids import EntropyPool
from remit.hub.admission.values import Outcome
from remit.hub.jobs.materialise import CONTENTS
from remit.hub.store.cases import SqlCases
from remit.hub.store.database import connect
from remit.hub.store.queue import SqlQueue
from remit.scan.base import Coverage, Report
from remit.scan.run import expected
from tests.rig.fronts import Wire
from tests.rig.gated import CLEAN, put, settled, state
from tests.rig.hub_process import HubProcess

DECIDED = {"artifact.admit", "artifact.review", "artifact.refuse"}


def beside(hub, work):
    """Do something to the database of a Hub that does not run."""

    async def run():
        database = connect(hub.database, hub.state)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def scanned(database):
    """Be a worker that finds nothing."""
    queue = SqlQueue(database, SystemClock(), "tests")
    task = await queue.claim("tests")
    seen = (Coverage(member="README.md", status="complete"),)
    found = [
        Report(scanner=name, version="1", rules=sha256(b""), coverage=seen)
        for name in (CONTENTS, *expected())
    ]
    assert await queue.finish(task, found)


def wire(hub):
    assert hub.client("GET", "/v2/").status == 200
    return Wire(hub.host, "admin", hub.password)


def reader(hub):
    """Somebody who may only pull."""
    from tests.rig.registries import Registry, person

    found = Registry(hub.host, hub.log, hub.state, "admin", hub.password, "bearer")
    return Wire.to(person(found, "reader", "reader", "**"))


def decisions(hub, digest, count=1):
    """The records of what was decided; there will be `count` of them and no more."""
    until = time.monotonic() + 60
    while True:
        found = [
            each
            for each in hub.records()
            if each["kind"] in DECIDED and each["artifact"]["digest"] == digest
        ]
        if len(found) >= count or time.monotonic() > until:
            assert len(found) == count, found
            return found
        time.sleep(0.2)


@pytest.fixture
def hub(tmp_path):
    found = HubProcess(tmp_path, gate=True, workers=0).start()
    yield found
    found.kill()


def test_a_hub_that_dies_before_it_decided(hub):
    digest, _ = put(wire(hub), "a/b", "v1", CLEAN)
    who = reader(hub)
    hub.kill()
    beside(hub, scanned)
    hub.start()
    assert settled(who, "a/b", "v1") in {"admitted", "review"}
    [done] = decisions(hub, digest)
    assert not done.get("recovered")
    kinds = [each["kind"] for each in hub.records()]
    assert kinds.index("scan.done") < kinds.index(done["kind"])
    hub.verify()


def test_a_hub_that_dies_between_its_decision_and_the_record(hub):
    digest, _ = put(wire(hub), "a/b", "v1", CLEAN)
    who = reader(hub)
    origin = hub.records()[0]["hub"]["id"]
    hub.kill()

    async def decide(database):
        await scanned(database)
        cases = SqlCases(
            database, SystemClock(), origin, EntropyPool(os.urandom),
            expected=(CONTENTS, *expected()), scanners=sha256(b""),
        )  # fmt: skip
        [case] = await cases.undecided(10)
        outcome = Outcome(word="refuse", reasons=("because",), policy=sha256(b""))
        assert await cases.decide(case, outcome)

    beside(hub, decide)
    hub.start()
    [done] = decisions(hub, digest)
    assert done["kind"] == "artifact.refuse"
    assert done["recovered"]
    assert state(who, "a/b", "v1") == "refused"
    hub.kill()
    hub.start()
    decisions(hub, digest)
    hub.verify()


@pytest.mark.slow
def test_two_hubs_decide_each_scan_once(tmp_path, servers):
    found = servers()
    database, blobs = found.database(), found.blobs()
    hubs = [
        HubProcess(tmp_path / name, database, blobs, gate=True, workers=workers)
        for name, workers in (("one", 1), ("two", 1))
    ]
    try:
        for each in hubs:
            each.start()
        assert hubs[0].client("GET", "/v2/").status == 200
        hubs[1].password = hubs[0].password
        wires = [Wire(each.host, "admin", hubs[0].password) for each in hubs]
        digests = {
            put(wires[at % 2], "a/b", f"v{at}", {"n.txt": b"number %d\n" % at})[0]
            for at in range(20)
        }
        until = time.monotonic() + 200
        records = []
        while len({each["artifact"]["digest"] for each in records} & digests) < len(digests):
            assert time.monotonic() < until
            time.sleep(1)
            records = [r for each in hubs for r in each.records() if r["kind"] in DECIDED]
        counts = Counter(each["artifact"]["digest"] for each in records)
        assert {counts[each] for each in digests} == {1}
        scans = [r for each in hubs for r in each.records() if r["kind"] == "scan.done"]
        assert len({each["event"] for each in scans}) == len(scans)
    finally:
        for each in hubs:
            each.kill()
