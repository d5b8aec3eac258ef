"""YAML of people, read in one way or refused."""

import pytest

from remit.artifacts.errors import DefinitionError
from remit.artifacts.yamltree import MAX_BYTES, Scalar, dump, is_null, load, plain


def test_scalars_keep_their_text():
    tree = load(b"version: 1.10\nnot: no\nzero: 0123\nquoted: '1'\nnull_: null\nempty:\n", "x")
    assert tree["version"] == "1.10"
    assert tree["not"] == "no"
    assert tree["zero"] == "0123"
    assert is_null(tree["null_"])
    assert is_null(tree["empty"])
    assert not is_null(load(b"a: ''", "x")["a"])


def test_values_of_the_json_schema():
    text = b"[1, -2, 0x10, 1.5, 1e3, .5, true, False, null, ~, no, '1', 0o17, 1.0.0, 2024-01-01]"
    assert plain(load(text, "x")) == [
        1, -2, 16, 1.5, 1000.0, 0.5, True, False, None, None, "no", "1", 15, "1.0.0", "2024-01-01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: &x 1\nb: *x", "anchors"),
        (b"a: &x [1, 2]", "anchors"),
        (b"- &a [1]\n- [*a, *a]", "anchors"),
        (b"a: !!python/object/apply:os.system ['id']", "tags"),
        (b"!!map {a: 1}", "tags"),
        (b"a: !x 1", "tags"),
        (b"a: 1\na: 2", "twice"),
        (b"{a: 1, 'a': 2}", "twice"),
        (b"? [a]\n: 1", "key is not text"),
        (b"? {a: 1}\n: 1", "key is not text"),
        (b"a: {<<: {b: 1}}", "merge"),
        (b"a: 1\n---\nb: 2", "more than one document"),
        (b"[" * 40 + b"]" * 40, "deeply"),
        (b"[" * 100000, r"deeply|depth"),
        (b"{a: " * 100000, r"deeply|depth"),
        (b"a: [", "not YAML"),
        (b"\tx", "not YAML"),
        (b"a: \x00", "not YAML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "larger"),
        (b"a: *unknown", "anchors"),
        (b'a: "\\ud800"', "not YAML"),
    ],
)
def test_what_has_two_meanings_or_none(text, why):
    with pytest.raises(DefinitionError, match=why) as caught:
        plain(load(text, "the file"))
    assert "`the file`" in caught.value.message
    assert "\n" not in caught.value.message


def test_numbers_without_end():
    with pytest.raises(DefinitionError, match="out of range"):
        plain(load(b"a: 1" + b"0" * 399 + b".0", "x"))
    with pytest.raises(DefinitionError, match="out of range"):
        plain(load(b"a: " + b"9" * 500, "x"))
    assert plain(load(b"a: .inf\nb: .nan", "x")) == {"a": ".inf", "b": ".nan"}


def test_nothing():
    assert load(b"", "x") is None
    assert load(b"# only a comment\n", "x") is None
    assert load("\ufeffa: 1".encode(), "x") == {"a": "1"}


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "1.10",
        "null",
        "~",
        "0x1",
        "",
        "a: b",
        "- x",
        "é",
        "*x",
        "&x",
        "!t",
        "1e3",
        "-1.5e-7",
        "0o7",
        "+1",
        ".5",
        "1_000",
        "<<",
    ],
)
def test_what_is_written_is_read_again(value):
    assert plain(load(dump({"a": value, "b": [value]}), "x")) == {"a": value, "b": [value]}


def test_a_scalar_is_a_string():
    assert Scalar.of("x", quoted=True) == "x"
    assert plain(Scalar.of("1", quoted=True)) == "1"
    assert plain(Scalar.of("1", quoted=False)) == 1
