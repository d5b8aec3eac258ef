"""Comparing names and showing text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.text import fold_name, printable


@pytest.mark.parametrize(
    "name",
    ["echo", "ECHO", " echo ", "e\u200bcho", "ｅｃｈｏ", "ec\u202eho", "\ufeffecho", "e\u00adcho"],
)
def test_looks_of_echo_fold_alike(name):
    assert fold_name(name) == "echo"


@pytest.mark.parametrize(
    ("one", "other"),
    [("ß", "SS"), ("ſ", "S"), ("\u212a", "k"), ("ﬁle", "FILE"), ("İ", "i\u0307"), ("é", "E\u0301")],
)
def test_foldings_beyond_ascii(one, other):
    assert fold_name(one) == fold_name(other)


def test_different_names_stay_different():
    assert len({fold_name(n) for n in ("read", "read_", "read-", "reed", "r ead")}) == 5


@given(st.text())
def test_folding_is_stable(name):
    assert fold_name(fold_name(name)) == fold_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("a\rb", "a\\u{d}b"),
        ("\x00\x7f\x9b", "\\u{0}\\u{7f}\\u{9b}"),
        ("\u202e\u200b\u2066", "\\u{202e}\\u{200b}\\u{2066}"),
        ("\u2028\u2029", "\\u{2028}\\u{2029}"),
        ("\ud800", "\\u{d800}"),
        ("\ue000\U000e0041", "\\u{e000}\\u{e0041}"),
        ("é漢😀", "é漢😀"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


def test_printable_says_what_it_cut():
    assert printable("x" * 12, 10) == "x" * 10 + "… (2 more characters)"
    assert printable("x" * 10, 10) == "x" * 10


@given(st.text(st.characters()), st.integers(1, 50))
def test_printable_is_always_encodable_and_bounded(text, limit):
    shown = printable(text, limit)
    shown.encode()
    assert len(shown) <= limit * 10 + 60
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
