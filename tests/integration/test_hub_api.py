"""The catalogue and the MCP registry of a real Hub, filled and asked as its users do."""

import json
import zipfile

import pytest

from tests.rig.hub_users import User, administer, ask, form
from tests.rig.registries import hub

KIT = "application/vnd.kitops.modelkit.config.v1+json"


def mcp_bundle(path, *, name="io.example.demo/weather", version="1.2.0", env=True):
    config = {"command": "node", "args": ["${__dirname}/index.js"]}
    if env:
        config["env"] = {"API_KEY": "${user_config.key}", "FIXED": "x"}
    manifest = {
        "manifest_version": "0.3",
        "name": name,
        "display_name": "Weather",
        "version": version,
        "description": "Tells the weather of any place",
        "author": {"name": "Ann"},
        "server": {"type": "node", "entry_point": "index.js", "mcp_config": config},
        "user_config": {
            "key": {"type": "string", "title": "Key", "required": True, "sensitive": True}
        },
        "homepage": "https://example.com/weather",
        "repository": {"type": "git", "url": "https://github.com/example/weather"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("index.js", "// a server\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A Hub with an agent and what it needs, and a user who pushed them."""
    root = tmp_path_factory.mktemp("hub")
    with hub(root) as registry:
        user = User(root / "ann")
        user.login(registry)
        host = registry.host
        model = root / "model"
        model.mkdir()
        (model / "model.gguf").write_bytes(b"GGUF" + bytes(100))
        found = {"model": user.publish(model, f"{host}/models/tiny:v1")}
        mcp_bundle(root / "weather" / "weather.mcpb")
        found["server"] = user.publish(root / "weather", f"{host}/tools/weather:v1")
        agent = root / "agent"
        agent.mkdir()
        (agent / "agent.yaml").write_text(
            "apiVersion: remit.example/agent/v1\nname: reporter\nversion: 1.0.0\n"
            "description: Writes reports\nclient: claude-code\n"
            f"model: {host}/models/tiny:v1@{found['model']}\n"
            f"mcpServers:\n  - {host}/tools/weather:v1@{found['server']}\n"
        )
        found["agent"] = user.publish(agent, f"{host}/agents/reporter:v1")
        (agent / "agent.yaml").write_text(
            "apiVersion: remit.example/agent/v1\nname: loose\nversion: 1.0.0\n"
            f"client: claude-code\nmodel: {host}/models/tiny:v1\n"
        )
        found["loose"] = user.publish(agent, f"{host}/agents/loose:v1")
        yield registry, user, found


def test_what_was_pushed_is_found_by_its_kind_its_words_and_its_tags(world):
    registry, _, digests = world
    form("list").validate(ask(registry, "/api/v1/artifacts?limit=2").json)
    everything = ask(registry, "/api/v1/artifacts").json["artifacts"]
    kinds = {each["repository"]: each["kind"] for each in everything}
    assert kinds == {
        "models/tiny": "model",
        "tools/weather": "mcp-server",
        "agents/reporter": "agent",
        "agents/loose": "agent",
    }
    newest = everything[0]
    assert newest["repository"] == "agents/loose"
    assert newest["tags"] == ["v1"]
    assert newest["pushedBy"] == "admin"
    assert newest["graph"] == "unlocked"

    def found(query):
        answer = ask(registry, f"/api/v1/artifacts?{query}").json["artifacts"]
        return {each["repository"] for each in answer}

    assert found("q=WEATHER") == {"tools/weather"}
    assert found("q=tells+place") == {"tools/weather"}
    assert found("q=v1+agents") == {"agents/reporter", "agents/loose"}
    assert found(f"q={digests['model'][:20]}") == {"models/tiny"}
    assert found(f"digest={digests['model']}") == {"models/tiny"}
    assert found("kind=model&kind=mcp-server") == {"models/tiny", "tools/weather"}
    assert found("repository=agents/*") == {"agents/reporter", "agents/loose"}
    assert found("q=100%25") == set()


def test_pages_have_everything_once(world):
    registry, _, _ = world
    for sort in ("pushed", "-pushed", "repository", "-size", "kind"):
        path, seen = f"/api/v1/artifacts?limit=1&sort={sort}", []
        while path:
            answer = ask(registry, path)
            seen += [each["repository"] for each in answer.json["artifacts"]]
            link = answer.headers.get("link", "")
            path = link.partition(">")[0].removeprefix("<")
        assert sorted(seen) == ["agents/loose", "agents/reporter", "models/tiny", "tools/weather"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "sort=name", "kind=virus", "digest=sha256:x", "cursor=AAAA", "q=a&q=b",
     "repository=..%2F", "tagged=maybe", "what=x", "cursor=" + "A" * 2000],
)  # fmt: skip
def test_what_is_not_understood_is_refused(world, query):
    answer = ask(world[0], f"/api/v1/artifacts?{query}")
    assert answer.status == 400
    form("error").validate(answer.json)
    assert answer.json["errors"][0]["code"] == "BAD_REQUEST"


def test_no_parameter_holds_a_nul(world):
    answer = ask(world[0], "/api/v1/artifacts?q=%00")
    assert (answer.status, answer.json["errors"][0]["code"]) == (400, "NAME_INVALID")


def test_one_artifact_with_all_that_belongs_to_it(world):
    registry, _, digests = world
    answer = ask(registry, "/api/v1/repositories/tools/weather/artifacts/v1").json
    form("artifact").validate(answer)
    assert answer["digest"] == digests["server"]
    assert answer["manifest"]["config"]["mediaType"] == KIT
    assert answer["config"]["package"]["name"] == "io.example.demo/weather"
    assert answer["referrers"] == []
    assert answer["server"]["name"] == "io.example.demo/weather"
    assert answer["totalBytes"] > 0
    assert ask(registry, "/api/v1/repositories/tools/weather/artifacts/v9").status == 404
    assert ask(registry, "/api/v1/repositories/tools/none/artifacts/v1").status == 404
    assert ask(registry, "/api/v1/nothing").status == 404
    assert ask(registry, "/api/v1/artifacts", method="POST").status == 405


def test_who_uses_what(world):
    registry, user, digests = world
    found = user.json("hub", "uses", f"{registry.host}/models/tiny:v1")
    form("uses").validate(found)
    (use,) = found["uses"]
    assert (use["repository"], use["role"], use["direct"]) == ("agents/reporter", "model", True)
    needs = user.json("hub", "depends", f"{registry.host}/agents/reporter:v1")
    assert {(each["role"], each["dependency"]) for each in needs["edges"]} == {
        ("model", digests["model"]),
        ("mcp-server", digests["server"]),
    }
    form("dependencies").validate(needs)
    assert needs["scanned"] is False
    assert len(needs["reasons"]) == 3
    user.run("hub", "depends", "--check", f"{registry.host}/agents/reporter:v1", status=1)
    loose = user.json("hub", "depends", f"{registry.host}/agents/loose:v1")
    form("dependencies").validate(loose)
    assert any("has no digest" in each for each in loose["reasons"])


def test_searching_from_the_command_line(world):
    _, user, _ = world
    found = user.json("hub", "search", "weather", "--kind", "mcp-server")
    assert [each["repository"] for each in found["artifacts"]] == ["tools/weather"]
    shown = user.run("hub", "search", "--limit", "2")
    assert "agents/loose:v1" in shown.stdout
    assert "more than 2" in shown.stderr
    nobody = User(user.home.parent / "nobody")
    assert "remit: " in nobody.run("hub", "search", status=2).stderr


def test_credentials_are_given_even_where_strangers_may_look(tmp_path):
    with hub(tmp_path) as registry:
        administer(registry, "grant", "anonymous", "reader", "public/**")
        user = User(tmp_path / "ann")
        user.login(registry)
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "README.md").write_text("Notes.\n")
        user.publish(tmp_path / "notes", f"{registry.host}/private/notes:v1")
        found = user.json("hub", "search", "--hub", registry.host)["artifacts"]
        assert [each["repository"] for each in found] == ["private/notes"]


def test_the_catalogue_shows_what_one_may_list_and_no_more(world):
    registry, _, digests = world
    for name, role, pattern in (("ben", "reader", "agents/*"), ("eve", "auditor", "tools/*")):
        administer(registry, "account", "add", name, stdin=f"{name}-secret-of-tests\n")
        administer(registry, "grant", name, role, pattern)
    ben = {"user": "ben", "password": "ben-secret-of-tests"}
    eve = {"user": "eve", "password": "eve-secret-of-tests"}
    listed = ask(registry, "/api/v1/artifacts", **ben).json["artifacts"]
    assert {each["repository"] for each in listed} == {"agents/reporter", "agents/loose"}
    at = "/api/v1/repositories/{}/artifacts/v1{}"
    assert ask(registry, at.format("models/tiny", ""), **ben).status == 403
    assert ask(registry, at.format("models/tiny", "/uses"), **ben).status == 403
    needs = ask(registry, at.format("agents/reporter", "/dependencies"), **ben).json
    hidden = {each["digest"]: each for each in needs["nodes"]}[digests["model"]]
    assert hidden["present"] is False
    assert "locations" not in hidden
    assert needs["scanned"] is False
    shown = ask(registry, at.format("tools/weather", ""), **eve).json
    assert "manifest" not in shown
    assert "config" not in shown
    assert ask(registry, at.format("tools/weather", "/uses"), **eve).json["uses"] == []
    assert ask(registry, "/v0.1/servers", **eve).json["servers"] == []
    denied = ask(registry, "/api/v1/artifacts", user="")
    assert denied.status == 401
    assert "www-authenticate" in denied.headers
    assert ask(registry, "/api/v1/artifacts", user="ben", password="wrong").status == 401
    assert ask(registry, at.format("tools/weather", "")).status == 200
    records = user_records(registry)
    denied = [each for each in records if each["kind"] == "registry.deny"]
    assert any(
        each["actor"]["user"] == "ben" and each["artifact"]["repository"] == "models/tiny"
        for each in denied
    )
    given = [each["artifact"] for each in records if each["kind"] == "registry.pull"]
    assert {"repository": "tools/weather", "digest": digests["server"], "what": "catalog"} in given


def user_records(registry):
    """The records of the Hub's log."""
    done = User(registry.state.parent / "auditor").run(
        "audit", "search", "--state", registry.state, "--limit", "1000", "-o", "jsonl"
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
