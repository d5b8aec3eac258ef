import itertools
import re

import pytest

from remit.guard.callers.base import Forbidden, Unauthenticated
from remit.guard.callers.keys import KeyCallers, NewKey, id_of
from remit.guard.errors import GuardError
from tests.unit.guard.callers.helpers import NOW_S, Clock, run

NOW_US = NOW_S * 1_000_000
_counter = itertools.count(1)


def entropy(count):
    return (next(_counter) * 0x9E3779B97F4A7C15F39CC0605CEDC835).to_bytes(64)[-count:]


def make(**changes):
    return NewKey.make(entropy, NOW_US, **{"agent": "ci", "user": "ada", **changes})


class Store:
    def __init__(self, *records):
        self.records = {record.id: record for record in records}
        self.uses = []
        self.broken = False

    def find(self, key_id):
        if self.broken:
            raise GuardError("damaged", code="keys.unreadable")
        return self.records.get(key_id)

    async def used(self, key_id, now_us):
        self.uses.append((key_id, now_us))


def ask(store, text, server="git", clock=None):
    return run(KeyCallers(store, clock or Clock()).authenticate(text, server))


def refusal(store, text, **more):
    with pytest.raises(Unauthenticated) as caught:
        ask(store, text, **more)
    assert text not in caught.value.diagnostics()
    return caught.value.code


def test_a_key_is_accepted_for_its_agent_and_user():
    made = make()
    store = Store(made.record)
    found = ask(store, made.reveal())
    assert (found.agent.id, found.user, found.how) == ("ci", "ada", "key")
    assert found.credential == made.record.id
    assert store.uses == [(made.record.id, NOW_US)]


def test_the_form_is_one_that_scanners_know():
    text = make().reveal()
    assert re.fullmatch(r"rmt_[a-z2-7]{8}_[a-z2-7]{40}[0-9a-f]{8}", text)
    assert id_of(text) == text[4:12]
    # 40 characters of base 32: 200 bits.
    asked = []
    NewKey.make(lambda n: asked.append(n) or b"\1" * n, 1, agent="a", user="u")
    assert 25 in asked


def test_a_typing_error_is_told_apart_from_a_wrong_key():
    made = make()
    text = made.reveal()
    for place in range(4, len(text)):
        if text[place] == "_":
            continue
        typo = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        assert refusal(Store(made.record), typo) == "caller.key_mistyped"
    assert refusal(Store(made.record), make().reveal()) == "caller.key_unknown"


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda t: t + "a",
        lambda t: t[:-1],
        lambda t: t + "\n",
        lambda t: t[4:],
        lambda t: "",
    ],
)
def test_another_form_is_no_key(change):
    made = make()
    assert refusal(Store(made.record), change(made.reveal()) or "x") == "caller.key_mistyped"


def test_the_right_id_with_another_secret_is_refused():
    made, other = make(), make()
    import msgspec

    record = msgspec.structs.replace(made.record, id=other.record.id)
    assert refusal(Store(record), other.reveal()) == "caller.key_unknown"


def test_only_who_has_the_whole_key_learns_that_it_ended():
    import msgspec

    made, other = make(), make()
    revoked = msgspec.structs.replace(made.record, revoked=NOW_US)
    assert refusal(Store(revoked), made.reveal()) == "caller.key_revoked"
    stolen_id = msgspec.structs.replace(revoked, id=other.record.id)
    assert refusal(Store(stolen_id), other.reveal()) == "caller.key_unknown"


def test_a_key_ends_when_it_expires():
    made = make(expires=NOW_US + 60_000_000)
    clock = Clock()
    clock.pass_s(59)
    ask(Store(made.record), made.reveal(), clock=clock)
    clock.pass_s(1)
    assert refusal(Store(made.record), made.reveal(), clock=clock) == "caller.key_expired"


@pytest.mark.parametrize(
    ("servers", "server", "good"),
    [
        (("git",), "git", True),
        (("git",), "git2", False),
        (("git",), "GIT", False),
        (("g*",), "git", True),
        (("*",), "anything", True),
        (("a", "b?"), "b1", True),
        (("a", "b?"), "b", False),
        ((), "git", False),
    ],
)
def test_a_key_is_for_its_servers(servers, server, good):
    made = make(servers=servers)
    if good:
        ask(Store(made.record), made.reveal(), server)
        return
    store = Store(made.record)
    with pytest.raises(Forbidden) as caught:
        ask(store, made.reveal(), server)
    assert caught.value.code == "caller.key_server"
    assert store.uses == []


def test_a_key_of_another_surface_is_refused():
    made = make(scopes=("llm",))
    with pytest.raises(Forbidden) as caught:
        ask(Store(made.record), made.reveal())
    assert caught.value.scope == "mcp"


def test_records_that_cannot_be_read_refuse_everybody():
    made = make()
    store = Store(made.record)
    store.broken = True
    assert refusal(store, made.reveal()) == "keys.unreadable"


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\tb\x00", "\u202ea", "a" * 101])
def test_names_that_cannot_be_shown_are_refused(name):
    for field in ("agent", "user"):
        with pytest.raises(GuardError):
            make(**{field: name})


@pytest.mark.parametrize("glob", ["", "[a]", "a/b", "a b", "a\n", "*" * 65])
def test_patterns_are_simple(glob):
    with pytest.raises(GuardError, match="pattern"):
        make(servers=(glob,))


def test_nothing_secret_is_shown():
    made = make()
    text = made.reveal()
    for shown in (repr(made), str(made), repr(made.record), f"{made.record}"):
        assert text[13:] not in shown
        assert made.record.hash not in shown
        assert made.record.salt not in shown


def test_the_same_secret_has_another_hash_with_another_salt():
    import msgspec

    record = make().record
    resalted = msgspec.structs.replace(record, salt="0" * 32)
    made = make()
    assert made.record.matches(made.reveal())
    assert not msgspec.structs.replace(made.record, salt=resalted.salt).matches(made.reveal())
