"""Watch lists: whole words, any case and form, thousands at once."""

import pytest

from remit.content.base import Surroundings
from remit.content.detectors.terms import Terms
from remit.content.views import read

AROUND = Surroundings(
    terms={"p": ("project orion", "C++", "\u4eac\u90fd", "Stra\u00dfe"), "q": ("orion",)}
)


def find(text: str, around: Surroundings = AROUND) -> set[tuple[str, str]]:
    return {(f.label, text[f.start : f.end]) for f in Terms().find(read(text), around)}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("The Project  Orion.", {("p", "Project  Orion"), ("q", "Orion")}),
        ("project-ORION_x", {("p", "project-ORION"), ("q", "ORION")}),
        ("projects orions", set()),
        ("we use c++ here", {("p", "c++")}),
        ("we use c here", set()),
        ("\u6771\u4eac\u90fd", {("p", "\u4eac\u90fd")}),
        ("in der STRASSE", {("p", "STRASSE")}),
        ("", set()),
    ],
)
def test_terms(text: str, rows: set[tuple[str, str]]) -> None:
    assert find(text) == rows


def test_forms() -> None:
    assert ("q", "\uff2f\uff32\uff29\uff2f\uff2e") in find("\uff2f\uff32\uff29\uff2f\uff2e")
    assert find("ori\u200bon")


def test_thousands_of_terms_and_steps_that_do_not_grow() -> None:
    around = Surroundings(
        terms={"many": (*tuple(f"alpha beta{i} gamma" for i in range(5000)), "a " * 15 + "b")}
    )
    assert find("so alpha beta77 gamma", around) == {("many", "alpha beta77 gamma")}
    assert find("a " * 5000, around) == set()


def test_hold() -> None:
    terms = Terms()
    assert terms.hold("see project ", AROUND) == 4
    assert terms.hold("see projects ", AROUND) == 13
    assert terms.hold("see it", Surroundings()) == 4
