"""Agent definitions: strict, and clear about what is wrong."""

import pytest

from remit.artifacts.agent import API_VERSION, Dependency, parse_agent
from remit.artifacts.errors import DefinitionError
from remit.artifacts.oci.names import Reference

DIGEST = "sha256:" + "a" * 64
HEAD = f"apiVersion: {API_VERSION}\nname: reporter\nversion: 1.10\n"
FULL = f"""{HEAD}description: writes reports
client: claude-code
model: registry.example/models/qwen:7b
mcpServers:
  - registry.example/mcp/postgres:1.4
  - {{name: files, ref: "registry.example/mcp/fs@{DIGEST}"}}
skills: [skills/report:v2]
prompts: [prompts/tone]
policies: [registry.example/policies/finance:4]
"""


def test_every_key():
    found = parse_agent(FULL.encode())
    assert (found.name, found.version, found.client) == ("reporter", "1.10", "claude-code")
    assert [(each.role, each.name, str(each.reference)) for each in found.dependencies] == [
        ("model", "qwen", "registry.example/models/qwen:7b"),
        ("mcp-server", "postgres", "registry.example/mcp/postgres:1.4"),
        ("mcp-server", "files", f"registry.example/mcp/fs@{DIGEST}"),
        ("skill", "report", "skills/report:v2"),
        ("prompt", "tone", "prompts/tone"),
        ("policy", "finance", "registry.example/policies/finance:4"),
    ]
    assert found.of("skill") == (
        Dependency(role="skill", name="report", reference=Reference.parse("skills/report:v2")),
    )


def test_an_image_and_a_hosted_model():
    found = parse_agent(
        f"{HEAD}image: registry.example/agents/r:1\nmodel: {{hosted: anthropic/claude-sonnet-4}}\n".encode()
    )
    assert found.client == ""
    assert found.hosted_model == "anthropic/claude-sonnet-4"
    assert [each.role for each in found.dependencies] == ["image"]


def test_json_is_yaml():
    text = f'{{"apiVersion": "{API_VERSION}", "name": "a", "version": "1", "client": "cursor"}}'
    assert parse_agent(text.encode()).client == "cursor"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("client: x\nimage: a:v1", "exactly one of"),
        ("", "exactly one of"),
        ("client: x\nserver: y", "`server` is no key"),
        ("client: [x]", "`client`: it is missing or no text"),
        ("client: ''", "`client`: it is missing or no text"),
        ("client: null", "`client`: it is missing or no text"),
        ("client: ../x", "no name of a client"),
        ("client: x\nmodel: UPPER/case", "`model`"),
        ("client: x\nmodel: a b", "`model`"),
        ("client: x\nmodel: null", "`model`"),
        ("client: x\nmodel: {hosted: nothing}", "PROVIDER/MODEL"),
        ("client: x\nmodel: {hosted: a/b, ref: c}", "`ref` is no key of `model`"),
        ("client: x\nmodel: {name: a}", "no reference"),
        ("client: x\nskills: a:v1", "no list"),
        ("client: x\nskills: [[a]]", "no reference"),
        ("client: x\nskills: [{name: a, ref: b, tag: c}]", "`tag` is no key"),
        ("client: x\nskills: [{name: '../a', ref: b}]", "is no name"),
        ("client: x\nskills: [a/x:1, b/x:2]", "two of `skill` have the name `x`"),
        ("client: x\nskills: ['a@sha256:12']", "digest"),
        ("client: x\nskills: ['a:-bad']", "is not a tag"),
        ("client: x\ndescription: " + "x" * 1100, "longer"),
        ("client: x\nskills: [" + ",".join(f"a/s{n}" for n in range(300)) + "]", "more than 256"),
        ("client: x\nskills: &a [b]\nprompts: *a", "anchors"),
    ],
)
def test_what_is_wrong_is_said(change, why):
    with pytest.raises(DefinitionError, match=why) as caught:
        parse_agent((HEAD + change).encode())
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "x", "name: a", HEAD.replace("v1", "v2") + "client: x", HEAD.replace("reporter", "Reporter") + "client: x",
        HEAD.replace("reporter", "a" * 65) + "client: x", HEAD.replace("1.10", "'1 0'") + "client: x",
        HEAD.replace("name: reporter\n", "") + "client: x",
    ],
)  # fmt: skip
def test_what_is_no_definition(text):
    with pytest.raises(DefinitionError):
        parse_agent(text.encode())
