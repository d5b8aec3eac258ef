import pytest

from remit.policy import engine, schema
from remit.policy.schema import Action
from remit.policy.shapes import Choice, Enum, Opaque, Record, Scalar, SetOf, ShapeError, derive


def one(definition, **root):
    return derive("s_t", {"type": "object", "properties": {"a": definition}, **root}).fields["a"]


@pytest.mark.parametrize(
    ("definition", "shape"),
    [
        ({"type": "string"}, Scalar("String")),
        ({"type": "integer"}, Scalar("Long")),
        ({"type": "number"}, Scalar("decimal")),
        ({"type": "boolean"}, Scalar("Bool")),
        ({"type": "string", "format": "date-time"}, Scalar("datetime")),
        ({"type": "string", "format": "date"}, Scalar("datetime")),
        ({"type": "string", "format": "ipv4"}, Scalar("ipaddr")),
        ({"type": "string", "format": "uuid"}, Scalar("String")),
        ({"type": "string", "format": "duration"}, Scalar("String")),
        ({"type": "string", "enum": ["a", "b", "a"]}, Enum("s_t_a", ("a", "b"))),
        ({"enum": ["", "ü", '"', "\n"]}, Enum("s_t_a", ("", "ü", '"', "\n"))),
        ({"const": "x"}, Enum("s_t_a", ("x",))),
        ({"enum": ["a", None]}, Enum("s_t_a", ("a",))),
        ({"enum": [1, 2]}, Scalar("Long")),
        ({"enum": ["a", 1]}, Opaque()),
        ({"enum": []}, Opaque()),
        ({"type": "number", "enum": [1.5]}, Scalar("decimal")),
        ({"const": 1}, Opaque()),
        ({}, Opaque()),
        (True, Opaque()),
        (False, Opaque()),
        ({"type": "object"}, Opaque()),
        ({"type": "object", "additionalProperties": {"type": "string"}}, Opaque()),
        ({"type": "array", "items": {"type": "string"}}, SetOf(Scalar("String"))),
        ({"type": "array"}, SetOf(Opaque())),
        ({"type": "array", "items": {"type": ["string", "null"]}}, SetOf(Opaque())),
        ({"type": ["string", "null"]}, Scalar("String")),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Scalar("Long")),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            Choice((Scalar("Long"), Scalar("String"))),
        ),
        ({"allOf": [{"type": "string"}]}, Scalar("String")),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, Opaque()),
        (
            {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
            Record({"b": Scalar("String")}, frozenset({"b"})),
        ),
        (
            {"type": "object", "properties": {"b": {}}, "additionalProperties": True},
            Record({"b": Opaque()}, frozenset(), open=True),
        ),
        ({"type": "null"}, Opaque()),
    ],
)
def test_what_becomes_of_json_schema(definition, shape):
    assert one(definition) == shape


def test_references_inside_the_schema_are_followed():
    shape = one({"$ref": "#/$defs/x~1y"}, **{"$defs": {"x/y": {"type": "string"}}})
    assert shape == Scalar("String")


@pytest.mark.parametrize(
    "name",
    ["in", "if", "", "ü", "a-b", "a b", 'q"', "typeChoice0", "open", "a0", "\\", "\n", "class"],
)
def test_any_argument_name_works(name):
    shape = derive(
        "s_t",
        {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]},
    )
    assert shape == Record({name: Scalar("String")}, frozenset({name}))
    engine.schema(schema.document([Action("s/t", "tool.read", shape)]))


def test_null_is_absence_even_if_required():
    shape = derive(
        "s_t",
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
    )
    assert shape.required == frozenset()


def test_only_an_explicit_permission_opens_an_object():
    for value, is_open in ((True, True), ({"type": "string"}, True), ({}, True), (False, False)):
        found = derive("s_t", {"type": "object", "additionalProperties": value})
        assert found.open is is_open
    assert derive("s_t", {"type": "object"}).open is False


def test_a_thousand_arguments():
    many = {f"argument {n}": {"type": "string"} for n in range(1000)}
    shape = derive("s_t", {"type": "object", "properties": many})
    assert len(shape.fields) == 1000
    engine.schema(schema.document([Action("s/t", "tool.read", shape)]))


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "x",
        {"type": "string"},
        {"type": ["object"]},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
        {"properties": {"a": {"$ref": 1}}},
        {"properties": {"a": {"enum": "x"}}},
        {"properties": {"a": {"enum": ["x"] * 6000}}},
        {"properties": {"a": {"properties": 1}}},
        {"properties": {f"a{n}": {} for n in range(6000)}},
        {"required": "a", "properties": {"a": {}}},
        {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
    ],
)
def test_what_has_no_shape(bad):
    with pytest.raises(ShapeError):
        derive("s_t", bad)


def test_fan_out_by_references_is_bounded():
    defs = {
        f"a{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/a{n + 1}"} for k in "xy"}}
        for n in range(20)
    }
    with pytest.raises(ShapeError):
        one({"$ref": "#/$defs/a0"}, **{"$defs": {**defs, "a20": {}}})


def test_enum_types_of_two_arguments_with_one_name_are_refused_together(tmp_path):
    from tests.unit.policy.support import PERMIT, compiled, decide, servers

    twins = {"a b": {"enum": ["x"]}, "a-b": {"enum": ["y"]}}
    policy = compiled(tmp_path, PERMIT, servers(s={"t": {"type": "object", "properties": twins}}))
    assert decide(policy, "s/t").error == "bad_schema"
