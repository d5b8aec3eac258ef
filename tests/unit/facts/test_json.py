from typing import Any

import pytest

from remit.core.strictjson import parse
from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")


def fact(arguments: dict[str, Any], *paths: str) -> Fact:
    spec = FactSpec("j", "json", ("*",), paths or ("q",), options_for("json", {}))
    return compute(spec, arguments, ENV)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (b"1", "1"), (b"-1", "-1"), (b"1.50", "1.5"), (b"15e-1", "1.5"), (b"1e3", "1000"),
        (b"1E+3", "1000"), (b"0", "0"), (b"-0", "0"), (b"-0.0", "0"), (b"0e10", "0"), (b"100", "100"),
        (b"12345678901234567890.12345678901234567890", "12345678901234567890.1234567890123456789"),
        (b"9007199254740993", "9007199254740993"), (b"0.1", "0.1"), (b"1e-7", "0.0000001"),
        (b"true", "true"), (b"false", "false"), (b'"x"', "x"), (b'"e\\u0301"', "\u00e9"), (b'""', ""),
    ],
)  # fmt: skip
def test_scalars(token: bytes, text: str) -> None:
    found = fact({"q": parse(token)})
    assert found.problem == ""
    assert found.attributes["values"] == [text]
    assert found.attributes["count"] == 1


def test_projection() -> None:
    order = parse(b'{"items":[{"sku":"b","n":2},{"sku":"a","n":2.0}],"tags":["x","x"]}')
    assert fact({"o": order}, "$.o.items[*].sku").attributes["values"] == ["a", "b"]
    found = fact({"o": order}, "$.o.items[*].n", "$.o.tags").attributes
    assert found["values"] == ["2", "x"]
    assert found["count"] == 4


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        [[1]],
        [{"a": 1}],
        [None],
        float("nan"),
        float("inf"),
        "x" * 5000,
        list(range(1001)),
        "\ud800",
    ],
)
def test_what_is_no_scalar_fails(value: Any) -> None:
    assert fact({"q": value}).attributes["ok"] is False


def test_huge_numbers_fail_fast() -> None:
    assert fact({"q": parse(b"1e-999999999")}).attributes["ok"] is False


def test_a_path_into_the_wrong_kind_fails() -> None:
    assert fact({"to": "x"}, "$.to[*].domain").attributes["ok"] is False
