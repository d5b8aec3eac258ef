"""Any line at Guard's socket: a request that says what it says, or a refusal; never a crash."""

import json

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.daemon.protocol import Hello, parse_hello
from remit.guard.errors import GuardError

OPS = ("mcp", "status", "reload", "stop", "questions", "answer")
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=8),
    st.sampled_from(OPS), st.lists(st.just(1), max_size=2),
)  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(["remit", "op", "server", "question", "yes", "Op", "remit ", "command"]),
    st.text(max_size=4),
)
PAIRS = st.lists(st.tuples(KEYS, VALUES), max_size=7)


def said(line):
    """What one JSON reader that is not ours makes of a line that was accepted."""
    pairs = json.loads(line.decode(), object_pairs_hook=list)
    assert len({key.casefold() for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def check(line):
    try:
        hello = parse_hello(line)
    except GuardError:
        return
    expected = {"server": "", "question": "", "yes": False, **said(line)}
    assert expected.pop("remit") == 1
    assert hello == Hello(1, **expected)
    assert hello.op in OPS


@given(st.binary(max_size=200))
def test_bytes(line):
    check(line)


@given(PAIRS)
def test_members_in_any_order_number_and_type(pairs):
    check(("{" + ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs) + "}").encode())


@given(
    st.sampled_from(OPS), st.text(max_size=20), st.text(max_size=20), st.booleans(),
    st.integers(0, 300), st.binary(max_size=3),
)  # fmt: skip
def test_a_request_with_a_piece_exchanged(op, server, question, yes, place, piece):
    value = {"remit": 1, "op": op, "server": server, "question": question, "yes": yes}
    line = json.dumps(value).encode()
    assert parse_hello(line) == Hello(1, op, server, question, yes)
    place %= len(line)
    check(line[:place] + piece + line[place + len(piece) :])
    check(line[:place])
