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


def test_windows_hold_whole_sentences_and_share_one():
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    found = [text[start:end].strip() for start, end in cut.windows(text, 33)]
    assert found == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine.",
        "Ten eleven twelve.",
    ]
    assert cut.windows(text, 100) == [(0, len(text))]
    assert cut.windows("", 100) == cut.windows(" \n", 100) == []


def test_a_character_beyond_ascii_is_wider():
    text = "\u8fd4\u56de\u5929\u6c14\u3002" * 20
    found = cut.windows(text, 60)
    assert found[0] == (0, 20)
    assert max(end - start for start, end in found) == 20


def test_a_long_sentence_is_cut_into_windows():
    text = "word " * 200 + "\u8fd4" * 200
    found = cut.windows(text, 100)
    assert max(end - start for start, end in found) <= 100
    assert set().union(*(range(start, end) for start, end in found)) == set(range(len(text)))


def test_every_unit_has_a_window_that_it_begins_in():
    text = "It is so. " * 50 + "word " * 300 + "\u8fd4\u56de\u3002" * 90 + "End. And more."
    windows = cut.windows(text, 80)
    for unit in cut.units(text):
        start, end = windows[cut.window_of(unit, windows)]
        assert start <= unit.start < end
