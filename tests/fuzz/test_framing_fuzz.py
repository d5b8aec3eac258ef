"""Lines out of any stream, in any pieces, with bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.mcp.framing import SAMPLE_BYTES, Line, LineBuffer, Overlong

LIMIT = 600
PIECE = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"{}", b"\n\n", b"x" * 700, b"y" * 599]),
)


@given(st.lists(PIECE, max_size=40))
def test_every_line_is_there_once_and_whole(pieces):
    buffer, found = LineBuffer(LIMIT), []
    for piece in pieces:
        found += buffer.feed(piece)
        assert len(buffer._held) <= LIMIT + SAMPLE_BYTES
    last = buffer.close()
    found += [last] if last is not None else []
    expected = [line for line in b"".join(pieces).split(b"\n") if len(line) > LIMIT or line.strip()]
    assert len(found) == len(expected)
    for line, data in zip(found, expected, strict=True):
        if len(data) <= LIMIT:
            assert line == Line(data)
        else:
            assert isinstance(line, Overlong)
            assert line.size == len(data)
            assert data.startswith(line.head)
            assert data.endswith(line.tail)
            assert 0 < len(line.head) <= SAMPLE_BYTES
            assert len(line.tail) <= SAMPLE_BYTES
