"""What an agent's connections share, and how long it is kept."""

from remit.guard import memory
from remit.guard.memory import Memories


def test_connections_of_one_agent_share_labels_and_values_but_no_counts():
    memories = Memories()
    first, second, other = (memories.session(scope) for scope in ("a", "a", "b"))
    first.label("untrusted")
    first.calls += 1
    token = first.memory.vault.put("kim@example.com", "EMAIL_ADDRESS")
    assert second.labels == {"untrusted"}
    assert second.calls == 0
    assert second.memory.vault.get(token) == "kim@example.com"
    assert first.memory.key == second.memory.key != other.memory.key
    assert other.labels == set()
    assert not other.memory.holds_values


def test_connecting_again_forgets_nothing_for_an_hour(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    memories = Memories()
    session = memories.session("a")
    session.label("untrusted")
    memories.left(session)
    memories.left(session)
    now[0] += memory.KEPT_S - 1
    again = memories.session("a")
    assert again.labels == {"untrusted"}
    now[0] += memory.KEPT_S * 3
    assert memories.session("a").labels == {"untrusted"}, "somebody uses it"
    memories.left(again)
    now[0] += memory.KEPT_S + 1
    assert memories.session("a").labels == {"untrusted"}, "the other one still uses it"


def test_what_nobody_uses_is_dropped(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(memory, "MAX_MEMORIES", 8)
    memories = Memories()
    session = memories.session("a")
    session.label("untrusted")
    memories.left(session)
    now[0] += memory.KEPT_S + 1
    assert memories.session("a").labels == set()
    for number in range(50):
        memories.left(memories.session(f"scope {number}"))
    assert len(memories._kept) <= 9


def test_what_was_missed_can_be_the_source_of_all():
    for early in (True, False):
        session = Memories().session("a")
        if early:
            assert session.memory.provenance.origin("ann@example.org") == "unknown"
        session.memory.miss()
        assert session.memory.provenance.origin("ann@example.org") == "untrusted"
