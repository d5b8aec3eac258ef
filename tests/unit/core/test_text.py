"""Comparing names and showing text."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.text import _LAST_MARK, _marks, fold_name, normal, printable


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


MARKS = (
    "\u0301\u0323\u0345\u0344\u0f71\u0f73\u0f75\u0f81\u05b0\u3099\uff9e\uff9f\U0001d165\U0001e94a"
)
RUNS = st.lists(
    st.text(alphabet=MARKS, min_size=20, max_size=80) | st.text(max_size=3), max_size=6
).map("".join)


@given(RUNS, st.sampled_from(["NFC", "NFKC"]))
def test_normal_is_what_unicodedata_says(text, form):
    assert normal(form, text) == unicodedata.normalize(form, text)


def test_every_mark_is_known():
    marks = [
        c
        for c in map(chr, range(sys.maxunicode + 1))
        if not c.isascii() and unicodedata.combining(unicodedata.normalize("NFKD", c)[0])
    ]
    assert ord(marks[-1]) < _LAST_MARK
    assert _marks().fullmatch("".join(marks)) is not None


@pytest.mark.timeout(60)  # `unicodedata` alone takes minutes
@pytest.mark.parametrize("unit", ["\u0301\u0323", "\u0f73", "\uff9e\u0323", "\u0344\u0323"])
def test_a_letter_with_many_marks_takes_no_longer_than_other_text(unit):
    assert normal("NFKC", "a" + unit * 200_000)
