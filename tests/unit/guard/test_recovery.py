"""What a restart knows."""

import json

import pytest

from remit.core.decision import Decision, Effect
from remit.core.event import ToolClass
from remit.facts.usage import Usage
from remit.guard.ledger import Ledger, Outcome
from remit.guard.recovery import close_orphans, restore, save_snapshot
from tests.unit.guard.helpers import (
    START_US,
    TestClock,
    bundle_of,
    event,
    go,
    log_records,
    open_log,
)

ALLOW = Decision(effect=Effect.ALLOW)
FEW = {"name": "few", "tool_class": ToolClass.WRITE}


def numbered(number):
    return event(id=f"01{number:024d}", **FEW)


class Run:
    """One run of a Guard over the same directory."""

    def __init__(self, directory, limits):
        self.directory = directory
        self.log = open_log(directory, TestClock())
        self.usage = Usage(limits)
        self.snapshot = directory / "usage.json"
        self.opened = restore(directory / "log", self.snapshot, self.log, self.usage)
        self.ledger = Ledger(self.log, guard_id="g", surface="exec")

    def call(self, number, *, ends=True, decision=ALLOW):
        an_event = numbered(number)
        hits = self.usage.hit(an_event, START_US) if decision is ALLOW else ()
        self.ledger.record(an_event, decision, hits=hits)
        if ends:
            self.ledger.close_call(Outcome(call=an_event.id, status="ok"))

    @property
    def used_up(self):
        return bool(self.usage.over(numbered(0), START_US))

    def stop(self, *, clean=True):
        self.log.flush()
        if clean:
            save_snapshot(self.snapshot, self.ledger, self.usage)
        self.log.close()


@pytest.fixture
def limits(tmp_path):
    return bundle_of(tmp_path).limits


def play(function):
    async def run():
        function()

    go(run())


@pytest.mark.parametrize("clean", [True, False])
def test_usage_comes_back(tmp_path, limits, clean):
    def run():
        first = Run(tmp_path, limits)
        first.call(1)
        first.call(2, decision=Decision())
        first.stop(clean=clean)
        second = Run(tmp_path, limits)
        assert not second.used_up
        second.call(3)
        assert second.used_up
        second.stop(clean=clean)
        third = Run(tmp_path, limits)
        assert third.used_up
        assert not third.opened
        third.stop()

    play(run)


@pytest.mark.parametrize("clean", [True, False])
def test_calls_without_a_result_are_closed_as_unknown_once(tmp_path, limits, clean):
    def run():
        first = Run(tmp_path, limits)
        first.call(1, ends=False)
        first.call(2, ends=True)
        first.call(3, ends=False)
        first.call(4, ends=False, decision=Decision())
        first.stop(clean=clean)
        second = Run(tmp_path, limits)
        assert set(second.opened) == {numbered(1).id, numbered(3).id}
        close_orphans(second.ledger, second.opened)
        second.stop(clean=clean)
        third = Run(tmp_path, limits)
        assert not third.opened
        third.stop()
        ends = [r for r in log_records(tmp_path) if r["kind"] == "tool.result"]
        assert [(r["call"], r["outcome"]["status"]) for r in ends] == [
            (numbered(2).id, "ok"),
            (numbered(1).id, "unknown"),
            (numbered(3).id, "unknown"),
        ]
        assert ends[1]["action"]["tool"] == "few"

    play(run)


def damaged(text):
    good = json.loads(text)
    yield "empty", b""
    yield "no JSON", b"{"
    yield "invalid UTF-8", b"\xff"
    yield "other shape", b"[]"
    yield "foreign log", json.dumps({**good, "origin": "remit.example/guard/2"}).encode()
    yield "ahead of the log", json.dumps({**good, "size": 10**6}).encode()
    yield "negative", json.dumps({**good, "size": -1}).encode()
    yield "extra key", json.dumps({**good, "x": 1}).encode()
    yield "usage of other shape", json.dumps({**good, "usage": {"hits": 5}}).encode()
    yield (
        "usage of other times",
        json.dumps(
            {**good, "usage": {**good["usage"], "hits": {"two|agent=claude-code": [5, 1]}}}
        ).encode(),
    )
    yield "open of other shape", json.dumps({**good, "open": {"x": 1}}).encode()


@pytest.mark.parametrize("number", range(11))
def test_a_snapshot_that_is_wrong_costs_time_and_no_truth(tmp_path, limits, number):
    def run():
        first = Run(tmp_path, limits)
        first.call(1)
        first.call(2, ends=False)
        first.stop()
        name, data = list(damaged(first.snapshot.read_text()))[number]
        first.snapshot.write_bytes(data)
        second = Run(tmp_path, limits)
        assert second.used_up, name
        assert set(second.opened) == {numbered(2).id}, name
        second.stop()

    play(run)


def test_a_snapshot_that_cannot_be_written_is_no_failure(tmp_path, limits):
    def run():
        first = Run(tmp_path, limits)
        first.call(1)
        first.snapshot = tmp_path / "missing" / "usage.json"
        first.stop()

    play(run)


def test_a_snapshot_is_not_written_over_records_that_are_not_durable(tmp_path, limits):
    def run():
        first = Run(tmp_path, limits)
        first.call(1)
        first.log.flush()
        first.ledger.note("guard.start")
        if first.log.durable_size != first.log.size:
            save_snapshot(first.snapshot, first.ledger, first.usage)
            assert not first.snapshot.exists()
        first.stop(clean=False)

    play(run)
