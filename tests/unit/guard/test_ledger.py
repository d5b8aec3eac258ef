"""Records in their order, and waiting for the disk."""

import asyncio

import pytest

from remit.audit.errors import Poisoned
from remit.core.decision import Decision, Effect
from remit.core.errors import RemitError
from remit.core.event import ToolClass
from remit.guard.ledger import MAX_PRIVATE_BYTES, Ledger, Outcome
from tests.unit.guard.helpers import event, go, log_records, open_log

ALLOW = Decision(effect=Effect.ALLOW, rules=("r",))
WRITE = {"tool_class": ToolClass.WRITE}


def numbered(number, **more):
    return event(id=f"01{number:024d}", **more)


class Slow:
    """A store whose commits wait for the test."""

    def __init__(self, log):
        import threading

        self.gate = threading.Event()
        self.error = None
        self._commit = log._committer._store.commit
        log._committer._store.commit = self

    def __call__(self, *arguments):
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return self._commit(*arguments)


def with_ledger(tmp_path, play):
    async def run():
        log = open_log(tmp_path)
        try:
            ledger = Ledger(log, guard_id="g", surface="exec")
            await play(ledger, log)
            ledger.close()
        finally:
            log.close()

    go(run())
    return log_records(tmp_path)


def test_deferred_records_come_before_what_is_written_at_once(tmp_path):
    async def play(ledger, log):
        assert ledger.record(numbered(1), ALLOW) is None
        assert ledger.record(numbered(2), ALLOW) is None
        assert log.size == 0
        assert ledger.record(numbered(3, **WRITE), ALLOW) == 2
        assert ledger.record(numbered(4), ALLOW) is None
        assert ledger.note("guard.stop") == 4

    records = with_ledger(tmp_path, play)
    assert [int(r["call"][2:]) for r in records if "call" in r] == [1, 2, 3, 4]


def test_deferred_records_are_written_without_another_push(tmp_path):
    async def play(ledger, log):
        ledger.record(numbered(1), ALLOW)
        assert log.size == 0
        await asyncio.sleep(0.02)
        assert log.size == 1
        result = Outcome(call=numbered(1).id, status="ok")
        ledger.record(numbered(2), ALLOW, outcome=result)
        ledger.record(numbered(3), ALLOW, outcome=result)
        await asyncio.sleep(0.02)
        assert log.size == 3

    with_ledger(tmp_path, play)


def test_durable_returns_at_once_for_what_is_on_disk(tmp_path):
    async def play(ledger, log):
        seq = ledger.note("guard.start")
        log.flush()
        await ledger.durable(seq)
        assert not ledger._waiting

    with_ledger(tmp_path, play)


def test_everybody_wakes_when_their_record_is_durable(tmp_path):
    async def play(ledger, log):
        slow = Slow(log)
        seqs = [ledger.record(numbered(n, **WRITE), ALLOW) for n in range(5)]
        waits = [asyncio.ensure_future(ledger.durable(seq)) for seq in reversed(seqs)]
        await asyncio.sleep(0.02)
        assert not any(wait.done() for wait in waits)
        slow.gate.set()
        await asyncio.gather(*waits)
        assert log.durable_size >= 5

    with_ledger(tmp_path, play)


def test_poison_wakes_everybody_with_the_error(tmp_path):
    async def play(ledger, log):
        slow = Slow(log)
        slow.error = OSError(28, "no space left")
        waits = [
            asyncio.ensure_future(ledger.durable(ledger.record(numbered(n, **WRITE), ALLOW)))
            for n in range(3)
        ]
        await asyncio.sleep(0.02)
        slow.gate.set()
        found = await asyncio.gather(*waits, return_exceptions=True)
        assert all(isinstance(error, Poisoned) for error in found), found
        with pytest.raises(Poisoned):
            ledger.record(numbered(9), ALLOW)
        with pytest.raises(Poisoned):
            ledger.record(numbered(9, **WRITE), ALLOW)
        with pytest.raises(Poisoned):
            ledger.note("guard.stop")
        with pytest.raises(Poisoned):
            await ledger.durable(99)

    with_ledger(tmp_path, play)


def test_a_cancelled_waiter_disturbs_nobody(tmp_path):
    async def play(ledger, log):
        slow = Slow(log)
        seqs = [ledger.record(numbered(n, **WRITE), ALLOW) for n in range(3)]
        waits = [asyncio.ensure_future(ledger.durable(seq)) for seq in seqs]
        await asyncio.sleep(0.01)
        waits[1].cancel()
        slow.gate.set()
        found = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in found] == [type(None), asyncio.CancelledError, type(None)]

    with_ledger(tmp_path, play)


def test_open_calls_are_those_allowed_without_a_result(tmp_path):
    async def play(ledger, log):
        ledger.record(numbered(1, **WRITE), ALLOW)
        ledger.record(numbered(2, **WRITE), Decision())
        ledger.record(numbered(3, **WRITE), Decision(), mode="observe")
        ledger.record(numbered(4), ALLOW)
        assert set(ledger.open_calls) == {numbered(1).id, numbered(3).id}
        ledger.close_call(Outcome(call=numbered(4).id, status="timeout"))
        ledger.close_call(Outcome(call=numbered(1).id, status="cancelled", latency_us=5))
        ledger.close_call(Outcome(call=numbered(1).id, status="cancelled"))
        ledger.close_call(Outcome(call=numbered(2).id, status="cancelled"))
        assert set(ledger.open_calls) == {numbered(3).id}

    ends = [r for r in with_ledger(tmp_path, play) if r["kind"] == "tool.result"]
    assert [(int(r["call"][2:]), r["outcome"]["status"]) for r in ends] == [
        (4, "timeout"),
        (1, "cancelled"),
    ]
    assert ends[1]["outcome"]["latency_us"] == 5
    assert ends[1]["action"]["tool"] == "get"


def test_a_record_shows_what_is_foreign_safely_and_no_values(tmp_path):
    async def play(ledger, log):
        foreign = event(
            "get\x1b[31m\u202e",
            {"key": "SECRET-VALUE"},
            correlation={"tool_use_id": "x\r\ny" * 100},
            **WRITE,
        )
        decision = Decision(
            error="engine_error",
            detail="d" * 1000,
            rules=tuple(f"r{n}" for n in range(100)),
            reasons=("line\x07",) * 20,
        )
        ledger.record(foreign, decision)

    (record,) = with_ledger(tmp_path, play)
    assert "\\u{1b}" in record["action"]["tool"]
    assert "\u202e" not in record["action"]["name"]
    assert len(record["correlation"]["tool_use_id"]) < 600
    assert "\r" not in record["correlation"]["tool_use_id"]
    assert len(record["decision"]["rule_ids"]) == 32
    assert len(record["decision"]["reasons"]) == 8
    assert "SECRET" not in str(record)
    assert "args_c" in record["action"]


@pytest.mark.parametrize("size", [0, 10, MAX_PRIVATE_BYTES, MAX_PRIVATE_BYTES + 1, 1_000_000])
def test_results_of_any_size_are_committed_to(tmp_path, size):
    async def play(ledger, log):
        outcome = Outcome(call="c", status="ok", value=b"x" * size, size=size)
        ledger.record(event(), ALLOW, outcome=outcome)

    (record,) = with_ledger(tmp_path, play)
    assert ("result_c" in record["outcome"]) is (size > 0)
    assert record["outcome"]["bytes"] == size


def test_notes_refuse_what_has_no_canonical_form_and_the_log_goes_on(tmp_path):
    async def play(ledger, log):
        with pytest.raises(RemitError):
            ledger.note("guard.start", number=1.5)
        ledger.note("guard.start")

    assert len(with_ledger(tmp_path, play)) == 1
