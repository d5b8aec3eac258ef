"""Cutting a stream into lines, whatever the pieces."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.guard.mcp.framing import SAMPLE_BYTES, Line, LineBuffer, Overlong


def feed(pieces, limit=1000):
    buffer = LineBuffer(limit)
    found = [line for piece in pieces for line in buffer.feed(piece)]
    last = buffer.close()
    return [*found, last] if last is not None else found


STREAM = b'{"a":1}\n\n  \r\n{"b":\r2}\r\n{"c":3}'
LINES = [Line(b'{"a":1}'), Line(b'{"b":\r2}\r'), Line(b'{"c":3}')]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_split_at_every_byte(at):
    assert feed([STREAM[:at], STREAM[at:]]) == LINES


def test_byte_by_byte_and_in_one_piece():
    assert feed([bytes([b]) for b in STREAM]) == LINES
    assert feed([STREAM]) == LINES


def test_a_carriage_return_ends_nothing():
    assert feed([b'{"a":\r{"b":1}\r}\n']) == [Line(b'{"a":\r{"b":1}\r}')]
    assert feed([b"a\x0bb\x0cc\x85d\xe2\x80\xa8e\x1ef\n"]) == [
        Line(b"a\x0bb\x0cc\x85d\xe2\x80\xa8e\x1ef")
    ]


def test_nothing_left_is_nothing():
    assert feed([]) == []
    assert feed([b"\n\n \t\r\n"]) == []
    assert LineBuffer(10).close() is None


@pytest.mark.parametrize("step", [1, 3, 10, 7000])
def test_a_line_at_the_limit_passes_and_one_byte_more_does_not(step):
    for size, fits in ((1000, True), (1001, False), (5000, False)):
        data = bytes(range(65, 91)) * 200
        data = data[:size] + b"\nnext\n"
        found = feed([data[at : at + step] for at in range(0, len(data), step)])
        assert found[1] == Line(b"next")
        if fits:
            assert found[0] == Line(data[:size])
        else:
            assert found[0].size == size
            assert data.startswith(found[0].head)
            assert len(found[0].head) <= SAMPLE_BYTES
            assert data[:size].endswith(found[0].tail)


def test_overlong_at_the_end_of_the_stream():
    (found,) = feed([b"x" * 1000, b"y" * 1000, b"end"])
    assert isinstance(found, Overlong)
    assert found.size == 2003
    assert found.tail.endswith(b"end")


@given(
    st.binary(max_size=60).map(lambda b: b * 40),
    st.lists(st.integers(0, 2400)),
    st.integers(SAMPLE_BYTES, 700),
)
def test_any_split_gives_the_same_lines(data, cuts, limit):
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    whole, split = feed([data], limit), feed(pieces, limit)
    assert [type(line) for line in whole] == [type(line) for line in split]
    for one, other in zip(whole, split, strict=True):
        if isinstance(one, Line):
            assert one == other
            assert b"\n" not in one.data
            assert len(one.data) <= limit
        else:
            assert one.size == other.size


@pytest.mark.parametrize("step", [2, 1 << 12])
def test_memory_is_bounded_whatever_comes(step):
    limit = 64 * 1024
    buffer = LineBuffer(limit)
    tracemalloc.start()
    try:
        for number in range(8 * limit // step if step > 2 else limit):
            piece = number.to_bytes(8, "big").replace(b"\n", b"x")[-2:] * (step // 2)
            assert not list(buffer.feed(piece))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * limit
