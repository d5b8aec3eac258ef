import json

import pytest

from remit.policy.arguments import Validator
from remit.policy.errors import BadArgument
from remit.policy.shapes import ShapeError


def test_it_names_the_argument_and_not_the_value():
    validator = Validator(
        {"type": "object", "properties": {"a": {"maxLength": 1}}, "required": ["a"]}
    )
    validator.check({"a": "x"})
    with pytest.raises(BadArgument) as error:
        validator.check({"a": "s3cret"})
    assert error.value.argument == "a"
    assert "s3cret" not in str(error.value)
    with pytest.raises(BadArgument) as error:
        validator.check({})
    assert error.value.argument == "arguments"


def test_no_reference_leaves_the_schema(tmp_path):
    outside = tmp_path / "x.json"
    outside.write_text(json.dumps({"type": "object"}))
    for ref in (outside.as_uri(), "http://127.0.0.1:9/x", "x.json", "#anchor"):
        for schema in ({"$ref": ref}, {"not": {"$ref": ref}}, {"allOf": [{"if": {"$ref": ref}}]}):
            with pytest.raises(ShapeError):
                Validator({"type": "object", **schema})


@pytest.mark.timeout(60)  # where each is followed: 2**40 of them
@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_references_beside_references_are_weighed(word):
    defs = {f"a{n}": {word: [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    schema = {"type": "object", "not": {"$ref": "#/$defs/a0"}, "$defs": {**defs, "a40": False}}
    with pytest.raises(ShapeError):
        Validator(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"$ref": "#"}},
        {"$dynamicRef": "#x"},
        {"type": "nonsense"},
        {"pattern": "(?=x)"},
        {"pattern": "(?P<a>x)(?P=a)"},
        {"pattern": "(" * 500 + ")" * 500},
        {"pattern": "((a{1000}){1000}){1000}"},
        {"properties": []},
        {"description": "x" * 600_000},
        {"x": object()},
    ],
)
def test_schemas_that_are_not_usable(schema):
    with pytest.raises(ShapeError):
        Validator(schema)


@pytest.mark.timeout(60)  # with backtracking it does not end
def test_patterns_take_linear_time():
    validator = Validator({"properties": {"a": {"pattern": "^(a+)+$"}}})
    with pytest.raises(BadArgument):
        validator.check({"a": "a" * 50_000 + "!"})
