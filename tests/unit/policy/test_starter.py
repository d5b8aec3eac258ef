import pytest

from remit.core.event import ToolClass
from remit.policy.bundle import load_bundle
from remit.policy.pins import pin
from remit.policy.policy import Policy
from remit.policy.samples import sample
from remit.policy.starter import guess, starter
from remit.policy.testing import run_tests

TEXT = {"type": "string"}


def schema(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


def tool(name, definition=None, **hints):
    found = {"name": name, "inputSchema": definition or {"type": "object"}}
    return {**found, "annotations": hints} if hints else found


def made(tmp_path, tools, server="s"):
    for name, data in starter(pin(server, tools)).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    policy = Policy.compile(load_bundle(tmp_path))
    return policy, run_tests(policy)


@pytest.mark.parametrize(
    "tools",
    [
        [],
        [tool("get_x")],
        [tool("delete_x"), tool("read_x"), tool("write_x")],
        [tool("get_x", schema(path=TEXT)), tool("move_x", schema(source=TEXT, destination=TEXT))],
        [tool("get_x", schema(path={"type": "array", "items": TEXT, "minItems": 1}))],
        [tool("search_db", schema(sql=TEXT)), tool("run_sql", schema(sql=TEXT))],
        [tool("fetch", schema(url=TEXT)), tool("run", schema(command=TEXT))],
        [tool('odd "name" \\ ü', schema(**{'a "b" \\': TEXT}))],
        [tool("*", readOnlyHint=True), tool("drop_all")],
        [tool("get_[x]", schema(path=TEXT)), tool("get_?")],
        [tool("get_x", schema(path={"type": "string", "pattern": "^[0-9]{40}$"}))],
        [tool("get_x", {"type": "object", "properties": {"a": {"$ref": "#"}}}), tool("get_y")],
        [tool("${x} {y} %s", schema(path=TEXT)), tool("// comment; */")],
    ],
)
def test_what_it_writes_loads_and_passes(tmp_path, tools):
    policy, report = made(tmp_path, tools)
    assert [o.message for o in report.outcomes if not o.passed] == []
    assert len(report.outcomes) >= 3
    assert {w.code for w in policy.warnings} <= {"policy.tool_schema"}


def test_a_tool_called_like_a_pattern_classifies_nobody(tmp_path):
    policy, _ = made(tmp_path, [tool("*", readOnlyHint=True), tool("new_thing")])
    assert policy.tool_class("s", "later") is ToolClass.DESTRUCTIVE
    assert policy.tool_class("s", "*") is ToolClass.DESTRUCTIVE


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        (tool("get_file"), "read"),
        (tool("listAllFiles"), "read"),
        (tool("create_file"), "write"),
        (tool("delete_file"), "destructive"),
        (tool("getAndDelete"), "destructive"),
        (tool("delete_file", readOnlyHint=True), "destructive"),
        (tool("frobnicate"), "destructive"),
        (tool("frobnicate", readOnlyHint=True), "read"),
        (tool("frobnicate", readOnlyHint=False, destructiveHint=False), "write"),
        (tool("get_file", destructiveHint=True), "destructive"),
        (tool("branch", readOnlyHint=True), "read"),
        (tool("get_file", readOnlyHint="yes"), "read"),
    ],
)
def test_guesses(definition, kind):
    assert guess(pin("s", [definition]).tools[0]) == kind


def test_samples_fit_most_schemas():
    from remit.policy.arguments import Validator

    rich = {
        "type": "object",
        "required": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
        "properties": {
            "a": {"type": "string", "minLength": 5},
            "b": {"type": "integer", "minimum": 3},
            "c": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
            "d": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "e": {"enum": ["x", "y"]},
            "f": {"const": 5},
            "g": {"$ref": "#/$defs/g"},
            "h": {"type": ["number", "null"], "exclusiveMinimum": 2},
            "i": {"type": "string", "format": "date-time"},
            "j": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
            "k": {},
        },
        "$defs": {"g": {"type": "string", "examples": ["hello"]}},
    }
    Validator(rich).check(sample(rich))
    assert sample(True) == "x"
    assert sample({"$ref": "#/none"}) == "x"
