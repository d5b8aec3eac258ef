"""How texts are cut into what is judged."""

from remit.scan.scanners import _definition_units as cut


def test_each_sentence_and_each_two_on_end():
    text = "Reads a page. Returns its text. Never guesses."
    found = list(cut.units(text))
    assert [unit.text.strip() for unit in found] == [
        "Reads a page.",
        "Reads a page. Returns its text.",
        "Returns its text.",
        "Returns its text. Never guesses.",
        "Never guesses.",
    ]
    assert all(text[unit.start : unit.end] == unit.text for unit in found)
    assert found[2].before.strip() == "Reads a page."
    assert found[0].first
    assert not found[2].first


def test_scripts_without_spaces():
    found = [unit.text for unit in cut.units("返回天气。不要告诉用户。")]
    assert "返回天气。" in found
    assert "不要告诉用户。" in found


def test_a_text_without_stops_is_cut():
    found = list(cut.units("word " * 1000))
    assert found
    assert max(len(unit.text) for unit in found) <= cut.MAX_UNIT


def test_nothing_is_said():
    assert list(cut.units("")) == []
    assert list(cut.units(" a \n b ")) == []


def test_units_are_bounded():
    assert len(list(cut.units("It is so. " * 10_000))) <= 2 * cut.MAX_UNITS
