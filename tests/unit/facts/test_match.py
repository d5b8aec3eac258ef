from typing import Any

import pytest

from remit.facts.base import Environment, Fact, FactError
from remit.facts.match import MAX_PATTERN, compile_pattern
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(
    workspace="/nowhere",
    matchers={
        "iban": r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b",
        "accent": "\u00e9",
        "decomposed": "e\u0301",
        "start": "^x",
        "slow": "(a+)+$",
        "bad": "(",
        "look": "(?=x)",
    },
)


def fact(value: Any, *patterns: str) -> Fact:
    spec = FactSpec("m", "match", ("*",), ("q",), options_for("match", {"patterns": patterns}))
    return compute(spec, {"q": value}, ENV)


@pytest.mark.parametrize(
    ("value", "matched"),
    [
        ("pay DE89370400440532013000 now", ["iban"]),
        ("nothing", []),
        ("x", ["start"]),
        (" x", []),
        ("caf\u00e9", ["accent"]),
        ("cafe\u0301", ["accent", "decomposed"]),
        (["a", "x", "DE89370400440532013000"], ["iban", "start"]),
        ("", []),
    ],
)
def test_matches(value: Any, matched: list[str]) -> None:
    found = fact(value, "iban", "accent", "decomposed", "start")
    assert found.problem == ""
    assert found.attributes["matched"] == matched


@pytest.mark.parametrize("pattern", ["missing", "bad", "look"])
def test_unusable_patterns_fail(pattern: str) -> None:
    found = fact("x", "start", pattern)
    assert found.attributes["ok"] is False
    assert found.attributes["matched"] == ["unknown"]


@pytest.mark.parametrize("value", [1, {"a": "x"}, [["x"]], "\ud800", "x" * (1024 * 1024 + 1)])
def test_other_values_fail(value: Any) -> None:
    assert fact(value, "start").attributes["ok"] is False


@pytest.mark.timeout(60)  # with backtracking it does not end
def test_no_pattern_is_slow() -> None:
    assert fact("a" * 500_000 + "b", "slow").attributes["ok"]


@pytest.mark.parametrize(
    "pattern", ["", "x" * (MAX_PATTERN + 1), "(", r"(a)\1", "a{1001}", "((a{100}){100}){100}"]
)
def test_bad_patterns_are_refused_early(pattern: str) -> None:
    with pytest.raises(FactError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "facts.bad_pattern"
