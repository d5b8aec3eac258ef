import re

from remit.content._candidates import Candidates
from remit.content.base import View

WORDS = Candidates(re.compile(r"(?<![a-z])ab+(?=\s|\Z)", re.IGNORECASE), rb"(?i)ab")


def view(text):
    return View("original", text)


def spans(text):
    return [m.span() for m in WORDS.finditer(view(text))]


def test_a_candidate_is_no_match_yet():
    assert spans("ab xab abx ABB") == [(0, 2), (11, 14)]
    assert spans("") == []
    assert spans("abab ab") == [(5, 7)]


def test_places_are_code_points():
    assert spans("é\U0001f600\ud800 ab") == [(4, 6)]


def test_found():
    assert WORDS.found(view("x ab"))
    assert not WORDS.found(view("x abx"))


def test_the_first_ones_are_replaced():
    text, matches = WORDS.subn(lambda m: f"<{m[0]}>", view("ab abb ab"), 2)
    assert (text, [m.span() for m in matches]) == ("<ab> <abb> ab", [(0, 2), (3, 6)])
    assert WORDS.subn(lambda _: "", view("nothing")) == ("nothing", [])


def test_latin_1():
    c1 = Candidates(re.compile("\x9b[a-z]"), b"\x9b", "latin-1")
    assert [m.span() for m in c1.finditer(view("\u4f60\x9bq?"))] == [(1, 3)]


def test_a_steady_pattern_finds_what_is_close_together_and_what_is_far():
    steady = Candidates(re.compile("ab+"), b"ab", steady=True)
    close, far = "ab abb " * 40, "x" * 2000
    for text in (close, close + far, close + far + close, far + close + far + "ab" + far + close):
        assert [m.span() for m in steady.finditer(view(text))] == [
            m.span() for m in re.finditer("ab+", text)
        ]
