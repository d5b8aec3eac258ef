"""The schema of agent definitions accepts what the parser accepts, and refuses what it refuses."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from remit.artifacts.agent import parse_agent
from remit.artifacts.errors import DefinitionError
from remit.artifacts.lock import lock_bytes, parse_lock
from tests.unit.artifacts import test_agent as agents
from tests.unit.artifacts.test_lock import LOCK, VALUE

SPEC = Path(__file__).resolve().parents[2] / "spec"
SCHEMA = json.loads((SPEC / "agent.schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


class Texts(yaml.SafeLoader):
    """Every scalar is its text."""


Texts.yaml_implicit_resolvers = {}

# What a schema cannot say: names that collide, how many in all, and what only YAML has.
BEYOND = ("two of `skill`", "more than 256", "anchors", "null", "is not a tag")


def value(text: str):
    return yaml.load(text, Loader=Texts)


@pytest.mark.parametrize(
    "text",
    [
        agents.FULL,
        agents.HEAD + "client: x\n",
        agents.HEAD + "image: a/b\nmodel: {hosted: openai/gpt-5}\n",
        agents.HEAD + "image: {name: runner, ref: localhost:5000/a}\nskills: []\n",
    ],
)
def test_what_is_right(text):
    parse_agent(text.encode())
    VALIDATOR.validate(value(text))


def _wrong():
    (mark,) = (m for m in agents.test_what_is_wrong_is_said.pytestmark if m.name == "parametrize")
    return [case for case in mark.args[1] if not any(each in " ".join(case) for each in BEYOND)]


@pytest.mark.parametrize(("change", "why"), _wrong())
def test_what_is_wrong(change, why):
    text = agents.HEAD + change
    with pytest.raises(DefinitionError, match=why):
        parse_agent(text.encode())
    assert not VALIDATOR.is_valid(value(text))


def test_locks():
    VALIDATOR.validate(json.loads(lock_bytes(LOCK)))
    for change in (
        {"lockVersion": 2},
        {"more": 1},
        {"definition": "x"},
        {"dependencies": [VALUE["dependencies"][0] | {"ref": "a:v1"}]},
    ):
        assert not VALIDATOR.is_valid(VALUE | change)
        with pytest.raises(DefinitionError):
            parse_lock(json.dumps(VALUE | change).encode())


def test_the_examples_of_the_page():
    page = (SPEC / "agent.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    found = parse_agent(text.encode())
    assert [each.name for each in found.dependencies] == [
        "qwen",
        "postgres",
        "files",
        "report",
        "tone",
        "finance",
    ]
    VALIDATOR.validate(value(text))
