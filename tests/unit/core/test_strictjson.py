"""Strict JSON: one meaning or none."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.strictjson import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    Number,
    StrictJsonError,
    dumps,
    parse,
)

REFUSED = [
    ("two values", b"{} {}", "json.syntax"),
    ("trailing bytes", b"{}x", "json.syntax"),
    ("trailing NUL", b"{}\x00", "json.syntax"),
    ("nothing", b"", "json.syntax"),
    ("only space", b" \r\n\t", "json.syntax"),
    ("byte order mark", b"\xef\xbb\xbf{}", "json.encoding"),
    ("byte order mark inside", b"{\xef\xbb\xbf}", "json.syntax"),
    ("UTF-16", '{"a":1}'.encode("utf-16"), "json.encoding"),
    ("UTF-16 without mark", '{"a":1}'.encode("utf-16-le"), "json.syntax"),
    ("UTF-32", '{"a":1}'.encode("utf-32-le"), "json.syntax"),
    ("invalid UTF-8", b'{"a":"\xff"}', "json.encoding"),
    ("overlong UTF-8", b'{"a":"\xc0\xaf"}', "json.encoding"),
    ("surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}', "json.encoding"),
    ("duplicate key", b'{"a":1,"a":2}', "json.duplicate_key"),
    ("duplicate key, same value", b'{"a":1,"a":1}', "json.duplicate_key"),
    ("duplicate by escape", b'{"a":1,"\\u0061":2}', "json.duplicate_key"),
    ("duplicate deep down", b'{"x":[{"y":{"a":1,"a":2}}]}', "json.duplicate_key"),
    ("case variant", b'{"name":1,"Name":2}', "json.case_variant"),
    ("case variant deep down", b'[[{"x":{"name":1,"NAME":2}}]]', "json.case_variant"),
    ("full-width variant", '{"name":1,"ｎame":2}'.encode(), "json.case_variant"),
    ("long s", '{"s":1,"ſ":2}'.encode(), "json.case_variant"),
    ("kelvin sign", '{"k":1,"\u212a":2}'.encode(), "json.case_variant"),
    ("sharp s", '{"ss":1,"ß":2}'.encode(), "json.case_variant"),
    ("zero width", '{"name":1,"na\u200bme":2}'.encode(), "json.case_variant"),
    ("escaped zero width", b'{"name":1,"na\\u200bme":2}', "json.case_variant"),
    ("trailing space", b'{"name":1,"name ":2}', "json.case_variant"),
    ("long case variant", b'{"%s":1,"%s":2}' % (b"a" * 90, b"A" * 90), "json.case_variant"),
    ("NaN", b'{"a":NaN}', "json.number"),
    ("Infinity", b"[Infinity]", "json.number"),
    ("-Infinity", b"[-Infinity]", "json.number"),
    ("overflow", b"[1e400]", "json.number"),
    ("negative overflow", b"[-1E400]", "json.number"),
    ("overflow without exponent", b"[" + b"9" * 320 + b".5]", "json.number"),
    ("too many digits", b"9" * (MAX_INTEGER_DIGITS + 1), "json.number"),
    ("far too many digits", b"[-" + b"9" * 5000 + b"]", "json.number"),
    ("leading zero", b"[01]", "json.syntax"),
    ("plus", b"[+1]", "json.syntax"),
    ("bare fraction", b"[.5]", "json.syntax"),
    ("bare point", b"[1.]", "json.syntax"),
    ("hex", b"[0x10]", "json.syntax"),
    ("Arabic digit", "[١]".encode(), "json.syntax"),
    ("single quotes", b"{'a':1}", "json.syntax"),
    ("unquoted key", b"{a:1}", "json.syntax"),
    ("comment", b"{}//", "json.syntax"),
    ("trailing comma", b"[1,]", "json.syntax"),
    ("trailing comma in object", b'{"a":1,}', "json.syntax"),
    ("control character", b'["\x01"]', "json.syntax"),
    ("raw tab in a string", b'["\t"]', "json.syntax"),
    ("raw CR in a string", b'["\r"]', "json.syntax"),
    ("unknown escape", b'["\\x41"]', "json.syntax"),
    ("half an escape", b'["\\u12"]', "json.syntax"),
    ("escape with sign", b'["\\u+123"]', "json.syntax"),
    ("no-break space", "\u00a0{}".encode(), "json.syntax"),
    ("vertical tab", b"\x0b{}", "json.syntax"),
    ("lone surrogate", b'["\\ud800"]', "json.surrogate"),
    ("lone low surrogate", b'["\\uDC00"]', "json.surrogate"),
    ("swapped pair", b'["\\udc00\\ud800"]', "json.surrogate"),
    ("lone surrogate as key", b'{"\\ud800":1}', "json.surrogate"),
    ("lone surrogate deep down", b'[[[{"a":{"b":"\\uD83D"}}]]]', "json.surrogate"),
    ("half after a pair", b'["\\ud83d\\ude00\\ud83d"]', "json.surrogate"),
    ("lone surrogate before text", b'["\\ud83dx"]', "json.surrogate"),
]


@pytest.mark.parametrize(("data", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refuses(data, code):
    with pytest.raises(StrictJsonError) as error:
        parse(data)
    assert error.value.code == code
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b" {\r\n\t} ", {}),
        (b'{"a":[1,-2,null,true,false,"x"]}', {"a": [1, -2, None, True, False, "x"]}),
        (b'["\\ud83d\\ude00"]', ["😀"]),
        ('["😀\u2028"]'.encode(), ["😀\u2028"]),
        (b'["\\u0000"]', ["\x00"]),
        (b'["\\\\ud800"]', ["\\ud800"]),
        (b"-0", 0),
        (b"9" * MAX_INTEGER_DIGITS, int("9" * MAX_INTEGER_DIGITS)),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'{"a":1,"b":{"a":1}}', {"a": 1, "b": {"a": 1}}),
        (b'"x"', "x"),
    ],
)
def test_accepts(data, value):
    found = parse(data)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 999, 5000, 200_000])
def test_depth_is_limited(opening, depth):
    closing = b"]" if opening == b"[" else b"}"
    data = opening * depth + b"1" + closing * depth
    with pytest.raises(StrictJsonError) as error:
        parse(data)
    assert error.value.code == "json.depth"


def test_depth_at_the_limit_passes_and_brackets_in_text_do_not_count():
    parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    parse(b'["' + b"[" * 5000 + b'"]')
    parse(b"[" + b",".join([b"[]"] * 5000) + b"]")
    with pytest.raises(StrictJsonError):
        parse(b"[[[[]]]]", max_depth=2)


def test_size_is_limited_before_anything_is_read():
    parse(b'"' + b"x" * 8 + b'"', max_bytes=10)
    with pytest.raises(StrictJsonError) as error:
        parse(b"\xff" * 11, max_bytes=10)
    assert error.value.code == "json.size"


def test_without_folding_case_variants_pass_and_duplicates_do_not():
    assert parse(b'{"the":1,"The":2}', fold_keys=False) == {"the": 1, "The": 2}
    with pytest.raises(StrictJsonError):
        parse(b'{"the":1,"the":2}', fold_keys=False)
    with pytest.raises(StrictJsonError):
        parse(b'["\\ud800"]', fold_keys=False)


@pytest.mark.parametrize(
    "token", ["1.0", "1.50", "1e2", "-0.0", "0.1E-3", "1.7976931348623157e308"]
)
def test_number_keeps_its_token(token):
    (number,) = parse(f"[{token}]".encode())
    assert type(number) is Number
    assert number.token == token
    assert number == float(token)
    assert json.loads(dumps([number])) == [float(token)]


def test_a_tiny_number_is_zero_and_says_what_it_was():
    (number,) = parse(b"[1e-400]")
    assert number == 0.0
    assert number.token == "1e-400"


def test_a_long_number_costs_little():
    (number,) = parse(b"[1." + b"1" * 1_000_000 + b"]")
    assert math.isclose(number, 10 / 9)


def test_dumps_is_one_line_and_keeps_order():
    value = parse(b'{"b":1,\r\n"a":"\\n\\r\\u2028"}')
    data = dumps(value)
    assert data == '{"b":1,"a":"\\n\\r\u2028"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], "\ud800", {"\ud800": 1}])
def test_dumps_refuses_what_has_no_form(value):
    if isinstance(value, str | dict):
        with pytest.raises(UnicodeEncodeError):
            dumps(value)
    else:
        # orjson writes null for them; the parser never lets them in.
        assert b"null" in dumps(value)


def test_dumps_refuses_other_types():
    with pytest.raises(TypeError):
        dumps({"a": object()})


def test_dumps_writes_big_integers_next_to_numbers():
    value = parse(b'{"a":123456789012345678901234567890,"b":1.5}')
    assert dumps(value) == b'{"a":123456789012345678901234567890,"b":1.5}'


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcd", max_size=3), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_the_stdlib_writes_comes_back_equal(value):
    assert parse(json.dumps(value).encode()) == value
    assert json.loads(dumps(parse(json.dumps(value).encode()))) == value


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_the_error(data):
    try:
        value = parse(data)
    except StrictJsonError:
        return
    assert parse(dumps(value)) == value
