from typing import Any

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.facts.base import FactError
from remit.facts.select import MAX_STEPS, parse, select

ARGUMENTS: dict[str, Any] = {
    "sql": "x",
    "to": [{"address": "a@b", "name": None}, {"address": "c@d"}],
    "deep": {"to": {"address": "e@f"}, "n": [1, [2, 3]]},
    "odd key": 1,
    "$x": 2,
    "none": None,
    "": 3,
}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("sql", ["x"]),
        ("missing", []),
        ("none", []),
        ("odd key", [1]),
        ("$", [ARGUMENTS]),
        ("$.sql", ["x"]),
        ("$.to[*].address", ["a@b", "c@d"]),
        ("$.to[*].name", []),
        ("$.to[0].address", ["a@b"]),
        ("$.to[9].address", []),
        ("$['odd key']", [1]),
        ('$["odd key"]', [1]),
        ("$['$x']", [2]),
        ("$['']", [3]),
        ("$..address", ["a@b", "c@d", "e@f"]),
        ("$.deep..address", ["e@f"]),
        ("$.deep.n[1][*]", [2, 3]),
        ("$.deep.to.*", ["e@f"]),
        ("$.missing.more[*]", []),
    ],
)
def test_selects(argument: str, expected: list[Any]) -> None:
    assert select(argument, ARGUMENTS) == expected


@pytest.mark.parametrize(
    "argument",
    [
        "$.sql.x", "$.sql[*]", "$.sql[0]", "$.to.address", "$.deep[0]", "$.sql.*",
    ],
)  # fmt: skip
def test_a_step_on_the_wrong_kind_is_no_empty_result(argument: str) -> None:
    with pytest.raises(FactError) as caught:
        select(argument, ARGUMENTS)
    assert caught.value.code == "facts.wrong_type"


@pytest.mark.parametrize(
    "argument",
    [
        "", "$.", "$x", "$.a b", "$[a]", "$[-1]", "$[1:2]", "$[0,1]", "$[?@.a]", "$.a[?(@.b==1)]",
        "$['a','b']", "$...a", "$.a.", "$[01]", "$['a\\'b']", "$ .a", "$.a\n", "@.a", "$.1a",
        "$" + ".a" * (MAX_STEPS + 1),
    ],
)  # fmt: skip
def test_refuses_other_paths(argument: str) -> None:
    if argument == "@.a":
        assert parse(argument) == ((False, "@.a"),)  # a top-level name, as odd as it is
        return
    with pytest.raises(FactError) as caught:
        parse(argument)
    assert caught.value.code == "facts.bad_path"


def test_too_many_results_are_refused() -> None:
    with pytest.raises(FactError) as caught:
        select("$.a[*]", {"a": list(range(5000))})
    assert caught.value.code == "facts.size"
    with pytest.raises(FactError) as caught:
        select("$..a", {"x": [[0] * 1000] * 100})
    assert caught.value.code == "facts.size"


KEYS = st.sampled_from(["a", "b", "c"])
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers(0, 9),
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)
        ),
        max_leaves=12,
    ),
    max_size=3,
)
STEPS = st.lists(
    st.one_of(
        KEYS.map(lambda k: f".{k}"),
        KEYS.map(lambda k: f"['{k}']"),
        st.just("[*]"),
        st.just(".*"),
        KEYS.map(lambda k: f"..{k}"),
        st.just("..*"),
        st.integers(0, 3).map(lambda i: f"[{i}]"),
    ),
    max_size=4,
).map(lambda steps: "$" + "".join(steps))


@given(document=DOCUMENTS, path=STEPS)
def test_agrees_with_a_full_json_path(document: dict[str, Any], path: str) -> None:
    try:
        found = select(path, document)
    except FactError:
        return
    expected = jsonpath.findall(path, document)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
