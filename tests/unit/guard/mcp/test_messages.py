"""JSON-RPC as MCP narrows it."""

import json

import pytest

from remit.guard.mcp.messages import (
    Notification,
    Refused,
    Request,
    Response,
    encode,
    failure,
    parse_message,
    sample_id,
    top_level_ids,
)


def read(line, **more):
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    return parse_message(data, **{"fold_keys": True, "max_bytes": 10_000, **more})


def rpc(**members):
    return {"jsonrpc": "2.0", **members}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rpc(id=1, method="m"), Request(id=1, method="m", params={})),
        (rpc(id="a", method="m", params={"x": 1}), Request(id="a", method="m", params={"x": 1})),
        (rpc(id=0, method="m"), Request(id=0, method="m", params={})),
        (rpc(id=-5, method=""), Request(id=-5, method="", params={})),
        (rpc(id="", method="m"), Request(id="", method="m", params={})),
        (rpc(method="n"), Notification(method="n", params={})),
        (rpc(id=1, result={}), Response(id=1, result={})),
        (
            rpc(id=None, error={"code": 1, "message": "x"}),
            Response(id=None, error={"code": 1, "message": "x"}),
        ),
        (
            rpc(id="a", error={"code": 1, "message": "x", "data": [1]}),
            Response(id="a", error={"code": 1, "message": "x", "data": [1]}),
        ),
    ],
)
def test_reads(frame, message):
    assert read(frame) == message


@pytest.mark.parametrize(
    ("frame", "number", "rpc_code"),
    [
        ([], None, -32600),
        ([rpc(id=1, method="m")], None, -32600),
        ("text", None, -32600),
        (5, None, -32600),
        (None, None, -32600),
        ({}, None, -32600),
        (rpc(), None, -32600),
        (rpc(id=1), 1, -32600),
        ({"id": 1, "method": "m"}, 1, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "m"}, 1, -32600),
        ({"jsonrpc": 2.0, "id": 1, "method": "m"}, 1, -32600),
        (rpc(id=None, method="m"), None, -32600),
        (rpc(id=True, method="m"), None, -32600),
        (rpc(id=1.0, method="m"), None, -32600),
        (rpc(id=[1], method="m"), None, -32600),
        (rpc(id={}, method="m"), None, -32600),
        (rpc(id="x" * 5000, method="m"), None, -32600),
        (rpc(id=1, method=None), 1, -32600),
        (rpc(id=1, method=["m"]), 1, -32600),
        (rpc(id=1, method="m", params=[]), 1, -32602),
        (rpc(id=1, method="m", params=None), 1, -32602),
        (rpc(id=1, method="m", params="x"), 1, -32602),
        (rpc(id=1, method="m", result={}), 1, -32600),
        (rpc(id=1, method="m", error={"code": 1, "message": "x"}), 1, -32600),
        (rpc(id=None, method="m", error={"code": 1, "message": "x"}), None, -32600),
        (rpc(id=1, result={}, error={"code": 1, "message": ""}), 1, -32600),
        (rpc(id=1, result={}, params={}), 1, -32600),
        (rpc(id=1, result=None), 1, -32600),
        (rpc(id=1, result=[]), 1, -32600),
        (rpc(id=1, result="x"), 1, -32600),
        (rpc(id=1, error="x"), 1, -32600),
        (rpc(id=1, error={}), 1, -32600),
        (rpc(id=1, error={"code": 1.5, "message": "x"}), 1, -32600),
        (rpc(id=1, error={"code": True, "message": "x"}), 1, -32600),
        (rpc(id=1, error={"code": 1, "message": 5}), 1, -32600),
        (rpc(result={}), None, -32600),
        (rpc(id=1, Method="m"), 1, -32600),
        (rpc(id=1, method="m", extra=1), 1, -32600),
        (rpc(id=1, method="m", Params={}), 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","method":"n"}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":{"b":1,"B":2}}}', 1, -32600),
        (b'{"jsonrpc":"2.0","id":"q","method":"m","params":{"a":NaN}}', "q", -32600),
        (b'{"jsonrpc":"2.0","id":1E400,"method":"m"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 500 + b',"method":"m"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"m"', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', None, -32700),
        (b"\xef\xbb\xbf{}", None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"m"} x', None, -32700),
    ],
)
def test_refuses(frame, number, rpc_code):
    with pytest.raises(Refused) as refused:
        read(frame)
    assert refused.value.rpc_code == rpc_code
    assert refused.value.id == number
    assert type(refused.value.id) is type(number)


def test_too_large_and_too_deep_are_answered_by_id():
    line = b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"' + b"x" * 20_000 + b'"}}'
    with pytest.raises(Refused) as refused:
        read(line)
    assert refused.value.id == 7
    assert refused.value.code == "json.size"
    deep = b'{"jsonrpc":"2.0","id":7,"method":"m","params":' + b'{"a":' * 99 + b"1" + b"}" * 100
    with pytest.raises(Refused) as refused:
        read(deep)
    assert refused.value.code == "json.depth"


def test_results_may_hold_keys_that_differ_by_case():
    line = rpc(id=1, result={"the": 1, "The": 2})
    assert read(line, fold_keys=False).result == {"the": 1, "The": 2}
    with pytest.raises(Refused):
        read(rpc(id=1, Result={}), fold_keys=False)


@pytest.mark.parametrize(
    ("head", "tail", "number"),
    [
        (b'{"id":5,"x"', b"}", 5),
        (b'{"id" : "a-b" ,', b"", "a-b"),
        (b'{"result":"', b'","id":5}', 5),
        (b'{"id":5,', b'"id":5}', 5),
        (b'{"id":5,', b'"id":6}', None),
        (b'{"id":5,"params":{"id":"x"}', b"", None),
        (b'{"id":5', b"", None),
        (b'{"id":1E4,', b"", None),
        (b'{"id":1.5,', b"", None),
        (b'{"id":1234567890123456,', b"", None),
        (b'{"id":"a\\"b",', b"", None),
        (b'{"id":null,', b"", None),
        (b'{"xid":5,', b"", None),
        (b"", b"", None),
    ],
)
def test_sample_id(head, tail, number):
    assert sample_id(head, tail) == number


@pytest.mark.parametrize(
    "message",
    [
        Request(id=1, method="m", params={"a": "\r\n\u2028"}),
        Request(id="x", method="m", params={}),
        Notification(method="n", params={"a": [1, 2.5, None]}),
        Response(id=1, result={}),
        Response(id=None, error={"code": 1, "message": "m"}),
        failure(3, -31001, "denied", {"policies": ["p"]}),
        Response(id=1, result={"n": 10**30}),
    ],
)
def test_what_is_written_reads_back_and_is_one_line(message):
    data = encode(message)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert b"\r" not in data
    assert parse_message(data[:-1], fold_keys=True, max_bytes=10_000) == message


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (b'{"id":1,"result":{"id":9}}', [1]),
        (b'{"id":1,"id":"2"}', [1, "2"]),
        (b'{"id":"\\ud800","id":null,"id":1.5,"id":true}', []),
        (b'[{"id":1}]', []),
        (b'{"id":1', None),
        (b"[" * 100_000, None),
        (b'{"id":' + b"9" * 5000 + b"}", None),
        (b'{"id":99999999999999999999}', []),
    ],
)
def test_the_ids_a_broken_line_gives_itself(line, ids):
    assert top_level_ids(line) == ids
