"""Kitfiles: YAML of people, JSON of registries."""

import json

import pytest

from remit.artifacts.errors import DefinitionError
from remit.artifacts.kitfile import Entry, Kitfile, config_bytes, document, is_reference, yaml_bytes
from remit.artifacts.kitread import parse_config, parse_yaml

FULL = b"""
manifestVersion: 1.0.0
package: {name: p, version: 1.10, description: d, license: MIT, authors: [a, b]}
model:
  name: m
  path: ./model
  license: Apache-2.0
  framework: torch
  format: safetensors
  version: 2
  description: about
  parts: [{name: lora, path: lora, license: MIT, type: lora-weights}]
  parameters: {z: 1, a: [1.5, true, null, "x"], h: 0xFF}
code: [{path: src, description: c, license: MIT}]
datasets:
  - {name: d, path: data, description: x, license: CC0-1.0, parameters: {rows: 7}}
  - {name: far, path: far, remotePath: "s3://bucket/key", remoteHash: etag}
docs: [{path: README.md, description: read}]
prompts: [{name: sys, path: prompts/sys.md, description: p}]
mcpServers: [{name: fs, path: fs.mcpb, description: files}]
"""


def test_every_key():
    found = parse_yaml(FULL)
    assert (found.name, found.version, found.authors) == ("p", "1.10", ("a", "b"))
    assert [each.section for each in found.entries] == [
        "model", "modelpart", "code", "dataset", "dataset", "docs", "prompt", "mcpserver",
    ]  # fmt: skip
    model, part, _, data, far, *_ = found.entries
    assert model.clean == "model"
    assert model.version == "2"
    assert model.parameters == {"z": 1, "a": [1.5, True, None, "x"], "h": 255}
    assert part.type == "lora-weights"
    assert data.parameters == {"rows": 7}
    assert data.layered
    assert not far.layered
    assert found.licenses == ("Apache-2.0", "CC0-1.0", "MIT")


def test_yaml_and_json_say_the_same():
    found = parse_yaml(FULL)
    assert parse_yaml(yaml_bytes(found)) == found
    assert parse_config(config_bytes(found)) == found


def test_the_config_is_written_as_kit_does():
    found = Kitfile(
        name="big", entries=(
            Entry(section="model", name="w", path="model", digest="sha256:68", diff_id="sha256:68"),
            Entry(section="code", path="pol.yaml", description="a <b> & c\u2028", digest="sha256:c9"),
        )
    )  # fmt: skip
    assert config_bytes(found) == (
        b'{"manifestVersion":"1.0.0","package":{"name":"big"},"model":{"name":"w","path":"model",'
        b'"digest":"sha256:68","diffId":"sha256:68"},"code":[{"path":"pol.yaml",'
        b'"description":"a \\u003cb\\u003e \\u0026 c\\u2028","digest":"sha256:c9"}]}'
    )


def test_unknown_keys_of_the_json_are_kept():
    value = {
        "manifestVersion": "1.0.0",
        "package": {"name": "x", "vendor": {"a": 1}},
        "code": [{"path": "a", "digest": "sha256:1", "sbom": [1, 2]}],
        "agents": [{"path": "b"}],
    }
    found = parse_config(json.dumps(value).encode())
    assert found.extra == {"agents": [{"path": "b"}]}
    assert document(found, layers=True) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("agents: []", "`agents` is no key of a Kitfile"),
        ("package: {nam: x}", "`nam` is no key of `package`"),
        ("model: {pth: x}", "`pth` is no key of `model`"),
        ("code: [{path: a, name: x}]", "`name` is no key"),
        ("code: [{path: a, digest: sha256:1}]", "`digest` is no key"),
        ("code: {path: a}", "is not a list"),
        ("code: [a]", "is not a mapping"),
        ("code: [{path: [a]}]", "is not a text"),
        ("package: x", "is not a mapping"),
        ("- a", "is not a mapping"),
        ("code: [{path: /etc}]", "is absolute"),
        ("code: [{path: ../x}]", "leaves the directory"),
        ("code: [{path: a/../../x}]", "leaves the directory"),
        ("code: [{path: 'a\\b'}]", "backslash"),
        ("code: [{path: 'https://x.example/a'}]", "URL"),
        ("code: [{path: 's3://bucket/key'}]", "URL"),
        ("code: [{path: 'registry.example/a:v1'}]", "reference"),
        ("code: [{path: a}]\ndocs: [{path: ./a/}]", "same path"),
        ("model: {path: a, parts: [{path: a}]}", "same path"),
        ("code: [{path: .}, {}]", "same path"),
        ("model: {path: a, parts: [{path: b, type: '-x'}]}", "no word"),
        ("model: {path: a, parts: [{path: b, type: " + "x" * 65 + "}]}", "no word"),
        ("datasets: [{path: a, remoteHash: x}]", "only with"),
        ("datasets: [{path: a, remotePath: 's3://b/k'}]", "no `remoteHash`"),
        ("datasets: [{path: a, remotePath: 'https://b/k', remoteHash: x}]", "neither"),
        ("datasets: [{path: a, remotePath: 'reg.example/d:v1'}]\ncode: [{path: a/b}]", "inside"),
        ("mcpServers: [{path: a.mcpb}]", "no name"),
        ("mcpServers: [{name: x, path: a.zip}]", "mcpb"),
        ("mcpServers: [{name: x, path: a.mcpb}, {name: x, path: b.mcpb}]", "name `x`"),
        ("code: &a [{path: x}]\ndocs: *a", "anchors"),
        ("code: [{path: a}]\ncode: [{path: b}]", "twice"),
    ],
)
def test_what_is_wrong_is_said(text, why):
    with pytest.raises(DefinitionError, match=why):
        parse_yaml(text.encode())


def test_every_wrong_path_is_in_the_message():
    with pytest.raises(DefinitionError) as caught:
        parse_yaml(b"code: [{path: /a}, {path: ../b}]\ndocs: [{path: c}, {path: c}]")
    for part in ("/a", "../b", "same path"):
        assert part in caught.value.message


def test_what_kit_allows_is_allowed():
    parse_yaml(b"prompts: [{path: a}, {path: a}]")
    parse_yaml(b"model: {path: 'registry.example/base:v1', parts: [{path: lora}]}")
    parse_yaml(b"datasets: [{path: a, remotePath: 'reg.example/d:v1'}, {path: b}]")
    parse_yaml(b"manifestVersion: v9")
    parse_yaml(b"model: {name: only a name}\ncode: [{}]")
    assert parse_yaml(b"").entries == ()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("model", False), ("a:v1", True), ("reg.example/a/b:v1", True), ("C:\\x", False), ("a: b", False), ("./a:b", False), ("a@sha256:" + "0" * 64, True)],
)  # fmt: skip
def test_references(text, is_one):
    assert is_reference(text) is is_one


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"code":[{"path":1}]}', b'{"a":1,"a":2}', b'{"model":[]}']
)
def test_a_config_that_is_malformed(data):
    with pytest.raises(DefinitionError):
        parse_config(data)


def test_a_config_without_digests_and_with_null():
    found = parse_config(
        b'{"manifestVersion":"1.0.0","package":{},"model":null,"code":[{"path":"a"}]}'
    )
    assert found.entries == (Entry(section="code", path="a"),)
