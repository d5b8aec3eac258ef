import pytest

from remit.approvals.decision import Decided
from remit.approvals.quorum import State, tally
from tests.unit.approvals.cases import NOW_US, request

NOBODY, EVERYBODY = (lambda _: False), (lambda _: True)


def said(approver, word="approve", *, uses=1, about="APR-1"):
    return Decided(
        request=about, approver=approver, word=word, reason="", ticket="", signed_us=NOW_US,
        uses=uses, digest="sha256:" + approver,
    )  # fmt: skip


def state(*words, quorum=2, may=EVERYBODY, now=NOW_US):
    return tally(request(quorum=quorum), words, may, now).state


def test_approvals_are_counted_by_person():
    assert state() is State.PENDING
    assert state(said("ann")) is State.PENDING
    assert state(said("ann"), said("ann")) is State.PENDING
    assert state(said("ann"), said("ben")) is State.APPROVED
    assert state(said("ann"), quorum=1) is State.APPROVED


@pytest.mark.parametrize("requester", ["carl", "claude-code", "svc"])
def test_who_asks_does_not_count(requester):
    assert state(said("ann"), said(requester)) is State.PENDING
    assert state(said(requester, "deny"), said("ann"), said("ben")) is State.APPROVED


def test_a_refusal_refuses_whatever_else_was_said():
    found = tally(request(quorum=1), [said("ann"), said("ben", "deny")], EVERYBODY, NOW_US)
    assert found.state is State.DENIED
    assert found.refusal.approver == "ben"


def test_only_those_who_may_count_and_about_this_request():
    assert state(said("ann"), said("ben"), may=NOBODY) is State.PENDING
    assert state(said("ann"), said("ben"), may=lambda user: user == "ann") is State.PENDING
    assert state(said("ann"), said("ben", about="APR-2")) is State.PENDING
    assert state(said("ben", "deny"), said("ann"), quorum=1, may=lambda u: u == "ann") is (
        State.APPROVED
    )


@pytest.mark.parametrize("now", [NOW_US + 600_000_000, NOW_US + 10**12, NOW_US - 61_000_000])
def test_out_of_time(now):
    assert state(said("ann"), said("ben"), now=now) is State.EXPIRED


def test_everybody_agrees_to_the_fewest_uses():
    found = tally(request(quorum=2), [said("ann", uses=2), said("ben")], EVERYBODY, NOW_US)
    assert found.uses == 1
    assert tally(request(), [], EVERYBODY, NOW_US).uses == 0
