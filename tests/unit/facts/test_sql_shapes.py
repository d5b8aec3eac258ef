"""Whatever stands for a value, the facts from memory are those of the text itself."""

from typing import Any

import pytest
import sqlglot

from remit.facts import _sql_rules as rules
from remit.facts import sql as sql_fact
from remit.facts._sql_shapes import MAX_REMEMBERED, MAX_TOKENS, Shapes, shape
from remit.facts.base import Environment
from remit.facts.registry import FactSpec, compute, forget, options_for
from tests.conformance.test_sql_evasions import EFFECTS, STATEMENTS
from tests.unit.facts.test_sql import READS

ENV = Environment(workspace="/nowhere")
STRINGS = ["''", "'x'", "'1 day'", "'/etc/passwd'", "'$.a[*]'", "'drop table t'", "'2020-01-01'"]
NUMBERS = ["0", "7", "99999999999999999999", "1.5", "1e3"]
VALUES = {
    "select * from t where a = 'x' and b in (1, 2, 'y') limit 5",
    "select a from t where a between 1 and 5 or b like 'x%' order by 1",
    "select a from t where d > now() - interval '1 day' and e = 'x'",
    "delete from t where a = 'x'",
    "select a as x from t where (a = 1) group by a having count(*) > 3",
    "select 1 where a = 'x' -- comment\n and b = 2",
    "update t set a = 'x', b = 2 where c = 3",
    "select * from 'file.csv' where a = 'x'",
    "select nextval('s') where a = 'x'",
}
DIALECTS = ["sqlite", "postgres", "mysql", "tsql", "bigquery", "snowflake", "oracle", "duckdb"]


def tokens(dialect: str, text: str) -> list[Any]:
    return list(sqlglot.Dialect.get_or_raise(rules.DIALECTS[dialect]).tokenize(text))


def variants(dialect: str, text: str) -> list[str]:
    """The text with each of its values replaced by others of its kind."""
    try:
        found = tokens(dialect, text)
    except sqlglot.errors.SqlglotError:
        return []
    left_out = shape(found)
    out = []
    for token, part in zip(found, left_out or (), strict=False):
        if isinstance(part, str):
            others = NUMBERS if part == "NUMBER" else STRINGS
            out += [text[: token.start] + other + text[token.end + 1 :] for other in others]
    return out


def facts(dialect: str, text: str) -> Any:
    forget()
    spec = FactSpec("f", "sql", ("*",), ("q",), options_for("sql", {"dialect": dialect}))
    return compute(spec, {"q": text}, ENV)


TEXTS = [
    *READS,
    *((dialect, text) for text in sorted(VALUES) for dialect in DIALECTS),
    *((case[0], case[1]) for case in (*STATEMENTS, *EFFECTS)),
]


@pytest.mark.parametrize(("dialect", "text"), TEXTS)
def test_memory_gives_what_the_text_gives(dialect: str, text: str) -> None:
    for other in variants(dialect, text):
        sql_fact.SHAPES.clear()
        truth = facts(dialect, other)
        sql_fact.SHAPES.clear()
        facts(dialect, text)
        assert facts(dialect, other) == truth


def test_values_are_left_out() -> None:
    one = shape(tokens("sqlite", "SELECT a FROM t WHERE b = 1 AND c IN ('x', 'y') LIMIT 3"))
    assert one == shape(tokens("sqlite", "SELECT a FROM t WHERE b = 9 AND c IN ('p', 'q') LIMIT 8"))
    assert one != shape(tokens("sqlite", "SELECT a FROM u WHERE b = 1 AND c IN ('x', 'y') LIMIT 3"))
    assert one != shape(tokens("sqlite", "SELECT a FROM t WHERE b = 1 AND c IN ('x', 2) LIMIT 3"))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("SELECT * FROM 'a'", "SELECT * FROM 'b'"),
        ("SELECT 1 AS 'a'", "SELECT 1 AS 'b'"),
        ("SELECT f('a')", "SELECT f('b')"),
        ("SELECT a = 'x' 'y'", "SELECT a = 'z' 'y'"),
        ("SELECT a = 'x'::t", "SELECT a = 'y'::t"),
        ("SELECT a -> 'x'", "SELECT a -> 'y'"),
        ("SELECT interval '1 day'", "SELECT interval '2 day'"),
    ],
)
def test_strings_with_another_part_stay(one: str, two: str) -> None:
    assert shape(tokens("duckdb", one)) != shape(tokens("duckdb", two))


def test_long_texts_have_no_shape() -> None:
    assert shape(tokens("sqlite", "SELECT 1" + ", 1" * MAX_TOKENS)) is None


def test_memory_is_bounded() -> None:
    memory = Shapes()
    for number in range(MAX_REMEMBERED + 5):
        memory.put((number,), sql_fact.Found())
    assert len(memory._found) <= MAX_REMEMBERED
