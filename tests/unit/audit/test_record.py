import enum
import hmac

import pytest

from remit.audit import record
from remit.audit.errors import RecordError
from remit.core.canonical import CanonicalError

HEAD = {
    "v": 1,
    "log": "x",
    "seq": 0,
    "time": 1,
    "boot": "b",
    "mono_ns": 1,
    "prev": "",
    "batch": 0,
    "kind": "a.b",
}


def test_leaf_bytes_are_sorted_and_compact():
    leaf = record.leaf_bytes(HEAD, {"zeta": [1, True, None], "alpha": {"b": "ü", "a": 2}})
    assert leaf == (
        b'{"alpha":{"a":2,"b":"\xc3\xbc"},"batch":0,"boot":"b","kind":"a.b","log":"x","mono_ns":1,'
        b'"prev":"","seq":0,"time":1,"v":1,"zeta":[1,true,null]}'
    )


@pytest.mark.parametrize("name", sorted(record.RESERVED))
def test_fields_of_the_log_cannot_be_given(name):
    with pytest.raises(RecordError, match=name):
        record.leaf_bytes(HEAD, {name: 1})


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [1.0, -0.0, 2**53, -(2**53), {"ü": 1}, {1: 1}, b"x", Colour.RED, object(), {1, 2}, "\ud800"],
)
def test_values_that_two_writers_could_write_differently_are_refused(value):
    with pytest.raises(CanonicalError):
        record.leaf_bytes(HEAD, {"value": value})


def test_oversize_is_refused_with_a_clear_error():
    fits = record.MAX_RECORD_BYTES - len(record.leaf_bytes(HEAD, {"t": ""}))
    assert len(record.leaf_bytes(HEAD, {"t": "x" * fits})) == record.MAX_RECORD_BYTES
    with pytest.raises(RecordError) as caught:
        record.leaf_bytes(HEAD, {"t": "x" * (fits + 1)})
    assert caught.value.code == "audit.record_too_large"
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["tool.decision", "x", "a.b_c.d1", "own.kind"])
def test_kinds(kind):
    record.check_kind(kind)


@pytest.mark.parametrize(
    "kind", ["", "A", "a b", "a..b", ".a", "a.", "a\n", "1a", "a.b.c.d.e", "x" * 65, "é"]
)
def test_other_kinds_are_refused(kind):
    with pytest.raises(RecordError):
        record.check_kind(kind)


def test_known_kinds_have_the_form():
    assert all(record._KIND.fullmatch(kind) for kind in record.KINDS)


def test_commitments_are_salted_hmacs():
    expected = hmac.new(b"s" * 16, b"value", "sha256").hexdigest()
    assert record.commitment(b"s" * 16, b"value") == f"hmac-sha256:{expected}"


def test_fields_by_path():
    body = {"action": {"tool": "t"}, "other": 1}
    changed = record.with_field(body, "action.args_c", "c")
    assert changed == {"action": {"tool": "t", "args_c": "c"}, "other": 1}
    assert body == {"action": {"tool": "t"}, "other": 1}
    assert record.with_field({}, "a.b.c", "c") == {"a": {"b": {"c": "c"}}}
    assert record.field(changed, "action.args_c") == "c"
    assert record.field(changed, "action.none") is None
    assert record.field(changed, "other.deep") is None
    for path in ("action.tool", "other.deep", "", "a..b", ".a"):
        with pytest.raises(RecordError):
            record.with_field(body, path, "c")


def test_entries():
    assert record.entry(3, b'{"a":1}').record == {"a": 1}
    for leaf in (b"", b"[]", b"{", b"\xff"):
        with pytest.raises(RecordError):
            record.entry(3, leaf)
