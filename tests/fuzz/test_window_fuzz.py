"""Whatever the text and however it is cut: the window delivers what it may, and never the rest."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from remit.content.base import Surroundings
from remit.content.window import Window

CANARY = "cnry-" + "7f3a-plum-91x"
AROUND = Surroundings(channel="completion", canaries={"k": CANARY})
TEXT = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="aA0 =:/+\n\t\"'[]<>:-\u200b\u3002\u6f22", max_size=80),
)
CUTS = st.lists(st.integers(0, 200), max_size=12)


def pieces(text: str, cuts: list[int]) -> list[str]:
    ends = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    return [text[a:b] for a, b in itertools.pairwise(ends)]


@given(TEXT, CUTS)
def test_what_is_not_wanted_comes_through_unchanged(text: str, cuts: list[int]) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    window = Window(AROUND, wanted=lambda f: f.kind == "canary")
    out = "".join(window.feed(p) for p in pieces(text, cuts)) + window.finish()
    assert window.blocked() is not None or out == text


@given(TEXT, TEXT, CUTS)
def test_the_planted_value_never_does(before: str, after: str, cuts: list[int]) -> None:
    text = f"{before} {CANARY} {after}"
    window = Window(AROUND)
    out = "".join(window.feed(p) for p in pieces(text, cuts)) + window.finish()
    for at in range(len(CANARY) - 5):
        assert CANARY[at : at + 6] not in out
