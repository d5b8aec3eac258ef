"""Whatever a definition or a prompt says: it is judged, and the same each time."""

from hypothesis import given
from hypothesis import strategies as st

from remit.scan.scanners import _learned
from remit.scan.scanners._definition_units import Place

PARTS = st.sampled_from([
    "Returns ", "the user ", "must not ", "know. ", "用户", "。", "ユーザー", "사용자", "\n", "\x00", "\u200b",
    "İ", "👩‍💻", " " * 40, "a" * 300, "`x_y`", "https://a.invalid/?q={x}", "<!--", ". ", "! ",
    "aWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM=", "\u0e01\u0e02", "\U000e0041",
])  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=300), st.lists(PARTS, max_size=60).map("".join)
)
KINDS = st.sampled_from(["tool", "parameter", "value", "server", "prompt"])


@given(TEXT, TEXT, KINDS, st.sampled_from(["listing", "prompt"]))
def test_any_text(text, topic, kind, name):
    place = Place(kind, topic[:300], frozenset({"x_y"}))
    seen = _learned.judged(text, place, name)
    assert seen == _learned.judged(text, place, name)
    if seen is not None:
        assert 0 <= seen.start <= seen.end <= len(text)
        assert -1000 < seen.logit < 1000
