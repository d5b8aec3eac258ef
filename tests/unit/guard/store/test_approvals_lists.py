"""Lists of the store: who sees which part of it, in which order, and no arguments."""

import os

import pytest
from msgspec.structs import replace

from remit.approvals.decision import Approver, Decided
from remit.approvals.request import Action, Request
from remit.attest.cipher import SubjectCipher
from remit.guard.errors import GuardError
from remit.guard.store.approvals import ApprovalStore, Invitation, Said

NOW = 1_790_000_000_000_000
ACTION = Action(
    agent="helper", user="joe", session="s", server="rec", name="rec/pay",
    arguments='{"to":"SECRET"}', policy_digest="sha256:0",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    one = ApprovalStore(
        tmp_path / "approvals.db", SubjectCipher(tmp_path / "keys", entropy=os.urandom)
    )
    yield one
    one.close()


def add(store, number, team="treasury", *, name="rec/pay", expires_us=NOW + 1):
    request = Request(
        id=f"APR-{number}", guard="g", action=replace(ACTION, name=name), rule="r", approvers=team,
        requested_us=NOW, expires_us=expires_us, nonce="0",
    )  # fmt: skip
    store.add(request)
    return request


def say(store, number, user, word="approve"):
    decided = Decided(
        request=f"APR-{number}", approver=user, word=word, reason="", ticket="", signed_us=NOW,
        uses=1,
        digest=f"sha256:{number}{user}{word}",
    )  # fmt: skip
    store.say(Said(decided=decided, key=b"k", bundle=b"b"))
    return decided.digest


def ids(found):
    return [kept.request.id for kept in found]


def test_what_waits(store):
    add(store, 1)
    add(store, 2, "sales")
    add(store, 3)
    add(store, 4, expires_us=NOW)
    assert ids(store.waiting(["treasury"], NOW, "", 10)) == ["APR-1", "APR-3"]
    assert ids(store.waiting(["sales", "treasury"], NOW, "", 2)) == ["APR-1", "APR-2"]
    assert ids(store.waiting(["sales", "treasury"], NOW, "APR-2", 10)) == ["APR-3"]
    assert ids(store.waiting([], NOW, "", 10)) == []
    assert store.count_waiting(["sales", "treasury"], NOW) == 3
    assert store.count_waiting([], NOW) == 0
    found = store.waiting(["treasury"], NOW, "", 1)[0]
    assert found.request.action.arguments == "null"
    assert found.request.action.digest != ACTION.digest


def test_what_is_past(store):
    for number in range(1, 6):
        add(store, number, "sales" if number == 5 else "treasury")
    add(store, 6, expires_us=NOW)
    store.use("APR-1", [say(store, 1, "ann")], 1, NOW)
    say(store, 2, "ann", "deny")
    say(store, 5, "dan", "deny")
    assert ids(store.past("ann", ["treasury"], NOW, "~", 10)) == ["APR-6", "APR-2", "APR-1"]
    assert ids(store.past("dan", [], NOW, "~", 10)) == ["APR-5"]
    assert ids(store.past("ann", ["treasury"], NOW, "APR-6", 1)) == ["APR-2"]


def test_what_ran_before(store):
    add(store, 1)
    add(store, 2, name="rec/other")
    add(store, 3)
    for number in (1, 2):
        store.use(f"APR-{number}", [say(store, number, "ann")], 1, NOW)
    found = store.used_before("rec/pay", "APR-3", 5)
    assert ids(found) == ["APR-1"]
    assert found[0].request.action.arguments == ACTION.arguments
    assert store.used_before("rec/pay", "APR-1", 5) == []


def invitation(user="ann", token=b"t" * 32, expires_us=NOW + 1):
    return Invitation(user=user, name="Ann", by="root", token=token, expires_us=expires_us)


def test_an_invitation_is_there_until_it_is_used(store):
    store.invite(invitation())
    assert store.invited(b"t" * 32, NOW) == invitation()
    assert store.invited(b"t" * 32, NOW + 1) is None
    assert store.invited(b"u" * 32, NOW) is None
    ann = Approver(id="ann", name="Ann", key=b"key", credential=b"c")
    store.enrol(ann, b"evidence", b"t" * 32)
    assert store.invited(b"t" * 32, NOW) is None
    assert store.approvers() == [ann]
    again = replace(ann, id="ben", key=b"other", credential=b"d")
    with pytest.raises(GuardError):
        store.enrol(again, b"evidence", b"t" * 32)
    assert store.approvers() == [ann]


def test_an_enrolment_that_fails_uses_no_invitation(store):
    ann = Approver(id="ann", name="Ann", key=b"key", credential=b"c")
    store.enrol(ann, b"evidence")
    store.invite(invitation(user="ben"))
    for taken in (
        Approver(id="ben", name="Ben", key=b"key", credential=b"d"),
        Approver(id="ben", name="Ben", key=b"other", credential=b"c"),
    ):
        with pytest.raises(GuardError):
            store.enrol(taken, b"evidence", b"t" * 32)
    assert store.invited(b"t" * 32, NOW) is not None


def test_a_newer_invitation_takes_the_place(store):
    store.invite(invitation())
    store.invite(invitation(token=b"u" * 32))
    assert store.invited(b"t" * 32, NOW) is None
    assert store.invited(b"u" * 32, NOW) is not None
