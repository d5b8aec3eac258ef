"""Canonical bytes, against an independent writer (the standard library)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.canonical import MAX_SAFE_INTEGER, CanonicalError, canonical_bytes, digest_bytes
from remit.core.strictjson import parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OURS = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


def rfc8785(value):
    """RFC 8785 for our subset: ASCII keys sorted, no white space, minimal escapes, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(OURS)
def test_equals_rfc_8785_on_our_subset(value):
    assert canonical_bytes(value) == rfc8785(value)
    assert canonical_bytes(json.loads(canonical_bytes(value))) == canonical_bytes(value)


def test_the_escapes_of_rfc_8785():
    text = '€$\u000f\nA\'B"\\\\"/\u007f\u2028'
    assert canonical_bytes(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u007f\u2028"'.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        {"a": 1.0},
        [float("nan")],
        MAX_SAFE_INTEGER + 1,
        [-MAX_SAFE_INTEGER - 1],
        {"é": 1},
        {1: "a"},
        {None: 1},
        b"bytes",
        {"a": {1, 2}},
        object(),
        "\ud800",
        {"a": "\udfff"},
        {"a": [{"b": 1e3}]},
    ],
)
def test_refuses_what_two_writers_could_write_differently(value):
    with pytest.raises(CanonicalError) as error:
        canonical_bytes(value)
    assert error.value.code == "core.not_canonical"


def test_refuses_deep_nesting():
    value = []
    for _ in range(80):
        value = [value]
    with pytest.raises(CanonicalError):
        canonical_bytes(value)


def test_subclasses_do_not_slip_through():
    class Text(str):
        __slots__ = ()

    with pytest.raises(CanonicalError):
        canonical_bytes({"a": Text("x")})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"a":1,"b":2}', b'{ "b":2, "a":1 }', True),
        (b"[1.0]", b"[1.00]", True),
        (b"[1e2]", b"[100.0]", True),
        (b"[1]", b"[1.0]", False),
        (b"[1]", b"[true]", False),
        (b'["1"]', b"[1]", False),
        (b"[0]", b"[false]", False),
        (b"[null]", b"[]", False),
        (b'{"a":{}}', b'{"a":[]}', False),
        (b'["\xc3\xa9"]', b'["e\xcc\x81"]', False),
        (b"[123456789012345678901234567890]", b"[123456789012345678901234567891]", False),
    ],
)
def test_digest_bytes_tell_values_apart(one, other, same):
    assert (digest_bytes(parse(one)) == digest_bytes(parse(other))) is same


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), b"x", ["\ud800", 10**30], float("nan"), [float("inf")]]
)
def test_digest_bytes_refuse_what_is_not_json(value):
    with pytest.raises(CanonicalError):
        digest_bytes(value)
