"""MCP servers as the MCP registry describes them: hostile texts first."""

import json

import jsonschema_rs
import pytest

from remit.artifacts.kitfile import Kitfile
from remit.artifacts.modelkit import CONFIG
from remit.artifacts.oci.digests import EMPTY_DIGEST
from remit.artifacts.oci.manifest import MANIFEST, Descriptor, Manifest
from remit.artifacts.servers import SUMMARY, namespace_of, precedence, server_json, server_of
from tests.rig.governed import ROOT

SCHEMA = json.loads((ROOT / "spec" / "mcp-registry.schema.json").read_text())
VALID = jsonschema_rs.validator_for(
    {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": "#/$defs/server"},
    validate_formats=True,
)
BUNDLE = "application/vnd.kitops.modelkit.mcpb.v1.raw"


def described(media_type):
    return Descriptor(media_type=media_type, digest=EMPTY_DIGEST, size=2)


def made(bundle=None, *, config=CONFIG, layers=(BUNDLE,), annotations=None, repository="t/w"):
    manifest = Manifest(
        media_type=MANIFEST,
        config=described(config),
        layers=tuple(map(described, layers)),
        annotations=annotations or {},
    )
    kitfile = Kitfile(name="kit", version="2.0.0", extra={SUMMARY: bundle} if bundle else {})
    server = server_of(
        manifest, kitfile, digest=EMPTY_DIGEST, repository=repository, namespace="example.hub"
    )
    document = server_json(server, url="https://hub.example", repository=repository)
    VALID.validate(document)
    return document


@pytest.mark.parametrize(
    "bundle",
    [
        {"name": "a/b/c", "version": "*", "description": 7, "user_config": [], "env": "x"},
        {"name": "x" * 300 + "/y", "version": "1.x", "description": "d" * 5000},
        {"name": "../etc/passwd", "version": "latest", "display_name": "\u202e\n\t "},
        {"version": "^1.2", "homepage": "javascript:alert(1)", "repository": "file:///etc"},
        {"homepage": "https://[", "repository": {"url": "https://x y/"}, "version": ">=1"},
        {"homepage": "https://" + "h" * 5000, "env": {"A": "${user_config.k}"}, "user_config": {}},
        {"env": {f"V{at}": "${user_config.k}" for at in range(500)}, "user_config": {"k": "x"}},
        [],
        "text",
        {"name": None, "description": None, "version": None, "user_config": None, "env": None},
    ],
)
def test_whatever_a_bundle_says_the_answer_has_its_form(bundle):
    found = made(bundle)
    assert found["name"] == "example.hub/t.w"
    assert len(found.get("packages", [{}])[0].get("environmentVariables", [])) <= 100


def test_secrets_have_no_default():
    config = {"k": {"type": "string", "sensitive": True, "default": "hunter2", "title": "K"}}
    bundle = {"env": {"K": "${user_config.k}", "P": "x${user_config.k}"}, "user_config": config}
    (package,) = made(bundle)["packages"]
    assert package["environmentVariables"] == [{"name": "K", "description": "K", "isSecret": True}]


def test_a_server_with_a_name_of_its_own():
    said = {
        "name": "io.example/weather",
        "version": "1.2.3+build.4",
        "display_name": "Weather",
        "description": "  Tells\n the weather ",
        "homepage": "https://example.com/",
        "repository": {"type": "git", "url": "https://github.com/example/weather"},
    }
    found = made(said)
    assert found["name"] == "io.example/weather"
    assert found["version"] == "1.2.3+build.4"
    assert found["description"] == "Tells the weather"
    assert found["repository"] == {"url": said["repository"]["url"], "source": "github"}
    assert found["packages"][0]["registryType"] == "mcpb"
    assert found["packages"][0]["identifier"] == (
        f"https://hub.example/v2/t/w/blobs/{EMPTY_DIGEST}"
    )


def test_texts_have_nothing_that_acts_on_a_terminal():
    found = made({"display_name": "a\x1b[31m\u202eb\0", "description": "x\ny\u2066z"})
    assert found["title"] == "a [31m b"
    assert found["description"] == "x y z"


def test_an_image_and_a_directory():
    name = "io.modelcontextprotocol.server.name"
    image = "application/vnd.oci.image.config.v1+json"
    found = made(config=image, layers=(), annotations={name: "io.example/image"})
    assert found["packages"][0]["identifier"] == f"hub.example/t/w@{EMPTY_DIGEST}"
    code = made(layers=("application/vnd.kitops.modelkit.code.v1.tar",))
    assert "packages" not in code


def test_versions_sort_by_their_precedence():
    ordered = [
        "not-semver", "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2",
        "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0",
    ]  # fmt: skip
    assert sorted(ordered[4:] + ordered[:4], key=precedence) == ordered
    assert precedence("1.0.0+a") == precedence("1.0.0+b")
    assert precedence("9" * 400 + ".0.0") == (0,)


def test_namespaces():
    assert namespace_of("https://hub.example.com:8443/x") == "com.example.hub"
    for url in ("", "http://127.0.0.1:7450", "https://localhost", "https://[::1]/", "https://["):
        assert namespace_of(url) == "local.hub"
