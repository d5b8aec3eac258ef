"""Whatever arguments an agent sends: a fact never raises, has its declared shape, and ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.facts.base import Environment, FactError
from remit.facts.registry import FactSpec, compute, extractor, names, options_for
from remit.facts.select import parse

ENV = Environment(workspace="/ws", matchers={"m": "(a+)+b|c"})
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "sql": [{"dialect": d} for d in ("sqlite", "postgres", "mysql", "tsql", "bigquery", "snowflake", "oracle", "duckdb", "clickhouse")],
    "shell": [{"form": "line"}, {"form": "argv"}],
    "path": [{}, {"file_urls": True}],
    "match": [{"patterns": ["m"]}],
}  # fmt: skip
SPECS = [
    FactSpec("f", name, ("*",), ("q",), options_for(name, options))
    for name in names()
    for options in OPTIONS.get(name, [{}])
]
CEDAR = {"Bool": bool, "Long": int, "String": str, "Set<String>": list}


def check(spec: FactSpec, value: Any) -> None:
    found = compute(spec, {"q": value}, ENV)
    shape = extractor(spec.extractor).shape
    assert found.attributes.keys() == shape.keys()
    for name, kind in shape.items():
        attribute = found.attributes[name]
        assert type(attribute) is CEDAR[kind]
        if isinstance(attribute, list):
            assert attribute == sorted(set(attribute))
            for text in attribute:
                text.encode()
        elif type(attribute) is int:
            assert -(1 << 63) <= attribute < 1 << 63
    assert found.attributes["present"] is (value is not None)
    assert (found.problem == "") is found.attributes["ok"]
    assert len(found.problem) < 400


TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="aA0 \n\t\\'\"`$(){}[]<>|&;:@%./~#*?!=-,\x00\r\u202e\uff0eé", max_size=60),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(TEXT, below, max_size=3)),
    max_leaves=8,
)

SQL = st.lists(st.sampled_from([
    "select", "from", "where", "with", "as", "(", ")", ",", ";", "*", "a", "b", "t", "1", "'x'", '"y"', "`z`", "[w]",
    "insert", "into", "values", "update", "set", "delete", "drop", "table", "exec", "for", "union", "join", "on",
    "group by", "order by", "limit", "case", "when", "then", "end", "in", "between", "and", "not", "null", "--", "/*",
    "*/", "/*!", "$$", "$a$", "e'", "n'", "x'", "q'[", "]'", "'", '"', "`", "\\", "\n", "@x", ":=", "::int", "f(", "s.f(",
    "count(", "lateral", "over (", "returning", "explain", "#", "//", "=", "<", "->>", "||", ".", "..", "?", ":y", "{",
    "}", "interval", "cast(", "merge", "using", "recursive", "pragma", "attach", "copy", "\r", "é", "\u00a0",
]), max_size=25).map(" ".join)  # fmt: skip
SHELL = st.lists(st.sampled_from([
    "ls", "rm", "bash -c ", "sudo ", "env ", "xargs ", "find . -exec ", "eval ", " ", " ", "\n", ";", "|", "&", "&&",
    "(", ")", "{ ", "}", "$(", "`", "<(", "'", '"', "\\", "$", "$'", "#", "<<E\n", "\nE\n", "<<<", ">", ">>", "2>&1", "A=",
    "[[ ", " ]]", "((", "))", "${", ":-", "if ", "then ", "fi", "for i in ", "do ", "done", "case ", "esac", "f() ", "*",
    "{a,b}", "é", "\r", "\x00", "-c", "--", "{}", "\\;", "/", "~",
]), max_size=25).map("".join)  # fmt: skip
URLS = st.lists(st.sampled_from([
    "http", "https", "://", ":", "/", "//", "\\", "@", "a", "b.example", "127.0.0.1", "0x7f", ".", "1", "[", "]", "::1",
    "::ffff:", "%", "%2e", "%00", "?", "#", " ", "\t", "é", "ß", "xn--", "-", "_", "\u200b", "．", ":80", ":0", "65536",
]), max_size=12).map("".join)  # fmt: skip
PATHS = st.lists(st.sampled_from([
    "/", "..", ".", "a", "~", "\\", "%2e", "%2f", "file://", "C:", ":", "\x00", " ", "．", "é", "e\u0301", "$HOME", "ws",
]), max_size=14).map("".join)  # fmt: skip
MAILS = st.lists(st.sampled_from([
    "a", "@", "b.example", ",", ";", "<", ">", '"', "(", ")", "\\", " ", "\r\n", ":", "[", "]", ".", "é", "=?", "%", "!",
]), max_size=14).map("".join)  # fmt: skip
TARGETED = {"sql": SQL, "shell": SHELL, "url": URLS, "path": PATHS, "mail": MAILS}


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.extractor}")
@given(data=st.data())
def test_any_value(spec: FactSpec, data: st.DataObject) -> None:
    check(spec, data.draw(JSON))


@pytest.mark.parametrize(
    "spec", [s for s in SPECS if s.extractor in TARGETED], ids=lambda s: f"{s.extractor}"
)
@given(data=st.data())
def test_values_of_its_own_kind(spec: FactSpec, data: st.DataObject) -> None:
    value = data.draw(TARGETED[spec.extractor])
    check(spec, value)
    check(spec, [value, "a"])


HOSTILE = [
    piece * count
    for piece in (
        "(", "[", "{", "'", '"', "`", "$(", "${a:-", "/*", "--", "\\", "%25", "../", "a,", "<", "|", "a|", "a;", "$", "@",
        "a@", "<<E\n", "[[ ", "NOT ", "- ", "SELECT ", "SELECT(", "CASE WHEN ", "a.b.", "0.", "::", "f(", "IF(", "$$", "e'", " ", "[", "{", "a b", "a.", "a-",
        "\n", "#\n", "x -> ", "bash -c '", "eval ", "env ", "sudo ", "WITH a AS (", "1 UNION SELECT ", "{a,", "é", "\U0001d400",
    )
    for count in (3_000,)
]  # fmt: skip


ONE_EACH = {spec.extractor: spec for spec in SPECS}.values()


@pytest.mark.parametrize("spec", ONE_EACH, ids=lambda s: f"{s.extractor}")
def test_hostile_texts_end(spec: FactSpec) -> None:
    for text in HOSTILE:
        check(spec, text)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.extractor}")
def test_long_hostile_texts_end(spec: FactSpec) -> None:
    for text in HOSTILE:
        for start in ("", "SELECT ", "ls ", "a@b.example "):
            check(spec, start + (text * 6)[:16_000])


PATH = st.text(alphabet="$.a*[]'\"0?@,:()\\ ", max_size=20)


@given(path=PATH, arguments=st.dictionaries(st.sampled_from("aq"), JSON, max_size=2))
def test_any_argument_path(path: str, arguments: dict[str, Any]) -> None:
    try:
        spec = FactSpec("f", "json", ("*",), ("$" + path,), options_for("json", {}))
    except FactError:
        with pytest.raises(FactError, match="not a path"):
            parse("$" + path)
        return
    assert isinstance(compute(spec, arguments, ENV).attributes["ok"], bool)
