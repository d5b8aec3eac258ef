import asyncio
import os
import stat

import pytest

from remit.guard.callers.base import Unauthenticated
from remit.guard.callers.keys import KeyCallers, NewKey
from remit.guard.errors import GuardError
from remit.guard.store.callers import USED_EVERY_US, CallerKeys
from tests.unit.guard.callers.helpers import NOW_S, Clock

NOW_US = NOW_S * 1_000_000


def make(**changes):
    return NewKey.make(os.urandom, NOW_US, **{"agent": "ci", "user": "ada", **changes})


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def ask(keys, text):
    return asyncio.run(KeyCallers(keys, Clock()).authenticate(text, "git"))


def test_a_key_is_kept_as_a_hash_in_a_private_file(state):
    made = make()
    CallerKeys(state).add(made.record)
    path = state / "keys" / "callers.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    content = path.read_text()
    assert made.reveal() not in content
    assert made.reveal()[13:53] not in content
    assert CallerKeys(state).all() == (made.record,)
    assert ask(CallerKeys(state), made.reveal()).agent.id == "ci"


def test_no_file_is_no_keys(state):
    assert CallerKeys(state).all() == ()
    with pytest.raises(Unauthenticated):
        ask(CallerKeys(state), make().reveal())


def test_revoking_and_issuing_take_effect_at_once_for_a_guard_that_runs(state):
    first, second = make(), make()
    CallerKeys(state).add(first.record)
    running = CallerKeys(state)
    ask(running, first.reveal())
    other = CallerKeys(state)
    other.add(second.record)
    ask(running, second.reveal())
    other.revoke(first.record.id, NOW_US)
    with pytest.raises(Unauthenticated) as caught:
        ask(running, first.reveal())
    assert caught.value.code == "caller.key_revoked"
    ask(running, second.reveal())
    (state / "keys" / "callers.json").unlink()
    with pytest.raises(Unauthenticated):
        ask(running, second.reveal())


def test_revoking_is_seen_even_when_size_and_time_of_the_file_stay(state):
    """The new file is as long as the old one and has its modification time."""
    made = make()
    CallerKeys(state).add(made.record)
    running = CallerKeys(state)
    ask(running, made.reveal())
    path = state / "keys" / "callers.json"
    before = path.stat()
    data = path.read_text().replace('"revoked": 0', '"revoked": 7')
    path.write_text(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(Unauthenticated) as caught:
        ask(running, made.reveal())
    assert caught.value.code == "caller.key_revoked"


def test_the_first_revocation_is_the_one_that_counts(state):
    made = make()
    keys = CallerKeys(state)
    keys.add(made.record)
    assert keys.revoke(made.record.id, 5).revoked == 5
    assert keys.revoke(made.record.id, 9).revoked == 5
    with pytest.raises(GuardError, match="no key"):
        keys.revoke("aaaaaaaa", 1)


def test_an_id_is_given_once(state):
    made = make()
    CallerKeys(state).add(made.record)
    with pytest.raises(GuardError, match="taken"):
        CallerKeys(state).add(made.record)


def damage(path, how):
    data = path.read_text()
    changes = {
        "empty": "",
        "cut": data[:-20],
        "binary": "\x00\x01",
        "list": "[]",
        "version": data.replace('"version": 1', '"version": 2'),
        "unknown field": data.replace('"version": 1', '"version": 1, "more": 1'),
        "duplicate field": data.replace('"revoked": 0', '"revoked": 0, "revoked": 0'),
        "case variant": data.replace('"revoked": 0', '"revoked": 0, "Revoked": 1'),
        "negative": data.replace('"revoked": 0', '"revoked": -1'),
        "no hash": data.replace('"hash"', '"hush"'),
        "short hash": data.replace('"salt": "', '"salt": "zz'),
        "nameless": data.replace('"agent": "ci"', '"agent": ""'),
    }
    assert how == "cut" or changes[how] != data
    path.write_text(changes[how])


@pytest.mark.parametrize(
    "how",
    ["empty", "cut", "binary", "list", "version", "unknown field", "duplicate field", "case variant",
     "negative", "no hash", "short hash", "nameless"],
)  # fmt: skip
def test_a_damaged_file_refuses_everybody_and_is_not_written_over(state, how):
    made = make()
    keys = CallerKeys(state)
    keys.add(made.record)
    ask(keys, made.reveal())
    path = state / "keys" / "callers.json"
    damage(path, how)
    damaged = path.read_bytes()
    for _ in range(2):
        with pytest.raises(Unauthenticated) as caught:
            ask(keys, made.reveal())
        assert caught.value.code == "keys.unreadable"
    for change in (lambda: keys.add(make().record), lambda: keys.revoke(made.record.id, 1)):
        with pytest.raises(GuardError):
            change()
    assert path.read_bytes() == damaged


def test_one_key_twice_is_damage(state):
    made = make()
    keys = CallerKeys(state)
    keys.add(made.record)
    path = state / "keys" / "callers.json"
    text = path.read_text()
    start, end = text.index("  {"), text.rindex("}", 0, text.rindex("]")) + 1
    path.write_text(text[:end] + ",\n" + text[start:])
    with pytest.raises(GuardError, match="twice"):
        keys.find(made.record.id)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700])
def test_a_file_open_to_others_refuses_everybody(state, mode):
    made = make()
    keys = CallerKeys(state)
    keys.add(made.record)
    ask(keys, made.reveal())
    (state / "keys" / "callers.json").chmod(mode)
    with pytest.raises(Unauthenticated):
        ask(keys, made.reveal())


def test_a_directory_open_to_others_refuses_everybody(state):
    made = make()
    CallerKeys(state).add(made.record)
    (state / "keys").chmod(0o755)
    with pytest.raises(Unauthenticated):
        ask(CallerKeys(state), made.reveal())


def test_a_link_is_not_followed(state, tmp_path):
    made = make()
    CallerKeys(state).add(made.record)
    path = state / "keys" / "callers.json"
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(Unauthenticated):
        ask(CallerKeys(state), made.reveal())


def test_the_last_use_is_remembered_beside_the_keys(state):
    made, other = make(), make()
    keys = CallerKeys(state)
    keys.add(made.record)
    keys.add(other.record)
    before = (state / "keys" / "callers.json").read_bytes()

    async def use():
        await keys.used(made.record.id, NOW_US)
        await keys.used(other.record.id, NOW_US + 1)  # first use of another key
        await keys.used(made.record.id, NOW_US + 2)  # too soon for the disk
        early = CallerKeys(state).last_used()
        await keys.used(made.record.id, NOW_US + 1 + USED_EVERY_US)
        return early

    assert asyncio.run(use()) == {made.record.id: NOW_US, other.record.id: NOW_US + 1}
    assert CallerKeys(state).last_used()[made.record.id] == NOW_US + 1 + USED_EVERY_US
    assert (state / "keys" / "callers.json").read_bytes() == before


def test_a_use_that_cannot_be_remembered_is_still_a_use(state):
    made = make()
    keys = CallerKeys(state)
    keys.add(made.record)
    (state / "keys" / "callers.used.json").mkdir()
    assert ask(keys, made.reveal()).agent.id == "ci"
    assert keys.last_used() == {}
