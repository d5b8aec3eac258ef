import importlib
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import remit.facts
from remit.facts import registry
from remit.facts.base import Environment, FactError, NoOptions, shape
from remit.facts.registry import FactSpec, compute, extractor, matches, names, options_for

ENV = Environment(workspace="/nowhere")

MODULE = textwrap.dedent(
    '''
    """A fact that was dropped in."""
    from remit.facts.base import NoOptions, shape

    class Dropped:
        name = "dropped_in"
        options = NoOptions
        shape = shape(size="Long")
        worst = {"size": -1}

        def extract(self, values, options, env):
            return {"size": len(values[0])}

    EXTRACTOR = Dropped()
    '''
)


@pytest.fixture
def fresh() -> Iterator[None]:
    def clear() -> None:
        registry._modules.cache_clear()
        registry._load.cache_clear()
        sys.modules.pop("remit.facts.dropped_in", None)
        importlib.invalidate_caches()

    clear()
    yield
    clear()


def test_all_extractors_are_found() -> None:
    assert names() == ("json", "mail", "match", "path", "shell", "sql", "url")


@pytest.mark.parametrize("name", names())
def test_each_extractor_keeps_the_contract(name: str) -> None:
    found = extractor(name)
    assert found.name == name
    assert {"ok", "present"} <= found.shape.keys()
    assert found.worst.keys() == found.shape.keys() - {"ok", "present"}
    assert found.options.__struct_config__.forbid_unknown_fields
    assert found.options.__struct_config__.frozen


def test_unknown_names_get_a_hint() -> None:
    with pytest.raises(FactError) as caught:
        extractor("sqll")
    assert caught.value.code == "facts.unknown_extractor"
    assert "`sql`" in caught.value.hint
    with pytest.raises(FactError) as caught:
        extractor("zzzzzz")
    assert "shell" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["base", "registry", "usage", "_sql_text", "", "..", "os", "sql.x"]
)
def test_modules_that_are_no_extractor_are_unknown(name: str) -> None:
    with pytest.raises(FactError):
        extractor(name)


def test_a_new_file_is_a_new_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    (tmp_path / "dropped_in.py").write_text(MODULE)
    monkeypatch.setattr(remit.facts, "__path__", [*remit.facts.__path__, str(tmp_path)])
    assert "dropped_in" in names()
    spec = FactSpec("d", "dropped_in", ("*",), ("q",), NoOptions())
    assert compute(spec, {"q": "abc"}, ENV).attributes == {"ok": True, "present": True, "size": 3}


def test_a_new_file_is_found_in_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "app.zip"
    package = Path(remit.facts.__path__[0]).parent
    with zipfile.ZipFile(archive, "w") as target:
        for source in sorted(package.rglob("*.py")):
            if source.relative_to(package).parts[0] in {"facts", "core", "__init__.py"}:
                target.write(source, Path("remit") / source.relative_to(package))
        target.writestr("remit/facts/dropped_in.py", MODULE)
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "import remit.facts, remit.facts.registry as r\n"
        "assert '.zip' in remit.facts.__file__, remit.facts.__file__\n"
        "assert 'dropped_in' in r.names() and 'sql' in r.names()\n"
        "from remit.facts.base import Environment, NoOptions\n"
        "s = r.FactSpec('d', 'dropped_in', ('*',), ('q',), NoOptions())\n"
        "assert r.compute(s, {'q': 'ab'}, Environment(workspace='/')).attributes['size'] == 2\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_and_listing_facts_loads_nothing_heavy() -> None:
    code = (
        "import sys, remit.facts.registry as r, remit.facts.usage, remit.facts.session\n"
        "r.names()\n"
        "heavy = {'sqlglot', 're2', 'jsonpath', 'tree_sitter', 'yaml', 'importlib.metadata',"
        " 'asyncio', 'ipaddress', 'logging', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "table", "word"),
    [
        ("sql", {}, "dialect"),
        ("sql", {"dialect": "sybase"}, "sybase"),
        ("sql", {"dialect": 1}, "str"),
        ("sql", {"dialect": "sqlite", "typo": 1}, "typo"),
        ("sql", {"dialect": "sqlite", "functions": ["COUNT"]}, "lower-case"),
        ("sql", {"dialect": "sqlite", "default_schema": "a b"}, "schema"),
        ("shell", {"form": "text"}, "form"),
        ("path", {"workspace": "relative"}, "absolute"),
        ("match", {}, "patterns"),
        ("match", {"patterns": []}, "empty"),
        ("url", {"x": 1}, "x"),
        ("mail", {"x": 1}, "x"),
        ("json", {"x": 1}, "x"),
    ],
)
def test_bad_options_are_refused(name: str, table: dict[str, Any], word: str) -> None:
    with pytest.raises(FactError) as caught:
        options_for(name, table)
    assert caught.value.code == "facts.bad_options"
    assert word in caught.value.message


def test_a_spec_refuses_what_could_only_fail_later() -> None:
    with pytest.raises(FactError):
        FactSpec("f", "url", ("*",), (), NoOptions())
    with pytest.raises(FactError):
        FactSpec("f", "url", ("*",), ("$.a[?@.b]",), NoOptions())
    with pytest.raises(FactError):
        FactSpec("f", "nope", ("*",), ("a",), NoOptions())
    with pytest.raises(FactError):
        FactSpec("f", "sql", ("*",), ("a",), NoOptions())


@pytest.mark.parametrize(
    ("globs", "action", "expected"),
    [
        (("*",), "a/b", True),
        (("db/*",), "db/query", True),
        (("db/*",), "xdb/query", False),
        (("db/quer?",), "db/query", True),
        (("db/query",), "db/query2", False),
        (("db/query",), "db/query\n", False),
        (("a", "db/*"), "db/x", True),
        (("db.*",), "dbxa", False),
        (("[a]*",), "a", False),
        (("*a*a*a*",), "baaab", True),
        ((), "a", False),
        (("",), "", True),
    ],
)
def test_globs(globs: tuple[str, ...], action: str, expected: bool) -> None:
    assert matches(globs, action) is expected


def test_many_stars_are_fast() -> None:
    assert not matches(("*" * 50 + "a",), "b" * 5000)


def spec(name: str = "url") -> FactSpec:
    return FactSpec("f", name, ("*",), ("a", "b"), options_for(name, {}))


@pytest.mark.parametrize("arguments", [{}, {"c": 1}, {"a": None}, {"a": None, "b": None}])
def test_absent_arguments(arguments: dict[str, Any]) -> None:
    found = compute(spec(), arguments, ENV)
    assert found.problem == ""
    assert found.attributes["ok"] is True
    assert found.attributes["present"] is False
    assert not any(v for k, v in found.attributes.items() if k != "ok")


def test_values_of_several_arguments_are_joined() -> None:
    found = compute(spec(), {"a": "http://x.example", "b": ["ftp://y.example"]}, ENV)
    assert found.attributes["hosts"] == ["x.example", "y.example"]


class Broken:
    name = "broken"
    options = NoOptions
    shape = shape(flag="Bool", size="Long", text="String", items="Set<String>")
    worst: Mapping[str, Any] = {"flag": True, "size": -1, "text": "?", "items": ("unknown",)}
    result: Any = None

    def extract(self, values: Any, options: Any, env: Any) -> Any:
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


GOOD = {"flag": False, "size": 1, "text": "x", "items": {"b", "a"}}


@pytest.mark.parametrize(
    "result",
    [
        None, {}, {**GOOD, "more": 1}, {**GOOD, "flag": 1}, {**GOOD, "size": True}, {**GOOD, "size": 1.0},
        {**GOOD, "size": 1 << 63}, {**GOOD, "text": None}, {**GOOD, "text": "\ud800"},
        {**GOOD, "text": "x" * 100_000}, {**GOOD, "items": "ab"}, {**GOOD, "items": [1]},
        {**GOOD, "items": [str(i) for i in range(3000)]}, {**GOOD, "items": ["\udfff"]},
        {k: v for k, v in GOOD.items() if k != "flag"},
        ValueError("secret value"), RecursionError(), MemoryError(), KeyError("x"),
        FactError("why"), FactError("why", seen={"size": 7}), FactError("why", seen={"size": "bad"}),
        FactError("why", seen={"other": 1}),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_is_a_failed_fact(monkeypatch: pytest.MonkeyPatch, result: Any) -> None:
    broken = Broken()
    broken.result = result
    monkeypatch.setattr(registry, "extractor", lambda _: broken)
    found = compute(spec(), {"a": "x"}, ENV)
    assert found.problem
    assert "secret" not in found.problem
    assert found.attributes["ok"] is False
    assert found.attributes["present"] is True
    assert found.attributes["items"] == ["unknown"]
    assert found.attributes["size"] in {-1, 7}


def test_good_results_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    broken.result = GOOD
    monkeypatch.setattr(registry, "extractor", lambda _: broken)
    found = compute(spec(), {"a": "x"}, ENV)
    assert found.problem == ""
    assert found.attributes == {
        "ok": True, "present": True, "flag": False, "size": 1, "text": "x", "items": ["a", "b"],
    }  # fmt: skip


def test_a_missing_extractor_is_a_failed_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = spec()

    def gone(_: str) -> Any:
        raise FactError("gone")

    monkeypatch.setattr(registry, "extractor", gone)
    assert compute(wanted, {"a": "x"}, ENV).attributes["ok"] is False


def test_facts_of_text_are_remembered_per_spec_and_text():
    first = FactSpec("q", "sql", ("*",), ("q",), options_for("sql", {"dialect": "sqlite"}))
    other = FactSpec("q", "sql", ("*",), ("q",), options_for("sql", {"dialect": "mysql"}))
    env = Environment(workspace="/w")
    text = {"q": "SELECT 'a\\'; DROP TABLE t; -- '"}
    registry.forget()
    one = compute(first, text, env)
    assert compute(first, dict(text), env) is one
    assert compute(other, text, env) is not one
    assert compute(first, {"q": "SELECT 2"}, env) is not one
    for number in range(2 * registry.MAX_REMEMBERED):
        compute(first, {"q": f"SELECT {number}"}, env)
    assert len(registry._remembered) <= registry.MAX_REMEMBERED
    path = FactSpec("p", "path", ("*",), ("q",), options_for("path", {}))
    there = Environment(workspace="/w", realpath=lambda p: p)
    away = Environment(workspace="/w", realpath=lambda p: "/away" if p.endswith("x") else p)
    assert compute(path, {"q": "x"}, there).attributes["inside_workspace"] is True
    assert compute(path, {"q": "x"}, away).attributes["inside_workspace"] is False
