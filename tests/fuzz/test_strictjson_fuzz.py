"""Strict JSON against the standard library: never more than it accepts, never another meaning."""

import json

from hypothesis import given
from hypothesis import strategies as st

from remit.core.canonical import digest_bytes
from remit.core.strictjson import StrictJsonError, dumps, parse

TOKENS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"a"', '"A"', '"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', "1",
     "-0", "1.50", "1e5", "1e400", "NaN", "Infinity", "true", "null", " ", "\r", "\t", "\ufeff",
     "\x0b", "\u00a0", '"\u202e"', "9" * 401, '"ſ"', '"s"', '"k"', '"\u212a"']
)  # fmt: skip


def look(data):
    try:
        value = parse(data)
    except StrictJsonError:
        return
    expected = json.loads(data.decode("utf-8"))
    assert value == expected
    again = dumps(value)
    assert b"\n" not in again
    assert b"\r" not in again
    assert json.loads(again) == expected
    assert parse(again) == value
    assert digest_bytes(parse(again)) == digest_bytes(value)


@given(st.lists(TOKENS, max_size=25).map("".join))
def test_tokens(text):
    look(text.encode())


@given(st.binary(max_size=200))
def test_bytes(data):
    look(data)


@given(
    st.recursive(
        TOKENS,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda v: "[" + ",".join(v) + "]")
            | st.lists(st.tuples(st.sampled_from(['"a"', '"A"', '"b"', '"\\u0062"']), inner), max_size=3)
            .map(lambda v: "{" + ",".join(f"{k}:{x}" for k, x in v) + "}")
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_structures(text):
    look(text.encode())
