"""Messages: what is accepted has one meaning, and what is sent on means the same to anybody."""

import json

from hypothesis import given
from hypothesis import strategies as st

from remit.guard.mcp.messages import Refused, Request, Response, encode, parse_message, sample_id

SCALAR = st.sampled_from(
    [None, True, 0, 1, -1, 1.0, 1.5, 10**30, "", "a", "2.0", "tools/call", [], {}, [1], {"a": 1}]
)
MEMBER = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "result", "error", "Method", "ID", "x", "id\u200b"]
)
OBJECTS = st.dictionaries(MEMBER, SCALAR | st.dictionaries(st.text(max_size=3), SCALAR), max_size=6)


def look(data):
    refused = None
    try:
        message = parse_message(data, fold_keys=True, max_bytes=1 << 20)
    except Refused as error:
        refused = error
    if refused is not None:
        assert refused.id is None or type(refused.id) in (int, str)
        assert -32768 <= refused.rpc_code <= -31000
        return
    raw = json.loads(data)
    assert raw["jsonrpc"] == "2.0"
    if isinstance(message, Request):
        assert (message.id, message.method) == (raw["id"], raw["method"])
        assert type(message.id) is type(raw["id"])
    if isinstance(message, Response):
        assert "method" not in raw
    sent = encode(message)
    assert sent.count(b"\n") == 1
    assert b"\r" not in sent
    again = json.loads(sent)
    assert {k: v for k, v in raw.items() if (k, v) != ("params", {})} == again
    assert parse_message(sent[:-1], fold_keys=True, max_bytes=1 << 20) == message


@given(OBJECTS)
def test_objects(value):
    look(json.dumps({"jsonrpc": "2.0", **value}).encode())
    look(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_bytes(data):
    look(data)


@given(OBJECTS, st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_messages_with_a_wound(value, at, wound):
    data = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "m", **value}).encode()
    look(data[:at] + wound + data[at + 1 :])


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_sampled_id_is_an_id(head, tail):
    number = sample_id(head, tail)
    assert number is None or type(number) in (int, str)
