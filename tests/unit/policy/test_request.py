from decimal import Decimal

import pytest

from remit.core.strictjson import Number
from remit.policy.errors import BadArgument
from remit.policy.request import build, check, convert, declared, exact, time_text
from remit.policy.shapes import Choice, Opaque, Record, Scalar, SetOf

LONG, TEXT, DECIMAL, TIME, IP = (
    Scalar(kind) for kind in ("Long", "String", "decimal", "datetime", "ipaddr")
)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("1.5", "1.5000"),
        ("-0.0001", "-0.0001"),
        ("-0.0", "0.0000"),
        ("1e3", "1000.0000"),
        ("12345e-4", "1.2345"),
        ("1.50000000000000000000", "1.5000"),
        ("0e-300", "0.0000"),
        ("922337203685477.5807", "922337203685477.5807"),
        ("-922337203685477.5808", "-922337203685477.5808"),
    ],
)
def test_decimals_keep_every_digit(token, text):
    assert convert(DECIMAL, Number(token), "a") == text
    assert convert(DECIMAL, Decimal(token), "a") == text


@pytest.mark.parametrize(
    "value",
    [
        *map(
            Number, ("0e300", "0.00001", "1e-5", "1e-300", "922337203685477.5808", "1e16", "1e300")
        ),
        2**63,
        10**400,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1e-999999"),
        Decimal("1e999999"),
        1.5,
        True,
        "1",
        None,
    ],
)
def test_decimals_without_exact_value(value):
    with pytest.raises(BadArgument):
        convert(DECIMAL, value, "a")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00.5+02:30", "2025-12-31T21:30:00.500Z"),
        ("2026-01-01T00:00:00.123000Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01", "2026-01-01"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000Z"),
    ],
)
def test_times_become_utc(text, utc):
    assert convert(TIME, text, "a") == utc


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T24:00:00Z",
        "2026-02-30",
        "2026-01-01T00:00:00.1234Z",
        "2026-01-01T00:00:00+1:00",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-01-01",
        "",
    ],
)
def test_times_without_exact_value(text):
    with pytest.raises(BadArgument):
        convert(TIME, text, "a")


def test_addresses():
    assert convert(IP, "192.0.2.1", "a") == "192.0.2.1"
    assert convert(IP, "2001:DB8::1", "a") == "2001:db8::1"
    for text in ("192.0.2.01", "fe80::1%eth0", "localhost", "192.0.2.0/24", "3221225985"):
        with pytest.raises(BadArgument):
            convert(IP, text, "a")


def test_a_value_that_fits_several_alternatives_fills_all_of_them():
    choice = Choice((TIME, TEXT, LONG))
    assert convert(choice, "2026-01-01", "a") == {
        "typeChoice0": "2026-01-01",
        "typeChoice1": "2026-01-01",
    }
    assert convert(choice, 1, "a") == {"typeChoice2": 1}
    with pytest.raises(BadArgument):
        convert(choice, True, "a")


def test_opaque_values_are_only_there():
    assert (
        convert(SetOf(Opaque()), [{"a": 1}, 2], "a") == [{"type": "Remit::Unknown", "id": ""}] * 2
    )


def test_paths_name_the_argument():
    shape = Record({"a": SetOf(Record({"b": LONG}))}, frozenset())
    with pytest.raises(BadArgument) as error:
        build(shape, shape, {"a": [{"b": "secret"}]})
    assert error.value.argument == "a[].b"
    assert "secret" not in str(error.value)


def test_what_nobody_reads_is_not_converted_but_still_must_be_declared():
    shape = Record({"a": LONG, "b": Record({"c": TEXT}), "d": Choice((LONG, Record({"e": TEXT})))})
    nothing = Record({})
    assert build(shape, nothing, {"a": 2**70, "b": {"c": 1}, "d": {"e": 1}}) == {}
    for bad in ({"x": 1}, {"b": {"x": 1}}):
        with pytest.raises(BadArgument):
            build(shape, nothing, bad)
    declared(Choice((LONG, Record({"e": TEXT}))), 5, "d")
    with pytest.raises(BadArgument):
        declared(SetOf(Record({"e": TEXT})), [{"e": 1}, {"f": 1}], "d")


def test_limits_are_of_everything():
    assert check({"a": [1, {"b": None}]}) is False
    assert check({"a": [Number("1.5")]}) is True
    for bad in ({"a": "x" * 5_000_000}, {"a": {"k" * 5_000_000: 1}}, {"a": [[]] * 20_001}):
        with pytest.raises(BadArgument):
            check(bad)


def test_exact_copies():
    assert exact({"a": [Number("0.1"), 1, "x", None]}) == {"a": [Decimal("0.1"), 1, "x", None]}


def test_now_is_rounded_down():
    assert time_text(1_767_225_600_123_999) == "2026-01-01T00:00:00.123Z"
    assert time_text(-1) == "1969-12-31T23:59:59.999Z"
