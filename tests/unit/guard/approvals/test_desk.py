"""Every way in which an approval does not hold, over real policy, a real log and a real store."""

import asyncio
import contextlib
import sqlite3

import msgspec
import pytest

from remit.approvals.decision import statement
from remit.approvals.errors import ApprovalError
from remit.approvals.quorum import State
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.guard.judge import Answer, Ticket
from remit.policy.policy import Signals
from tests.unit.guard.approvals.office import PEOPLE, Hand, Office, Waiting, pay
from tests.unit.guard.helpers import event, go


def play(tmp_path, story, **more):
    async def run():
        office = Office(tmp_path, **more)
        try:
            await office.enrol()
            await story(office)
        finally:
            office.close()

    go(run())


def kinds(office):
    return [r["kind"] for r in office.records() if r["kind"].startswith("approv")]


def test_nothing_runs_before_it_is_approved_and_then_exactly_once(tmp_path):
    async def story(office):
        verdict, request = await office.waits(pay())
        assert not verdict.allowed
        assert verdict.decision.error == "approval_pending"
        assert request.id in verdict.decision.detail
        assert (await office.says("ann", request, reason="ok")).state is State.APPROVED
        first = await office.judge(pay(), Waiting(patient=False))
        assert first.allowed
        assert first.fulfilled == {"one"}
        second = await office.judge(pay(), Waiting(patient=False))
        assert not second.allowed
        assert kinds(office)[2:] == [
            "approval.request", "approval.decision", "approval.consume", "approval.request",
        ]  # fmt: skip

    play(tmp_path, story)


def test_a_held_call_goes_on_when_the_last_of_the_quorum_has_signed(tmp_path):
    async def story(office):
        held = asyncio.ensure_future(office.judge(pay(2000), Waiting()))
        await office.says("ann", await office.open_request("one"))
        two = await office.open_request("two")
        await office.says("ann", two)
        assert not held.done()
        await office.says("ben", two)
        verdict = await held
        assert verdict.allowed
        assert verdict.fulfilled == {"one", "two"}

    play(tmp_path, story)


def test_a_refusal_and_an_expiry_end_the_waiting(tmp_path):
    async def story(office):
        held = asyncio.ensure_future(office.judge(pay(), Waiting()))
        request = await office.open_request("one")
        await office.says("ben", request, "deny", reason="no\u202egnihton")
        verdict = await held
        assert verdict.decision.error == "approval_refused"
        assert "ben" in verdict.decision.detail
        assert "\\u{202e}" in verdict.decision.detail
        again = await office.judge(pay(), Waiting(patient=False))
        assert again.decision.error == "approval_refused"
        office.clock.now += 601_000_000
        verdict, request = await office.waits(pay())
        assert verdict.decision.error == "approval_pending"
        office.clock.now += 601_000_000
        assert (await office.desk.show(request.id))[1] is State.EXPIRED
        with pytest.raises(ApprovalError) as caught:
            await office.says("ann", request)
        assert caught.value.code == "approval.expired"

    play(tmp_path, story)


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"amount": 51, "to": "x"}},
        {"input": {"amount": 50, "to": "\u0445"}},
        {"input": {"amount": 50, "to": "x", "memo": ""}},
        {"session": "01" + "T" * 24},
        {"user": "bob"},
        {"agent": Agent(id="codex", executable="/opt/claude")},
        {"agent": Agent(id="claude-code", executable="/opt/other")},
        {"agent": Agent(id="claude-code", executable="/opt/claude", on_behalf_of="x")},
    ],
)
def test_another_action_is_not_what_was_approved(tmp_path, change):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        verdict = await office.judge(msgspec.structs.replace(pay(), **change), Waiting(False))
        assert not verdict.allowed
        assert (await office.judge(pay(), Waiting(False))).allowed

    play(tmp_path, story)


def test_another_policy_or_schema_ends_what_was_approved(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        office.rewrite("tool/a.cedar", "More than 10", "More than ten")
        verdict = await office.judge(pay(), Waiting(False))
        assert verdict.decision.error == "approval_pending"
        with pytest.raises(ApprovalError) as caught:
            await office.says("ben", request)
        assert caught.value.code == "approval.not_permitted"

    play(tmp_path, story)


def test_key_order_of_the_arguments_makes_no_other_call(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        turned = msgspec.structs.replace(pay(), input={"to": "x", "amount": 50})
        assert (await office.judge(turned, Waiting(False))).allowed

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("dan", "approval.not_permitted"),
        ("alice", "approval.requester"),
    ],
)
def test_who_may_not(tmp_path, who, code):
    async def story(office):
        await office.enrol(who)
        _, request = await office.waits(pay())
        for word in ("approve", "deny"):
            with pytest.raises(ApprovalError) as caught:
                await office.says(who, request, word)
            assert caught.value.code == code
        assert (await office.desk.show(request.id))[1] is State.PENDING
        assert [r["code"] for r in office.records() if r["kind"] == "approval.refused"] == [
            code
        ] * 2

    play(tmp_path, story)


def test_a_stranger_a_stolen_name_and_a_foreign_signature(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        stranger = Hand("ann")
        for hand in (stranger, office.hands["dan"]):
            with pytest.raises(ApprovalError) as caught:
                await office.desk.say(request.id, hand.word(request, office.clock.now), "test")
            assert caught.value.code == "approval.stranger"
        # The key of ann under a statement that says ben, and the other way round.
        ann, ben = office.hands["ann"], office.hands["ben"]
        payload = statement(
            request, ben.approver, "approve", reason="", ticket="", signed_us=office.clock.now
        )
        for key in (ann.signer, ben.signer):
            signed = dump_bundle(sign(payload, ann.signer), key.public)
            with pytest.raises(RemitError):
                await office.desk.say(request.id, signed, "test")
        assert (await office.desk.show(request.id))[1] is State.PENDING

    play(tmp_path, story)


def test_a_word_counts_for_its_own_request_alone(tmp_path):
    async def story(office):
        _, first = await office.waits(pay(50))
        _, second = await office.waits(pay(60))
        bundle = office.hands["ann"].word(first, office.clock.now)
        with pytest.raises(ApprovalError) as caught:
            await office.desk.say(second.id, bundle, "test")
        assert caught.value.code == "approval.mismatch"
        await office.desk.say(first.id, bundle, "test")
        with pytest.raises(RemitError):
            await office.desk.say(first.id, bundle, "test")
        assert (await office.judge(pay(50), Waiting(False))).allowed
        # The same action again is another request with another nonce.
        _, third = await office.waits(pay(50))
        with pytest.raises(ApprovalError) as caught:
            await office.desk.say(third.id, bundle, "test")
        assert caught.value.code == "approval.mismatch"

    play(tmp_path, story)


def test_an_approval_of_another_guard(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        elsewhere = msgspec.structs.replace(request, guard="remit.example/guard/2")
        with pytest.raises(ApprovalError) as caught:
            await office.says("ann", elsewhere)
        assert caught.value.code == "approval.mismatch"
        foreign = Hand("mia").enrolment("remit.example/guard/2")
        with pytest.raises(RemitError):
            await office.desk.roster.enrol(foreign, Hand("mia").signer.public.pem, "root")

    play(tmp_path, story)


def test_one_person_is_one_person(tmp_path):
    async def story(office):
        _, request = await office.waits(pay(2000))
        await office.says("ann", request)
        await office.judge(pay(2000), Waiting(False))
        (request,) = [k.request for k, _ in await office.desk.listing(9) if k.request.rule == "two"]
        assert (await office.says("ann", request)).state is State.PENDING
        office.clock.now += 1_000_000
        with pytest.raises(ApprovalError) as caught:
            await office.says("ann", request, reason="really")
        assert caught.value.code == "approval.twice"
        # One key for two users, or a second key for one, is not taken.
        again, ann = Hand("ann"), office.hands["ann"]
        with pytest.raises(RemitError) as caught:
            await office.desk.roster.enrol(
                again.enrolment(office.desk.guard_id), again.signer.public.pem, "root"
            )
        assert caught.value.code == "approval.twice"
        ann.user = "carl"
        with pytest.raises(RemitError):
            await office.desk.roster.enrol(
                ann.enrolment(office.desk.guard_id), ann.signer.public.pem, "root"
            )
        assert (await office.says("ben", request)).state is State.APPROVED

    play(tmp_path, story)


def test_a_bundle_that_names_keys_takes_no_other(tmp_path):
    async def story(office):
        other = Hand("ben")
        fingerprint = other.signer.public.fingerprint
        _, request = await office.waits(pay())
        await office.says("ben", request)
        office.rewrite(
            "entities/people.toml", "[users.ben]\n", f'[users.ben]\nkeys = ["{fingerprint}"]\n'
        )
        _, request = await office.waits(pay())
        with pytest.raises(ApprovalError) as caught:
            await office.says("ben", request)
        assert caught.value.code == "approval.stranger"
        await office.desk.roster.revoke("ben", "root")
        mine = office.hands["ben"]
        with pytest.raises(ApprovalError) as caught:
            await office.desk.roster.enrol(
                mine.enrolment(office.desk.guard_id), mine.signer.public.pem, "root"
            )
        assert caught.value.code == "approval.other_key"
        office.hands["ben"] = other
        await office.enrol("ben")
        assert (await office.says("ben", request)).state is State.APPROVED

    play(tmp_path, story)


def test_a_revoked_key_undoes_what_it_signed(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        await office.desk.roster.revoke("ann", "root")
        verdict = await office.judge(pay(), Waiting(patient=False))
        assert verdict.decision.error == "approval_pending"
        with pytest.raises(ApprovalError):
            await office.desk.roster.revoke("ann", "root")
        assert kinds(office).count("approver.revoke") == 1
        # Others can still decide, and so can somebody who has a new key.
        office.hands["ann"] = Hand("ann")
        await office.enrol("ann")
        office.clock.now += 1_000_000
        assert (await office.says("ann", request)).state is State.APPROVED
        assert (await office.judge(pay(), Waiting(patient=False))).allowed

    play(tmp_path, story)


def test_a_key_that_is_revoked_between_the_look_and_the_use(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        ticket = await office.desk.ask(
            office.guard.policy, pay(), obligation_of(office, pay()), (), ()
        )
        assert ticket.answer is Answer.GIVEN
        await office.desk.roster.revoke("ann", "root")
        with pytest.raises(ApprovalError):
            await office.desk.use(ticket, office.guard.policy, pay())

    play(tmp_path, story)


def obligation_of(office, an_event):
    """What policy asks for before the event may go on."""
    signals = Signals(now_us=office.clock.now)
    (owed,) = office.guard.policy.decide(an_event, signals).obligations
    return owed


def test_what_is_approved_can_be_stopped_until_it_is_used(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        assert (await office.says("ben", request, "deny", reason="stop")).state is State.DENIED
        verdict = await office.judge(pay(), Waiting(patient=False))
        assert verdict.decision.error == "approval_refused"

    play(tmp_path, story)


@pytest.mark.parametrize("first", ["the stop", "the use"])
@pytest.mark.parametrize("stop", ["deny", "revoke"])
def test_whoever_is_told_that_it_is_stopped_was_in_time(tmp_path, stop, first):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        ticket = Ticket(request=request.id, answer=Answer.GIVEN, detail="")
        stops = (
            office.says("ben", request, "deny", reason="stop")
            if stop == "deny"
            else office.desk.roster.revoke("ann", "root")
        )
        both = [stops, office.desk.use(ticket, office.guard.policy, pay())]
        if first == "the use":
            both.reverse()
        await asyncio.gather(*both, return_exceptions=True)
        assert ("approval.consume" in kinds(office)) == (first == "the use")

    play(tmp_path, story)


@pytest.mark.parametrize("tries", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_tries_at_once_use_an_approval_once(tmp_path, tries):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        policy, action = office.guard.policy, pay()
        ticket = Ticket(request=request.id, answer=Answer.GIVEN, detail="")

        async def attempt():
            try:
                await office.desk.use(ticket, policy, action)
            except RemitError:
                return 0
            return 1

        assert sum(await asyncio.gather(*(attempt() for _ in range(tries)))) == 1
        assert kinds(office).count("approval.consume") == 1

    play(tmp_path, story)


def test_several_uses_only_as_far_as_policy_and_approver_say(tmp_path):
    async def story(office):
        rare = event("get", {"key": "rare"})
        _, request = await office.waits(rare)
        assert request.max_uses == 3
        with pytest.raises(ApprovalError) as caught:
            await office.says("ann", request, uses=4)
        assert caught.value.code == "approval.uses"
        await office.says("ann", request, uses=2)
        assert [(await office.judge(rare, Waiting(False))).allowed for _ in range(3)] == [
            True, True, False,
        ]  # fmt: skip

    play(tmp_path, story)


@pytest.mark.parametrize("table", ["decisions", "requests", "approvers", "uses"])
def test_a_store_that_was_written_by_somebody_else_approves_nothing(tmp_path, table):
    """Rows without a signature that verifies are no approvals."""

    async def story(office):
        _, request = await office.waits(pay())
        if table != "requests":
            await office.says(
                "ben" if table == "decisions" else "ann",
                request,
                "deny" if table == "decisions" else "approve",
            )
        db = sqlite3.connect(tmp_path / "approvals.db", isolation_level=None)
        match table:
            case "decisions":
                (body,) = db.execute("SELECT body FROM decisions").fetchone()
                db.execute(
                    "UPDATE decisions SET word = 'approve', body = ?",
                    (body.replace(b'"deny"', b'"approve"'),),
                )
            case "requests":
                (body,) = db.execute("SELECT body FROM requests").fetchone()
                db.execute(
                    "UPDATE requests SET body = ?", (body.replace(b'"quorum":1', b'"quorum":0'),)
                )
            case "approvers":
                key = Hand("ann").signer.public.der
                db.execute("UPDATE approvers SET key = ? WHERE id = 'ann'", (key,))
            case "uses":
                db.execute("DROP TABLE uses")
        db.close()
        verdict = await office.judge(pay(), Waiting(False))
        assert not verdict.allowed

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"quorum":2', b'"quorum":1'),
        (b'"approvers":"treasury"', b'"approvers":"sales"'),
        (b'"max_uses":1', b'"max_uses":9'),
    ],
)
def test_a_stored_request_that_asks_for_less_than_policy(tmp_path, old, new):
    """Even if somebody signs what it shows."""

    async def story(office):
        await office.judge(pay(2000), Waiting(False))
        (one,) = [k.request for k, _ in await office.desk.listing(9)]
        await office.says("ann", one)
        await office.judge(pay(2000), Waiting(False))
        db = sqlite3.connect(tmp_path / "approvals.db", isolation_level=None)
        for name, body in db.execute("SELECT id, body FROM requests WHERE rule = 'two'").fetchall():
            assert old in body
            db.execute("UPDATE requests SET body = ? WHERE id = ?", (body.replace(old, new), name))
        db.close()
        (two,) = [k.request for k, _ in await office.desk.listing(9) if k.request.rule == "two"]
        for user in ("ann", "ben"):
            with contextlib.suppress(RemitError):
                await office.says(user, two)
        verdict = await office.judge(pay(2000), Waiting(False))
        assert not verdict.allowed
        assert "not what policy asks for" in verdict.decision.detail

    play(tmp_path, story)


def test_a_store_that_cannot_be_written_asks_nobody(tmp_path):
    async def story(office):
        await office.waits(pay(40))
        office.desk.close()
        (tmp_path / "approvals.db").write_bytes(b"no database")
        office.desk = office.guard.approvals = office.open_desk()
        verdict = await office.judge(pay(), Waiting(False))
        assert not verdict.allowed
        assert verdict.decision.error == "approval_refused"
        assert (await office.judge(event("get", {}), Waiting(False))).allowed

    play(tmp_path, story)


def test_requests_outlive_the_desk(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        office.desk.close()
        office.desk = office.guard.approvals = office.open_desk()
        await office.says("ann", request)
        office.desk.close()
        office.desk = office.guard.approvals = office.open_desk()
        assert (await office.judge(pay(), Waiting(False))).allowed

    play(tmp_path, story)


def test_arguments_are_not_in_the_clear(tmp_path):
    async def story(office):
        await office.waits(pay(to="the secret recipient"))
        for file in tmp_path.rglob("*"):
            if file.is_file():
                assert b"secret recipient" not in file.read_bytes(), file

    play(tmp_path, story)


def test_erased_arguments_cannot_be_approved(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        for key in (tmp_path / "keys").iterdir():
            key.unlink()
        office.desk.close()
        office.desk = office.guard.approvals = office.open_desk()
        with pytest.raises(RemitError):
            await office.says("ann", request)

    play(tmp_path, story)


def test_a_clock_set_back_makes_nothing_young_again(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        office.clock.now -= 3600_000_000
        assert not (await office.judge(pay(), Waiting(False))).allowed

    play(tmp_path, story)


def test_without_a_desk_nobody_is_asked(tmp_path):
    async def story(office):
        office.guard.approvals = None
        verdict = await office.judge(pay(), Waiting())
        assert verdict.decision.error == "approval_refused"
        assert "remit guard run" in verdict.decision.detail

    play(tmp_path, story)


def test_too_many_and_too_large(tmp_path, monkeypatch):
    async def story(office):
        verdict = await office.judge(pay(to="x" * 300_000), Waiting())
        assert "larger than a person can read" in verdict.decision.detail
        monkeypatch.setattr("remit.guard.approvals.desk.MAX_OF_AGENT", 2)
        for number in range(2):
            assert (await office.waits(pay(50 + number)))[0].decision.error == "approval_pending"
        verdict = await office.judge(pay(99), Waiting())
        assert "too many" in verdict.decision.detail

    play(tmp_path, story)


def test_the_people_of_the_bundle_are_used(tmp_path):
    async def story(office):
        _, request = await office.waits(pay())
        await office.says("ann", request)
        office.rewrite(
            "entities/people.toml", '[users.ann]\nteams = ["treasury"]', "[users.ann]\nteams = []"
        )
        assert not (await office.judge(pay(), Waiting(False))).allowed

    play(tmp_path, story, people=PEOPLE)
