import pytest

from remit.facts.base import MAX_VALUES, FactError, shape, texts


def test_every_shape_has_ok_and_present() -> None:
    assert shape(x="Long") == {"ok": "Bool", "present": "Bool", "x": "Long"}


def test_texts_takes_strings_and_lists_of_strings() -> None:
    assert list(texts(["a", ["b", "c"], []], limit=1)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([1], "facts.wrong_type"),
        ([True], "facts.wrong_type"),
        ([{"a": "b"}], "facts.wrong_type"),
        ([[["a"]]], "facts.wrong_type"),
        ([[None]], "facts.wrong_type"),
        ([("a",)], "facts.wrong_type"),
        (["aaa"], "facts.size"),
        (["a"] * (MAX_VALUES + 1), "facts.size"),
        ([["a"] * (MAX_VALUES + 1)], "facts.size"),
        (["\ud800"], "facts.text"),
    ],
)
def test_texts_refuses_the_rest(values: list[object], code: str) -> None:
    with pytest.raises(FactError) as caught:
        list(texts(values, limit=2))
    assert caught.value.code == code
