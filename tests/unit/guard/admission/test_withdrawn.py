import threading

import msgspec
import pytest

from remit.artifacts.oci.names import Reference
from remit.core.digest import sha256
from remit.guard.admission import withdrawn as module
from remit.guard.admission.withdrawn import MAX_KEPT, Withdrawn, heard
from remit.guard.errors import GuardError

DIGEST = str(sha256(b"it"))
AT = "2026-11-26T17:00:00.000000Z"
AT_US = 1_795_712_400_000_000
NOW = AT_US + 5_000_000
SAID = {
    "repository": "team/echo", "digest": DIGEST, "state": "withdrawn", "reason": "bad",
    "changedAt": AT,
}  # fmt: skip
REFERENCE = Reference(host="hub.example", repository="team/echo", digest=DIGEST)


def one(host="hub.example", **more):
    found = heard(host, {**SAID, **more}, NOW)
    assert found is not None
    return found


def test_read():
    found = one("Hub.Example")
    assert (found.host, found.changed_us, found.heard_us) == ("hub.example", AT_US, NOW)
    assert (found.state, found.reason) == ("withdrawn", "bad")


@pytest.mark.parametrize(
    ("more", "member", "wanted"),
    [
        ({"state": "fine"}, "state", "withdrawn"),
        ({"state": 7}, "state", "withdrawn"),
        ({"reason": None}, "reason", ""),
        ({"reason": "a\x1b[2Jb\u202e"}, "reason", r"a\u{1b}[2Jb\u{202e}"),
        ({"changedAt": "soon"}, "changed_us", NOW),
        ({"changedAt": 9}, "changed_us", NOW),
        ({"changedAt": "9999-12-31T23:59:59Z"}, "changed_us", 2**53 - 1),
        ({"changedAt": "0001-01-01T00:00:00Z"}, "changed_us", 0),
        ({"changedAt": "9999-99-99T00:00:00Z"}, "changed_us", NOW),
    ],
)
def test_what_is_malformed_makes_it_no_weaker(more, member, wanted):
    assert getattr(one(**more), member) == wanted


@pytest.mark.parametrize(
    "more",
    [
        {"repository": 1},
        {"repository": []},
        {"digest": None},
        {"digest": "sha256:1"},
        {"digest": {}},
    ],
)
def test_what_names_nothing(more):
    assert heard("hub.example", {**SAID, **more}, NOW) is None


def test_it_counts_at_once_and_after_a_restart(tmp_path):
    here = Withdrawn(tmp_path / "x")
    here.load()
    assert here.about(REFERENCE) is None
    assert here.hear([one()]) == (msgspec.structs.replace(one(), used=True),)
    assert here.dirty
    assert here.about(REFERENCE).reason == "bad"
    here.keep()
    assert not here.dirty
    there = Withdrawn(tmp_path / "x")
    assert there.about(REFERENCE) is None
    there.load()
    assert there.about(REFERENCE) == here.about(REFERENCE)
    assert all(each.stat().st_mode & 0o077 == 0 for each in (tmp_path / "x").iterdir())


def test_it_is_of_its_hub_and_repository_alone(tmp_path):
    here = Withdrawn(tmp_path)
    here.hear([one()])
    for other in (
        msgspec.structs.replace(REFERENCE, host="other.example"),
        msgspec.structs.replace(REFERENCE, host=""),
        msgspec.structs.replace(REFERENCE, repository="team/other"),
        msgspec.structs.replace(REFERENCE, digest=str(sha256(b"other"))),
    ):
        assert here.about(other) is None
    assert here.about(msgspec.structs.replace(REFERENCE, host="HUB.example")) is not None


def test_nothing_takes_it_back_but_a_later_word_of_the_gate(tmp_path):
    here = Withdrawn(tmp_path)
    here.hear([one()])
    assert here.hear([]) == ()
    assert here.hear([one(changedAt="2020-01-01T00:00:00Z", reason="was nothing")]) == ()
    found = here.about(REFERENCE)
    assert (found.reason, found.stands(0), found.stands(AT_US), found.stands(AT_US + 1)) == (
        "bad", True, True, False,
    )  # fmt: skip
    [again] = here.hear([one(changedAt="2026-12-01T00:00:00Z")])
    assert again.stands(AT_US + 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda value, key: value.write_bytes(value.read_bytes().replace(b"bad", b"ok!")),
        lambda value, key: value.write_bytes(b"{}"),
        lambda value, key: value.unlink(),
        lambda value, key: key.unlink(),
    ],
)
def test_who_changes_it_or_takes_it_away_is_told(tmp_path, change):
    here = Withdrawn(tmp_path)
    here.hear([one()])
    here.keep()
    change(tmp_path / "withdrawn.json", tmp_path / "withdrawn.key")
    with pytest.raises(GuardError) as caught:
        Withdrawn(tmp_path).load()
    assert caught.value.code == "guard.memory"
    # Nor is it written over; what was heard counts all the same.
    here.hear([one(changedAt="2026-12-01T00:00:00Z")])
    with pytest.raises(GuardError):
        here.keep()
    assert here.dirty
    assert here.about(REFERENCE) is not None


def test_what_cannot_be_written_counts_and_is_tried_again(tmp_path, monkeypatch):
    here = Withdrawn(tmp_path / "x")
    here.hear([one()])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("remit.guard.admission.sealed.write_atomically", full)
        with pytest.raises(GuardError) as caught:
            here.keep()
    assert caught.value.code == "guard.memory"
    assert here.dirty
    here.keep()
    there = Withdrawn(tmp_path / "x")
    there.load()
    assert there.about(REFERENCE) is not None


def test_guards_of_one_place_lose_nothing_of_each_other(tmp_path):
    def work(number):
        here = Withdrawn(tmp_path)
        for at in range(5):
            here.hear([one(digest=str(sha256(f"{number} {at}".encode())))])
            here.keep()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    here = Withdrawn(tmp_path)
    here.load()
    assert len(here._read()) == 20


def test_a_hub_that_lists_without_end_pushes_out_nothing_that_matters(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT", 50)
    assert MAX_KEPT > 50
    here = Withdrawn(tmp_path)
    here.about(REFERENCE)
    here.hear([one(), one("second.example", repository="a")])
    flood = [
        one(digest=str(sha256(str(number).encode())), changedAt="2027-01-01T00:00:00Z")
        for number in range(200)
    ]
    here.hear(flood)
    here.keep()
    assert len(here._read()) == 52
    there = Withdrawn(tmp_path)
    there.load()
    assert there.about(REFERENCE) is not None
    assert [each.key for each in there.standing()] == [one().key]


def test_asked_for_before_it_is_trimmed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEPT", 1)
    here = Withdrawn(tmp_path)
    here.hear([one()])
    assert here.about(REFERENCE) is not None
    here.hear([one(digest=str(sha256(b"1")), changedAt="2027-01-01T00:00:00Z")])
    here.hear([one(digest=str(sha256(b"2")), changedAt="2027-01-01T00:00:00Z")])
    assert here.about(REFERENCE) is not None


def test_something_else_in_its_place_is_no_empty_memory(tmp_path):
    (tmp_path / "x").write_text("in the way")
    with pytest.raises(GuardError) as caught:
        Withdrawn(tmp_path / "x").load()
    assert caught.value.code == "guard.memory"
