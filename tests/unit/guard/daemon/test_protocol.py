"""One line asks, one answers: nothing else is a request."""

import json

import pytest

from remit.core.errors import RemitError
from remit.guard.daemon.protocol import MAX_HELLO, Hello, ended, granted, parse_hello, refused
from remit.guard.errors import GuardError


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"remit":1,"op":"status"}', Hello(1, "status")),
        (b' {"op" : "mcp", "server":"git", "remit":1} ', Hello(1, "mcp", "git")),
        (b'{"remit":1,"op":"answer","question":"ab","yes":true}', Hello(1, "answer", "", "ab", True)),
        (b'{"remit":1,"op":"mcp","server":"\\u00e9"}', Hello(1, "mcp", "\u00e9")),
    ],
)  # fmt: skip
def test_a_request(line, found):
    assert parse_hello(line) == found


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"{}", b"[]", b"null", b'"status"', b"1", b"{", b"GET / HTTP/1.1",
        b'{"op":"status"}', b'{"remit":1}',
        b'{"remit":2,"op":"status"}', b'{"remit":"1","op":"status"}',
        b'{"remit":1.0,"op":"status"}', b'{"remit":true,"op":"status"}',
        b'{"remit":1,"op":"delete"}', b'{"remit":1,"op":"Status"}', b'{"remit":1,"op":null}',
        b'{"remit":1,"op":["status"]}',
        b'{"remit":1,"op":"status","remit":1}', b'{"remit":1,"op":"status","op":"stop"}',
        b'{"remit":1,"op":"status","Op":"stop"}', b'{"remit":1,"op":"status","command":["sh"]}',
        b'{"remit":1,"op":"mcp","server":1}', b'{"remit":1,"op":"mcp","server":null}',
        b'{"remit":1,"op":"mcp","server":["git"]}',
        b'{"remit":1,"op":"answer","question":"a","yes":1}',
        b'{"remit":1,"op":"answer","question":"a","yes":"true"}',
        b'{"remit":1,"op":"answer","question":7,"yes":true}',
        b'{"remit":1,"op":"status"}{"remit":1,"op":"stop"}', b'{"remit":1,"op":"status"} x',
        b'{"remit":1,"op":"status"}\n{"remit":1,"op":"stop"}',
        b'\xef\xbb\xbf{"remit":1,"op":"status"}', b'{"remit":1,"op":"mcp","server":"\xff"}',
        b'{"remit":1,"op":"mcp","server":"\\ud800"}', b'{"remit":NaN,"op":"status"}',
        b'{"remit":1,"op":"mcp","server":"' + b"x" * MAX_HELLO + b'"}', b"[" * 4000,
    ],
)  # fmt: skip
def test_everything_else_is_refused(line):
    with pytest.raises(GuardError) as error:
        parse_hello(line)
    assert error.value.code == "guard.bad_hello"


def test_answers_are_one_line():
    error = RemitError("a\nb", hint="c\n", code="x.y")
    for line in (granted(session="\n", more=[1]), refused(error), ended(1, "a\nb"), ended(0)):
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
    assert json.loads(granted(a=1)) == {"ok": True, "a": 1}
    assert json.loads(refused(error)) == {
        "ok": False, "code": "x.y", "error": "a\nb", "hint": "c\n",
    }  # fmt: skip
    assert json.loads(ended(0)) == {"end": {"status": 0, "reason": ""}}


def test_what_the_shim_looks_for_is_there_and_cannot_be_forged():
    """The shim parses no JSON before it must: a text of others never holds what it looks for."""
    forged = '"ok":true "status":0'
    assert b'"ok":true' in granted(session="01")
    assert b'"ok":true' not in refused(RemitError(forged, hint=forged, code=forged))
    assert b'"status":0' in ended(0, "")
    assert b'"status":0' not in ended(1, forged)
