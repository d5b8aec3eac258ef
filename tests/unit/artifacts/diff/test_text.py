import time

import pytest

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.text import (
    MAX_LINES,
    MAX_SHOWN_CHARACTERS,
    decode,
    difference,
    hidden,
    looks_like_text,
    shown,
    visible,
    words,
)
from tests.unit.artifacts.diff.making import difference as of_files
from tests.unit.artifacts.diff.making import only, refused, seen


def lines(before, after):
    return [(each.kind, each.text) for each in difference(before, after)]


def test_a_line_that_changed_is_shown_between_its_neighbours():
    before = "".join(f"line {n}\n" for n in range(20))
    assert lines(before, before.replace("line 9\n", "line nine\n")) == [
        ("gap", "6 equal lines"),
        ("context", "line 6"),
        ("context", "line 7"),
        ("context", "line 8"),
        ("removed", "line 9"),
        ("added", "line nine"),
        ("context", "line 10"),
        ("context", "line 11"),
        ("context", "line 12"),
    ]


def test_the_words_that_changed_are_marked():
    left, right = words("never ask the user\n", "never tell the user\n")
    assert [span.text for span in left if span.changed] == ["ask"]
    assert [span.text for span in right if span.changed] == ["tell"]
    assert "".join(span.text for span in right).startswith("never tell the user")


def test_numbers_of_lines_are_those_of_each_side():
    found = difference("a\nb\nc\n", "a\nc\nd\n")
    assert [(each.kind, each.a, each.b) for each in found] == [
        ("context", 1, 1),
        ("removed", 2, 0),
        ("context", 3, 2),
        ("added", 0, 3),
    ]


def test_a_missing_newline_at_the_end_is_a_change():
    assert lines("a\n", "a") == [("removed", "a"), ("added", "a ⏎ no newline at the end")]
    assert lines("a", "b") == [("removed", "a"), ("added", "b")]
    assert lines("", "b") == [("added", "b ⏎ no newline at the end")]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\u202eb", "a\\u{202e}b"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("\U000e0041", "\\u{e0041}"),
        ("a\ufe0f\u3164\u00a0", "a\\u{fe0f}\\u{3164}\\u{a0}"),
        ("\r", "\\u{d}"),
        ("\ud800", "\\u{d800}"),
        ("é ü 漢", "é ü 漢"),
        ("\t", "\t"),
    ],
)
def test_what_nobody_sees_is_escaped(text, escaped):
    assert visible(text) == escaped


def test_no_line_acts_on_a_terminal():
    hostile = "".join(map(chr, [*range(32), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, 0x202E]))
    for each in difference("x\n", hostile.replace("\n", "") + "\n"):
        assert all(c == "\t" or c.isprintable() for c in each.text), each.text


def test_invisible_characters_that_are_new_are_called_out():
    assert hidden("a", "a") is None
    assert hidden("a\u200b", "a\u200b") is None
    assert hidden("a", "a\u200b") == ("medium", {"U+200B": 1})
    assert hidden("a\u200b", "a\u200b\u202e\u202e") == ("high", {"U+202E": 2})
    assert hidden("a", "a\U000e0041") == ("high", {"U+E0041": 1})
    assert hidden("a", "a\x1b") == ("medium", {"U+001B": 1})
    assert hidden("a\n", "a\r\n") is None


def test_a_change_in_the_middle_of_a_long_line_is_shown():
    before, after = "x " * 40_000 + "keep" + " y" * 40_000, "x " * 40_000 + "leak" + " y" * 40_000
    found = difference(before + "\n", after + "\n")
    assert [[s.text for s in each.spans if s.changed] for each in found] == [
        ["keep"],
        ["leak"],
    ] or all("keep" in each.text or "leak" in each.text for each in found)
    assert all(len(each.text) < 3 * MAX_SHOWN_CHARACTERS for each in found)


def test_hostile_texts_end_soon():
    start = time.monotonic()
    difference("a\n" * 100_000, "b\na\n" * 50_000)
    difference("ab " * 500_000, "ba " * 500_000)
    difference("a" * 2_000_000, "b" * 2_000_000)
    assert time.monotonic() - start < 30
    with pytest.raises(NotLookedIntoError, match="lines"):
        difference("\n" * (MAX_LINES + 1), "a")


def test_texts_are_utf_8_or_say_that_they_are_utf_16():
    assert decode("ä".encode()) == "ä"
    assert decode("ä".encode("utf-16")) == "ä"
    assert decode("ä".encode("latin-1")) is None
    assert decode(b"\0\0") is None
    assert looks_like_text("ä".encode()[:1])  # a head that is cut in the middle
    assert not looks_like_text(b"\0")


def test_names_are_cut_and_stay_on_one_line():
    assert shown("a\nb\tc") == "a\\u{a}b\\tc"
    assert shown("x" * 300, 10) == "xxxxxxxxxx… (290 more characters)"


def test_a_prompt_that_changed_is_one_change(tmp_path):
    change = only(
        of_files(
            tmp_path,
            {"skills/mail/SKILL.md": "# Mail\nAsk before you send.\n", "LICENSE": "x"},
            {"skills/mail/SKILL.md": "# Mail\nNever ask before you send.\n", "LICENSE": "x"},
        )
    )
    assert (change.kind, change.path, change.severity) == (
        "text.changed",
        "skills/mail/SKILL.md",
        "medium",
    )
    assert [each.text for each in change.lines if each.kind != "context"] == [
        "Ask before you send.",
        "Never ask before you send.",
    ]


def test_a_bidirectional_override_in_code_is_called_out(tmp_path):
    found = of_files(tmp_path, {"a.py": "x = 1\n"}, {"a.py": "x = 1  # \u202e y\n"})
    assert seen(found) == [("text.invisible", "a.py", ""), ("text.changed", "a.py", "")]
    assert found.severity == "high"
    assert "right-to-left override" in found.changes[0].summary


def test_a_text_too_large_is_not_looked_into(tmp_path):
    big = "a\n" * (5 * 1024 * 1024)
    assert "bytes" in refused(of_files(tmp_path, {"a.txt": big}, {"a.txt": big + "b"}))
