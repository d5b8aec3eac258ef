"""The MCP registry of a real Hub, asked as an IDE asks; each answer has the form of the API."""

import hashlib
import json
import time
from urllib.parse import quote

import jsonschema_rs
import pytest

from tests.integration.test_hub_api import mcp_bundle
from tests.rig.governed import ROOT
from tests.rig.hub_users import User, administer, ask
from tests.rig.registries import hub

SCHEMA = json.loads((ROOT / "spec" / "mcp-registry.schema.json").read_text())
VALID = jsonschema_rs.validator_for(SCHEMA, validate_formats=True)
NAME = "io.example.demo/weather"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A Hub with three versions of a server, an impostor, and one without a name of its own."""
    root = tmp_path_factory.mktemp("mcp")
    with hub(root) as registry:
        user = User(root / "ann")
        user.login(registry)
        at = registry.host
        for version in ("1.10.0", "1.2.0", "1.10.0-rc.1"):
            mcp_bundle(root / version / "weather.mcpb", version=version)
            user.publish(root / version, f"{at}/tools/weather:{version}")
        mcp_bundle(root / "fake" / "weather.mcpb", version="9.0.0")
        user.publish(root / "fake", f"{at}/other/weather:v9")
        mcp_bundle(root / "plain" / "plain.mcpb", name="plain", version="latest", env=False)
        user.publish(root / "plain", f"{at}/tools/plain:v1")
        administer(registry, "grant", "anonymous", "reader", "tools/*")
        # A running Hub knows of a role within two seconds.
        until = time.monotonic() + 10
        while ask(registry, "/v0.1/servers", user="").status != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        yield registry, user, root


def get(registry, path, status=200, **who):
    answer = ask(registry, path, **who)
    assert answer.status == status, answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"
    VALID.validate(answer.json)
    return answer.json


def names(answer):
    return [(each["server"]["name"], each["server"]["version"]) for each in answer["servers"]]


def test_an_ide_sees_the_servers_without_credentials_where_that_is_granted(world):
    registry, _, root = world
    answer = get(registry, "/v0.1/servers", user="")
    plain = next(each for each in answer["servers"] if each["server"]["name"] != NAME)
    assert names(answer) == [
        (NAME, "1.10.0"),
        (NAME, "1.10.0-rc.1"),
        (NAME, "1.2.0"),
        ("local.hub/tools.plain", plain["server"]["version"]),
    ]
    assert plain["server"]["version"].startswith("0.0.0-")
    first = answer["servers"][0]
    assert first["_meta"]["io.modelcontextprotocol.registry/official"]["isLatest"] is True
    assert first["server"]["title"] == "Weather"
    assert first["server"]["repository"]["source"] == "github"
    (package,) = first["server"]["packages"]
    bundle = (root / "1.10.0" / "weather.mcpb").read_bytes()
    assert package["fileSha256"] == hashlib.sha256(bundle).hexdigest()
    assert package["environmentVariables"] == [
        {"name": "API_KEY", "description": "Key", "isRequired": True, "isSecret": True}
    ]
    path = package["identifier"].removeprefix(registry.url)
    assert ask(registry, path, user="").body == bundle


def test_pages_searches_and_filters(world):
    registry, _, _ = world
    seen, cursor = [], ""
    while True:
        more = f"&cursor={quote(cursor)}" if cursor else ""
        answer = get(registry, f"/v0.1/servers?limit=1{more}")
        seen += names(answer)
        cursor = answer["metadata"].get("nextCursor")
        if not cursor:
            break
    assert seen == names(get(registry, "/v0.1/servers"))
    assert len(seen) == 4
    assert names(get(registry, "/v0.1/servers?search=WEATHER&version=latest")) == [(NAME, "1.10.0")]
    assert names(get(registry, "/v0.1/servers?version=1.2.0")) == [(NAME, "1.2.0")]
    assert names(get(registry, "/v0.1/servers?updated_since=2999-01-01T00:00:00Z")) == []
    since = quote("2020-01-01T00:00:00.5+02:00")
    assert len(names(get(registry, f"/v0.1/servers?updated_since={since}"))) == 4


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "cursor=x", "cursor=!!", "updated_since=yesterday",
     "updated_since=2020-01-01T00:00:00", "search=a&search=b"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(world, query):
    get(world[0], f"/v0.1/servers?{query}", 400)


def test_versions_of_a_server(world):
    registry, _, _ = world
    at = f"/v0.1/servers/{quote(NAME, safe='')}/versions"
    assert [version for _, version in names(get(registry, at))] == [
        "1.10.0",
        "1.10.0-rc.1",
        "1.2.0",
    ]
    assert get(registry, f"{at}/latest")["server"]["version"] == "1.10.0"
    one = get(registry, f"{at}/1.2.0")
    assert one["_meta"]["io.modelcontextprotocol.registry/official"]["isLatest"] is False
    for path in (f"{at}/7.0.0", f"{at}/9.0.0", "/v0.1/servers/a%2Fb/versions", "/v0.1/nothing"):
        get(registry, path, 404)


def test_a_name_belongs_to_the_repository_that_used_it_first(world):
    registry, user, _ = world
    everything = get(registry, "/v0.1/servers")
    assert (NAME, "9.0.0") not in names(everything)
    found = user.json("hub", "search", "weather")["artifacts"]
    assert {each["repository"] for each in found} == {
        "tools/weather",
        "tools/plain",
        "other/weather",
    }


def test_what_has_no_tag_is_not_admitted(world):
    registry, user, root = world
    mcp_bundle(root / "old" / "weather.mcpb", version="0.1.0")
    user.publish(root / "old", f"{registry.host}/tools/weather:old")
    at = f"/v0.1/servers/{quote(NAME, safe='')}/versions/0.1.0"
    get(registry, at)
    assert ask(registry, "/v2/tools/weather/manifests/old", method="DELETE").status == 202
    get(registry, at, 404)


def test_browsers_may_ask_and_nobody_writes_here(world):
    registry, _, _ = world
    asked = ask(registry, "/v0.1/servers", user="", method="OPTIONS")
    assert asked.status == 204
    assert asked.headers["access-control-allow-methods"] == "GET, OPTIONS"
    assert asked.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    for path in ("/v0.1/publish", f"/v0.1/servers/{quote(NAME, safe='')}/versions/1.2.0"):
        answer = ask(registry, path, method="PUT")
        assert answer.status == 501
        VALID.validate(answer.json)
    get(registry, "/v0.1/servers", 401, user="admin", password="wrong")
