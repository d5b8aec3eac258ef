"""The corridor over real policy and a real log: allow, deny, obligations, and every way to fail."""

import asyncio
import time

import msgspec
import pytest

from remit.audit.errors import Poisoned, QueueFull
from remit.core.decision import Decision, Effect
from remit.core.event import Kind, ToolClass
from remit.guard.judge import MAX_ROUNDS, Answer
from remit.guard.ledger import Outcome
from tests.unit.guard.helpers import POLICIES, Corridor, Person, event, go, write_bundle

PUT = {"tool_class": ToolClass.WRITE}
PAY = {"tool_class": ToolClass.DESTRUCTIVE}


def test_allows_and_the_record_of_a_side_effect_is_durable_first(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        verdict = await corridor.judge(event("put", {"key": "x"}, **PUT))
        assert verdict.allowed
        assert verdict.decision.rules == ("tools",)
        assert corridor.log.durable_size == 1
        (record,) = corridor.records()
        assert record["kind"] == "tool.decision"
        assert record["decision"]["effect"] == "allow"
        assert record["action"]["tool"] == "put"
        assert corridor.session.calls == 1
        assert corridor.session.tools == {"srv/put"}
        corridor.close()

    go(play())


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("never", {}, ""),
        ("absent", {}, "not_pinned"),
        ("put", {"key": 1}, "bad_argument"),
    ],
)
def test_denies_and_records(tmp_path, name, arguments, error):
    async def play():
        corridor = Corridor(tmp_path)
        verdict = await corridor.judge(event(name, arguments, **PUT))
        assert not verdict.allowed
        assert verdict.decision.error == error
        (record,) = corridor.records()
        assert record["decision"]["effect"] == "deny"
        assert corridor.session.calls == 0
        assert not corridor.ledger.open_calls
        corridor.close()

    go(play())


@pytest.mark.parametrize(
    ("answer", "allowed", "error"),
    [
        (Answer.GIVEN, True, ""),
        (Answer.REFUSED, False, "confirmation_refused"),
        (Answer.PENDING, False, "confirmation_pending"),
        (RuntimeError("the surface broke"), False, "judge_failed"),
    ],
)
def test_confirmation(tmp_path, answer, allowed, error):
    async def play():
        corridor = Corridor(tmp_path)
        person = Person(answer)
        verdict = await corridor.judge(event("pay", {"amount": 50}, **PAY), person)
        assert verdict.allowed is allowed
        assert verdict.decision.error == error
        assert person.asked == 1
        assert verdict.fulfilled == ({"ask-first"} if allowed else frozenset())
        (record,) = corridor.records()
        assert record["decision"]["effect"] == ("allow" if allowed else "deny")
        assert record["decision"].get("fulfilled", []) == (["ask-first"] if allowed else [])
        corridor.close()

    go(play())


def test_nobody_is_asked_without_need(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        person = Person()
        assert (await corridor.judge(event("pay", {"amount": 10}, **PAY), person)).allowed
        assert (
            await corridor.judge(
                event("pay", {"amount": 50}, **PAY), person, fulfilled=frozenset({"ask-first"})
            )
        ).allowed
        assert not (
            await corridor.judge(
                event("never", {}), person, fulfilled=frozenset({"ask-first", "tools"})
            )
        ).allowed
        assert person.asked == 0
        corridor.close()

    go(play())


def test_rounds_are_bounded(tmp_path):
    policies = (
        POLICIES
        + """
    @id("again") @require("confirmation")
    forbid (principal, action == Remit::Action::"srv/put", resource)
    unless { context.fulfilled.contains("again") };
    """
    )

    async def play():
        corridor = Corridor(tmp_path, policies)
        person = Person()
        real = corridor.guard._signals

        def forgetful(policy, case):
            case.confirmed = frozenset()
            return real(policy, case)

        corridor.guard._signals = forgetful
        verdict = await corridor.judge(event("put", {}, **PUT), person)
        assert not verdict.allowed
        assert verdict.decision.error == "confirmation_refused"
        assert person.asked == MAX_ROUNDS
        corridor.close()

    go(play())


PATH_FACTS = """
[[fact]]
name = "path"
extractor = "path"
tools = ["srv/put"]
arguments = ["key"]
"""
PATH_POLICY = """
@id("inside") permit (principal, action == Remit::Action::"srv/put", resource)
when { context.path.inside_workspace };
@id("ask") @require("confirmation")
forbid (principal, action == Remit::Action::"srv/put", resource)
unless { context.fulfilled.contains("ask") };
"""


def test_a_link_that_changes_while_a_person_is_asked_is_seen(tmp_path):
    async def play():
        corridor = Corridor(tmp_path, PATH_POLICY, facts=PATH_FACTS)
        link = corridor.workspace / "link"
        (corridor.workspace / "file").write_text("mine")
        link.symlink_to(corridor.workspace / "file")

        def turn():
            link.unlink()
            link.symlink_to("/etc/passwd")

        target = event("put", {"key": str(link)}, **PUT)
        assert (await corridor.judge(target, Person())).allowed
        verdict = await corridor.judge(target, Person(before=turn))
        assert not verdict.allowed
        assert [r["decision"]["effect"] for r in corridor.records()] == ["allow", "deny"]
        corridor.close()

    go(play())


def test_a_fact_that_fails_denies(tmp_path):
    async def play():
        corridor = Corridor(tmp_path, PATH_POLICY, facts=PATH_FACTS)

        def broken(path):
            raise OSError(5, "the disk is broken")

        corridor.guard._environment = msgspec.structs.replace(
            corridor.guard._environment, realpath=broken
        )
        verdict = await corridor.judge(event("put", {"key": "x"}, **PUT))
        assert not verdict.allowed
        assert verdict.decision.error == "fact_failed"
        corridor.close()

    go(play())


@pytest.mark.parametrize("where", ["decide", "needs", "usage", "session"])
@pytest.mark.parametrize("error", [RuntimeError("x"), RecursionError(), MemoryError(), KeyError(1)])
def test_an_exception_anywhere_denies_and_is_recorded(tmp_path, where, error):
    class Broken:
        def __getattr__(self, name):
            raise error

    async def play():
        corridor = Corridor(tmp_path)
        policy = corridor.guard.policy

        class Half:
            bundle = policy.bundle

            def needs(self, action):
                if where == "needs":
                    raise error
                return msgspec.structs.replace(policy.needs(action), limits=True, session=True)

            def decide(self, an_event, signals):
                if where == "decide":
                    raise error
                return policy.decide(an_event, signals)

        corridor.guard.policy = Half()
        if where == "usage":
            corridor.guard._usage = Broken()
        if where == "session":
            corridor.session = Broken()
        verdict = await corridor.judge(event("put", {}, **PUT))
        assert not verdict.allowed
        assert verdict.decision.error == "judge_failed"
        (record,) = corridor.records()
        assert record["decision"]["effect"] == "deny"
        assert record["decision"]["error"] == "judge_failed"
        corridor.close()

    go(play())


def test_without_policy_nothing_is_allowed(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        corridor.guard.policy = None
        verdict = await corridor.judge(event("get"))
        assert not verdict.allowed
        assert verdict.decision.error == "no_policy"
        corridor.close()

    go(play())


@pytest.mark.parametrize("error", [Poisoned("the disk is gone"), QueueFull("too many")])
@pytest.mark.parametrize("tool_class", [ToolClass.WRITE, ToolClass.DESTRUCTIVE])
def test_a_record_that_cannot_be_written_denies(tmp_path, error, tool_class):
    async def play():
        corridor = Corridor(tmp_path)

        def full(*_args, **_more):
            raise error

        corridor.log.append = full
        verdict = await corridor.judge(event("put", tool_class=tool_class))
        assert not verdict.allowed
        assert verdict.decision.error == error.code
        corridor.close()

    go(play())


def test_after_a_lost_read_record_nothing_is_allowed(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        append = corridor.log.append

        def gone(*_args, **_more):
            raise Poisoned("the disk is gone")

        corridor.log.append = gone
        # Its record is written a moment later; until then the loss is not known.
        await corridor.judge(event("get"))
        await asyncio.sleep(0.02)
        assert not (await corridor.judge(event("get"))).allowed
        corridor.log.append = append
        assert not (await corridor.judge(event("get"))).allowed
        assert not (await corridor.judge(event("put", **PUT))).allowed
        corridor.close()

    go(play())


def test_a_poisoned_log_denies_reads_at_once(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)

        def fail(*_args):
            raise OSError(28, "no space left")

        corridor.log._committer._store.commit = fail
        assert not (await corridor.judge(event("put", **PUT))).allowed
        assert corridor.log.poisoned is not None
        verdict = await corridor.judge(event("get"))
        assert not verdict.allowed
        assert verdict.decision.error == "audit.poisoned"
        corridor.close()

    go(play())


def test_observe_lets_through_what_policy_denies_and_says_so(tmp_path):
    head = 'name = "t"\nversion = "1"\nserial = 1\nmode = "observe"\n'

    async def play():
        corridor = Corridor(tmp_path, head=head)
        person = Person(Answer.REFUSED)
        assert (await corridor.judge(event("never", **PUT), person)).allowed
        assert (await corridor.judge(event("pay", {"amount": 99}, **PAY), person)).allowed
        assert person.asked == 0
        # An error is no decision that could be observed.
        assert not (await corridor.judge(event("absent", **PUT), person)).allowed
        kinds = [(r["decision"]["effect"], r["decision"]["mode"]) for r in corridor.records()]
        assert kinds == [("deny", "observe"), ("require", "observe"), ("deny", "enforce")]
        corridor.close()

    go(play())


def test_a_limit_counts_allowed_calls_only(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        call = event("few", {"key": "x"}, **PUT)
        assert not (await corridor.judge(event("few", {"key": 1}, **PUT))).allowed
        assert [(await corridor.judge(call)).allowed for _ in range(4)] == [
            True,
            True,
            False,
            False,
        ]
        corridor.clock.now += 3_600_000_001
        assert (await corridor.judge(call)).allowed
        limits = [r.get("limits") for r in corridor.records() if r["kind"] == "tool.decision"]
        counted = ["two|agent=claude-code"]
        assert limits == [None, counted, counted, None, None, counted]
        corridor.close()

    go(play())


WAIT = POLICIES.replace('@id("used-up")\n', '@id("used-up")\n@require("wait")\n@limit("two")\n')


def test_wait_waits_for_the_limit_or_refuses(tmp_path):
    facts = (
        '[[limit]]\nname = "two"\nmax = 2\nwindow = "1s"\nper = ["agent"]\ntools = ["srv/few"]\n'
    )

    async def play():
        corridor = Corridor(tmp_path, WAIT, facts=facts)
        start_us = corridor.clock.now
        start = time.monotonic()
        corridor.clock.now_us = lambda: start_us + int((time.monotonic() - start) * 1e6)
        call = event("few", {"key": "x"}, **PUT)
        assert (await corridor.judge(call)).allowed
        assert (await corridor.judge(call)).allowed
        assert (await corridor.judge(call)).allowed
        assert time.monotonic() - start >= 1.0
        corridor.close()

    go(play())


def test_wait_longer_than_guard_waits_is_refused_at_once(tmp_path):
    async def play():
        corridor = Corridor(tmp_path, WAIT)
        call = event("few", {"key": "x"}, **PUT)
        await corridor.judge(call)
        await corridor.judge(call)
        start = time.monotonic()
        verdict = await corridor.judge(call)
        assert not verdict.allowed
        assert verdict.decision.error == "wait_refused"
        assert time.monotonic() - start < 1
        corridor.close()

    go(play())


def test_a_result_is_recorded_with_its_outcome_and_not_counted(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        call = event("put", **PUT)
        await corridor.judge(call)
        assert set(corridor.ledger.open_calls) == {call.id}
        result = msgspec.structs.replace(
            call,
            kind=Kind.TOOL_RESULT,
            action="tool.result",
            tool_class=None,
            input={"tool": "srv/put", "error": False},
        )
        outcome = Outcome(call=call.id, status="ok", size=7, latency_us=3, value=b"{}")
        verdict = await corridor.judge(result, outcome=outcome)
        assert verdict.allowed
        assert verdict.decision.effect is Effect.ALLOW
        records = corridor.records()
        assert [r["kind"] for r in records] == ["tool.decision", "tool.result"]
        assert records[1]["outcome"]["status"] == "ok"
        assert records[1]["call"] == records[0]["call"]
        assert corridor.session.calls == 1
        assert not corridor.ledger.open_calls
        corridor.close()

    go(play())


def test_the_bundle_that_expires_denies(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        assert (await corridor.judge(event("get"))).allowed
        head = 'name = "t"\nversion = "1"\nserial = 1\nexpires = 2027-02-01T00:00:00Z\n'
        write_bundle(tmp_path / "bundle", head=head)
        corridor.close()
        other = Corridor(tmp_path, head=head)
        assert not (await other.judge(event("get"))).allowed or other.clock.now < 1_801_440_000e6
        other.clock.now = 1_900_000_000_000_000
        assert not (await other.judge(event("get"))).allowed
        other.close()

    go(play())


WITHDRAWN = Decision(error="policy_withdrawn", detail="no policy is in force: it was withdrawn")


def test_a_policy_taken_out_of_force_answers_nothing_but_why(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)
        corridor.guard.suspended, corridor.guard.policy = WITHDRAWN, None
        verdict = await corridor.judge(event("get", {"key": "x"}))
        assert (verdict.allowed, verdict.decision) == (False, WITHDRAWN)
        # What comes in is looked at, so that it is judged and denied, and not let through.
        assert corridor.guard.looks("tool.result")
        assert corridor.guard.inspects("mcp.connect")
        (record,) = corridor.records()
        assert record["decision"]["error"] == "policy_withdrawn"
        corridor.close()

    go(play())


def test_taken_out_of_force_while_a_person_is_asked(tmp_path):
    async def play():
        corridor = Corridor(tmp_path)

        def suspend():
            corridor.guard.suspended, corridor.guard.policy = WITHDRAWN, None

        verdict = await corridor.judge(event("pay", {"amount": 50}, **PAY), Person(before=suspend))
        assert not verdict.allowed
        corridor.close()

    go(play())


def test_taken_out_of_force_while_policy_looks(tmp_path, monkeypatch):
    async def play():
        corridor = Corridor(tmp_path)

        async def look(*_):
            corridor.guard.suspended, corridor.guard.policy = WITHDRAWN, None

        monkeypatch.setattr("remit.guard.judge.look", look)
        verdict = await corridor.judge(event("get", {"key": "x"}))
        assert (verdict.allowed, verdict.decision) == (False, WITHDRAWN)
        assert corridor.session.calls == 0
        corridor.close()

    go(play())
