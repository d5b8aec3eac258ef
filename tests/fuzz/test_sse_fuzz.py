"""Server-sent events are the same however the bytes are cut, and never more than the limit."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.errors import GuardError
from remit.guard.http.events import SLACK, EventReader
from remit.guard.http.streams import event_id

LIMIT = 200
PARTS = st.sampled_from(
    [b"data: ", b"data:", b"data", b"id: 1", b"id:", b"\n", b"\r\n", b"\r", b": x", b"event: y",
     b"\xff", b"\0", b"{}", b"x" * 90, b"\xef\xbb\xbf"]
)  # fmt: skip
STREAMS = st.lists(PARTS | st.binary(max_size=5), max_size=40).map(b"".join)


def read(pieces):
    """The events, and whether it was too much."""
    reader, found = EventReader(LIMIT), []
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                found.append(event)
            assert len(reader._held) + reader._size <= LIMIT + SLACK + 64
    except GuardError:
        return found, True
    return found, False


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=20))
def test_cutting_changes_nothing(data, places):
    whole = read([data])
    assert read(cut(data, places)) == whole
    assert read([data[i : i + 1] for i in range(len(data))]) == whole


@given(STREAMS)
def test_events_are_bounded_and_clean(data):
    for event in read([data])[0]:
        assert len(event.data) <= LIMIT + SLACK
        assert event.id.isascii()
        assert event.id.isprintable()


@given(st.text())
def test_any_event_id(text):
    found = event_id(text)
    if found is not None:
        assert 0 <= found[1] < 10**12
        assert text.startswith(found[0] + ":")
