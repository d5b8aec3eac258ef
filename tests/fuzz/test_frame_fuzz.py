"""Segments, side entries and records: whatever the bytes are, reading ends, and ends cleanly."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from remit.audit import record, segment, side
from remit.audit.errors import Corrupt, RecordError
from remit.core.canonical import CanonicalError

LEAVES = [b'{"seq":%d}' % number for number in range(6)]
DATA = b"".join(map(segment.frame, LEAVES))

damaged = st.lists(
    st.tuples(st.integers(0, len(DATA)), st.integers(0, 30), st.binary(max_size=30)), max_size=3
)


def damage(edits):
    data = DATA
    for at, cut, new in edits:
        data = data[:at] + new + data[at + cut :]
    return data


@given(damaged)
def test_only_whole_frames_are_read(edits):
    data = damage(edits)
    end = 0
    for end, leaf in segment.entries(data):
        assert segment.frame(leaf) == data[end - 8 - len(leaf) : end]
    assert segment.entry_at(data, end) is None
    found = segment.next_valid(data, end)
    assert found == -1 or (found > end and segment.entry_at(data, found) is not None)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    list(segment.entries(data))
    segment.next_valid(data, 0)
    segment.lost_sector(data, 0, len(data))
    with contextlib.suppress(Corrupt):
        side.parse(data)
    with contextlib.suppress(RecordError):
        record.entry(0, data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_a_record_is_canonical_or_refused(body):
    head = {"v": 1, "log": "x", "seq": 0}
    try:
        leaf = record.leaf_bytes(head, body)
    except (RecordError, CanonicalError):
        return
    import orjson

    parsed = record.entry(0, leaf).record
    assert parsed == {**body, **head}
    assert orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS) == leaf
