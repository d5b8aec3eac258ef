import pytest

from remit.content.hold import SPREAD, _quote, openers, spread


@pytest.mark.parametrize(
    ("before", "held"),
    [
        ("", "a b c d e f"),
        ("words ", "4111 1111 1111 1111 4111 1111 "),
        ("words\n \t", "a\u2003b c\nd e f"),
    ],
)
def test_short_pieces_in_a_row_are_held_from_the_first(before: str, held: str) -> None:
    assert spread(before + held) == len(before)
    assert spread(f"longer words only {before}") == len(f"longer words only {before}")


def test_five_pieces_are_no_spread_value() -> None:
    assert spread("words a b c d e") == len("words a b c d e")
    assert spread("a b c d e f " * 200) == len("a b c d e f " * 200) - SPREAD
    assert spread("") == 0


@pytest.mark.parametrize(
    ("before", "held"),
    [
        ("he said ", 'motto = "all is we'),
        ("he said ", "motto: 'all is we"),
        ('he said "yes", then "', 'motto" => "all is we'),
        ('done = "yes" ', "next = `all is we"),
        ('done = "a \\" b" ', 'next := "a \\" b'),
        ("", "x" * 48 + '="all is we'),
        ("y", "x" * 48 + '    = "all is we'),
        ('a = "b"', '= "c d'),
    ],
)
def test_an_open_quotation_is_held_from_its_key(before: str, held: str) -> None:
    assert openers(before + held) <= len(before)
    assert _quote(before + held) == len(before)


def test_a_closed_quotation_is_not_held() -> None:
    for text in ('motto = "all is well" and', "it's fine: 'so' it is", 'x = "\n more'):
        assert _quote(text) == len(text)
