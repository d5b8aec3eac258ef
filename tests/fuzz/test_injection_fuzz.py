"""Whatever a text holds: the injection detector does not raise, ends, and stays inside it."""

from hypothesis import given
from hypothesis import strategies as st

from remit.content.base import Surroundings, View, Views
from remit.content.detectors.injection import DETECTOR

PARTS = st.sampled_from([
    "ignore", " all ", "previous ", "instructions", "system prompt", "<!--", "<|im_start|>", "SYSTEM:",
    "\n", "\x00", "\u200b", "\ud800", "İ", "é", "中", "👩‍💻", "0", " " * 40, "a" * 300, '"', "send ",
    "忽略之前的指令", "игнорируй ", "rm -rf /", "[INST]", "base64 ", "and run ",
])  # fmt: skip
TEXT = st.one_of(st.text(max_size=400), st.lists(PARTS, max_size=200).map("".join))


@given(TEXT, st.sampled_from(["user_prompt", "completion", "tool_args", "tool_result"]))
def test_any_text(text, channel):
    views = Views(text, (View("original", text), View("other", text.upper())))
    findings = list(DETECTOR.find(views, Surroundings(channel=channel)))
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text.upper())
        assert 0 <= finding.score_milli <= 1000
    assert findings == list(DETECTOR.find(views, Surroundings(channel=channel)))
