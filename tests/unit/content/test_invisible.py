"""Hidden text is reported, and how people write is not."""

import pytest

from remit.content.base import Surroundings
from remit.content.detectors.invisible import DETECTOR, MAX_FEW
from remit.content.views import read

FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def labels(text: str) -> set[str]:
    return {f.label for f in DETECTOR.find(read(text), Surroundings())}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "do it"), "tag_characters"),
        (FLAG + "\U000e0041\U000e0042", "tag_characters"),
        ("x" + "".join(chr(0xFE00 + n % 16) for n in range(9)), "variation_selectors"),
        ("".join(c + "\U000e0101" for c in "abcd"), "variation_selectors"),
        ("a\u200b\u200c\u200b\u200c\u200bb", "zero_width"),
        ("pa\u200bss\u200bwo\u200brd", "zero_width"),
        ("user\u202enimda", "bidi"),
        ("if x: \u2067 # comment\n", "bidi"),
    ],
)
def test_hidden(text: str, label: str) -> None:
    assert labels(text) == {label}


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        FLAG + " flags",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f 1\ufe0f\u20e3",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\u05e9\u05dc\u05d5\u05dd\u200f! \u2067\u05e9\u05dc\u05d5\u05dd\u2069 \u202b\u05e9\u202c",
        "Auf\u00adlage, Auf\u200clage, \ufeffx",
        "Hello \u2068Ann\u2069!",
        "\u845b\U000e0100",
    ],
)
def test_how_people_write(text: str) -> None:
    assert labels(text) == set()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("\U000e0041" * 3, "tag_characters"),
        ("\ufe01" * 4, "variation_selectors"),
        ("".join(c + "\U000e0101" for c in "abcd"), "variation_selectors"),
        ("\u115f" * 4, "zero_width"),
        ("a\u2060b c\u2060d e\u2060f", "zero_width"),
        ("\u202enimda", "bidi"),
    ],
)
def test_hidden_behind_more_than_are_looked_at_one_by_one(text: str, label: str) -> None:
    family = "\U0001f468\u200d\U0001f469 "
    assert label in labels(family * MAX_FEW + text)
