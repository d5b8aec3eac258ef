"""Words as BERT's uncased models cut them: expected pieces are those of the reference tokeniser."""

import pytest

from remit.scan.scanners import _wordpiece
from remit.scan.scanners._wordpiece import Pieces

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "a", "##b", ".", "'", "user"]
PIECES = Pieces({word: number for number, word in enumerate(WORDS)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UnAffable", ["un", "##aff", "##able"]),
        ("user's.", ["user", "'", "[UNK]", "."]),
        ("us\u00e9r", ["user"]),
        ("u\u0301ser \u200buse\u00adr", ["user", "user"]),
        ("a\u4f60ab", ["a", "[UNK]", "a", "##b"]),
        ("un\ta\nb", ["un", "a", "[UNK]"]),
        ("unz", ["[UNK]"]),
        ("a" + "b" * 99, ["a"] + ["##b"] * 99),
        ("a" + "b" * 100, ["[UNK]"]),
        ("", []),
    ],
)
def test_pieces(text, expected):
    assert [WORDS[number] for number in PIECES.numbers(text, 200)] == expected


def test_no_more_than_asked_for():
    assert PIECES.numbers("unaffable " * 100, 4) == [4, 5, 6, 4]
    assert PIECES.numbers("user", 0) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 5\u20ac!", ["it", "'", "s", "5\u20ac", "!"]),
        ("snake_case", ["snake", "_", "case"]),
        ("\u300c\u5929\u6c17\u300d", ["\u300c", "\u5929", "\u6c17", "\u300d"]),
        ("\u0130X", ["ix"]),
        ("x\x00y\u202ez\ufffd", ["xyz"]),
    ],
)
def test_words(text, expected):
    assert _wordpiece.words(text) == expected
