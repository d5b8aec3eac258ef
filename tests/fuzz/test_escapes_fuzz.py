"""Quick ways through a text give what the slow ones give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.content import _links as links
from remit.content import _views_inline as inline
from remit.content.base import View

ESCAPES = [
    "\\", "\\\\", "n", "r", "t", "b", "u0041", "u005c", "x5c", "x01", "u0001", "134", "001", "\n", " ", "u{5c}", "u{FFFFFF}",
    "U0000005c", '"', "'", "/", "\x01", "\x02", "\x03", "ud83d", "\\ude00", "xc3", "\\xa9", "377", "q", "\r\n", "\\\\n",
]  # fmt: skip
SIGNS = [
    "\\", "<", "/", "a", "b", ">", "<b>", "</i>", "<\u017ftrong>", "<\u0131>", "<mar\u212a>", "<!--", "-->", "/*", "*/", '"',
    "'", "+", "&", " ", "\u00a0", "\u2028", "\x1c", "\x0b", "=", "3D", "0A", "\r\n", "\n", "\t", "%41", "%", "\x08", "\x1b",
    "[", "31m", "]", "8;;", "\x07", "\x9b", "\u0108", "?", "\x00", "http:", "h\nttp:", "HTTP\u017f:", "//", "w\u017fs:", "ftp:",
    "1http:", "\u212ahttp://", "x", "\ud800", "\U0001f600", "span ", "\\u0041", "\\x41", "&amp;", "&#x41;",
]  # fmt: skip


@given(st.lists(st.sampled_from(ESCAPES), max_size=14).map("".join))
def test_escapes_at_once(text):
    step = next(s for s in inline._STEPS if s.name == "escapes")
    filled = text + "\\n" * 64
    quick = step.quick(View("original", filled))
    assert quick is None or quick == step.pattern._pattern.subn(step.text, filled)


@pytest.mark.parametrize(
    "candidates",
    [*(s.pattern for s in inline._STEPS), inline._CUT_SIGN],
)
@given(text=st.lists(st.sampled_from(SIGNS), max_size=16).map("".join))
def test_no_match_begins_elsewhere(candidates, text):
    if candidates is inline._TERMINAL:
        text = text.replace("\x9b", "")  # that is what the other pattern is for
    found = [m.span() for m in candidates.finditer(View("original", text))]
    assert found == [m.span() for m in candidates._pattern.finditer(text)]


@pytest.mark.parametrize("candidates", [s.pattern for s in inline._STEPS])
@given(
    text=st.lists(
        st.builds(str.__mul__, st.sampled_from(SIGNS), st.sampled_from([1, 20, 40])), max_size=8
    ),
    gap=st.sampled_from(["", "x" * 70, "=" * 1100, "<" * 1100, "%" * 70]),
)
def test_matches_on_end_are_found_like_those_alone(candidates, text, gap):
    whole = gap.join(text).replace("\x9b", "")
    found = [m.span() for m in candidates.finditer(View("original", whole))]
    assert found == [m.span() for m in candidates._pattern.finditer(whole)]


BEFORE = [
    "src", "s\u017frc", "HREF", "act\u0131on", "bac\u212aground", "srcset", "=", " = ", "\u00a0=\u2003", '"', "'", "<", "<img ", ">", "a 1x, ",
    "0;url=", "](", "] (", "[a]: ", "\n[r]: ", "url(", "@import '", ";", "\x1b]8;;", "\x9d8;a;", "(", "x", " ", "\n", "\u00e9", "\ud800", "a" * 190,
]  # fmt: skip


@given(st.lists(st.sampled_from(SIGNS), max_size=16).map("".join))
def test_no_link_begins_elsewhere(text):
    data, at, found = View("original", text).plain, 0, []
    while (span := links._anchor(text, data, at, len(text)))[0] >= 0:
        found.append(span)
        at = span[1]
    assert found == [m.span() for m in links._ANCHOR.finditer(text)]


@given(st.lists(st.sampled_from(BEFORE), max_size=8).map("".join))
def test_what_leads_to_a_link_is_seen(before):
    text = before + "//a.example"
    data, at = View("original", text).plain, len(before)
    low = max(at - links._BEFORE, 0)
    if links._ATTRIBUTE.search(before[low:]):
        assert links._may_be_value(data[low:at])
    if links._form(text, data, low, at)[0] != "bare":
        assert links._may_lead(data, 0, at)
