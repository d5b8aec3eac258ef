"""Visits end, tasks count once, and failures are counted."""

from remit.web.visits import Attempts, Visits

SECOND = 10**9


class Hands:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 0

    def monotonic_ns(self):
        return self.now

    def now_us(self):
        return self.now // 1000


def visits(limit=10):
    clock = Hands()
    return clock, Visits(clock, 60.0, limit)


def test_a_visit_is_found_by_its_secret_alone():
    _, known = visits()
    token, visit = known.begin("ann", b"key")
    other, _ = known.begin("ben", b"key")
    assert token != other
    assert visit.csrf not in (token, other)
    assert known.find(token) is visit
    assert known.find(token[:-1]) is known.find("") is None
    assert token not in str(known.__dict__)


def test_a_visit_ends_when_nobody_uses_it():
    clock, known = visits()
    token, _ = known.begin("ann")
    clock.now = 59 * SECOND
    assert known.find(token) is not None
    clock.now = 118 * SECOND
    assert known.find(token, by_person=False) is not None
    clock.now = 120 * SECOND
    assert known.find(token, by_person=False) is None
    clock.now = 0
    assert known.find(token) is None


def test_a_visit_ends_when_somebody_leaves():
    _, known = visits()
    token, _ = known.begin("ann")
    known.end(token)
    known.end("unknown")
    assert known.find(token) is None


def test_there_is_room_for_so_many():
    clock, known = visits(limit=2)
    first, _ = known.begin("a")
    clock.now = 1
    second, _ = known.begin("b")
    clock.now = 2
    known.find(first)
    clock.now = 3
    third, _ = known.begin("c")
    assert known.find(second) is None
    assert known.find(first) is not None
    assert known.find(third) is not None
    clock.now = 200 * SECOND
    known.begin("d")
    assert len(known._known) == 1


def test_a_task_counts_once_and_for_two_minutes():
    clock, known = visits()
    _, visit = known.begin("ann")
    assert known.take(visit) is None
    known.give(visit, b"1", "first")
    known.give(visit, b"2", "second")
    task = known.take(visit)
    assert task is not None
    assert (task.challenge, task.about) == (b"2", "second")
    assert known.take(visit) is None
    known.give(visit, b"3", "third")
    clock.now = 121 * SECOND
    assert known.take(visit) is None


def test_failures_are_counted_by_the_minute():
    clock = Hands()
    attempts = Attempts(clock, 2)
    assert attempts.failed("a") == 1
    assert not attempts.blocked("a")
    assert attempts.failed("a") == 2
    assert attempts.blocked("a")
    assert not attempts.blocked("b")
    assert attempts.failed("b") == 3
    clock.now = 60 * SECOND
    assert not attempts.blocked("a")


def test_nobody_fills_the_memory(monkeypatch):
    monkeypatch.setattr("remit.web.visits.MAX_WATCHED", 3)
    attempts = Attempts(Hands(), 2)
    for name in "abc":
        attempts.failed(name)
    assert attempts.blocked("d")
