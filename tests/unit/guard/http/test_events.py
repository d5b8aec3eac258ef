import pytest

from remit.guard.errors import GuardError
from remit.guard.http.events import LINE_COST, MAX_FIELD, Event, EventReader


def read(data, limit=1000):
    return list(EventReader(limit).feed(data))


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\n\n", [Event(b"a")]),
        (b"data:  a\n\n", [Event(b" a")]),
        (b"data: a\r\n\r\n", [Event(b"a")]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"data\n\n", [Event(b"")]),
        (b"data: a\n", []),
        (b"data: a\r\r", []),
        (b"data: a\r\rdata: b\n\n", [Event(b"a\r\rdata: b")]),
        (b": comment\n\n", []),
        (b"event: x\nretry: 1\nnoise\n\n", []),
        (b"Data: a\n\n", []),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [Event(b"a", "7"), Event(b"b", "7")]),
        (b"id: 7\ndata: a\nid\n\n", [Event(b"a", "")]),
        (b"id: a\0b\ndata: a\n\n", [Event(b"a")]),
        (b"id: \xff\ndata: a\n\n", [Event(b"a")]),
        (b"id: \x1b\ndata: a\n\n", [Event(b"a")]),
    ],
)
def test_events(data, events):
    assert read(data) == events


def test_a_long_id_is_no_id():
    data = b"id: " + b"x" * (MAX_FIELD + 1) + b"\ndata: a\n\n"
    assert read(data, 10_000) == [Event(b"a")]


@pytest.mark.parametrize("unit", [b"data:\n", b"x", b": c", b"data: a\n", b"id: "])
def test_nothing_grows_for_ever(unit):
    reader = EventReader(10_000)
    pieces = (event for _ in range(20_000) for event in reader.feed(unit))
    with pytest.raises(GuardError) as caught:
        next(pieces)
    assert caught.value.code == "json.size"


def test_what_came_before_the_fault_is_given():
    found = EventReader(100).feed(b"data: a\n\ndata: " + b"x" * 200)
    assert next(found) == Event(b"a")
    with pytest.raises(GuardError):
        next(found)


@pytest.mark.timeout(60)  # where all that came is copied for each: 800 gigabytes
def test_single_bytes_cost_no_more_than_blocks():
    reader = EventReader(4 << 20)
    for event in reader.feed(b"data: " + b"x" * (2 << 20)):
        pytest.fail(str(event))
    for _ in range(400_000):
        list(reader.feed(b"x"))


def test_an_event_as_large_as_the_limit_passes():
    (event,) = read(b"data: " + b"x" * (1000 - LINE_COST) + b"\n\n")
    assert len(event.data) == 1000 - LINE_COST
