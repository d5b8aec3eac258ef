"""What uses what, indexes, and a Hub without a gate, at the console; pages read without a browser."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig.console import Raw, kit, package
from tests.rig.hub_users import User
from tests.rig.hubs import Client
from tests.rig.registries import Registry, hub, person

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class World:
    """A Hub without a gate: an agent, what it needs, and an index over that."""

    registry: Registry
    user: User
    digests: dict[str, str]

    def page(self, who: Raw, name: str, tab: str = "") -> str:
        """A page of an artifact."""
        answer = who.get(f"/ui/artifacts/{name}@{self.digests[name]}{tab}")
        assert answer.status == 200, answer.body
        return answer.body.decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One Hub for all."""
    root: Path = tmp_path_factory.mktemp("graph")
    with hub(root) as registry:
        user = User(root / "ann")
        user.login(registry)
        host, found = registry.host, {}
        docs = kit(
            root / "docs", {"README.md": b"# D\n"}, package("d", "1", "docs:\n- path: README.md\n")
        )
        found["models/tiny"] = user.publish(docs, f"{host}/models/tiny:v1")
        agent = root / "agent"
        agent.mkdir()
        (agent / "agent.yaml").write_text(
            "apiVersion: remit.example/agent/v1\nname: reporter\nversion: 1.0.0\n"
            "description: Writes reports\nclient: claude-code\n"
            f"model: {host}/models/tiny:v1@{found['models/tiny']}\n"
        )
        found["agents/reporter"] = user.publish(agent, f"{host}/agents/reporter:v1")
        client = Client.basic(host, registry.user, registry.password)
        size = len(client("GET", f"/v2/models/tiny/manifests/{found['models/tiny']}").body)
        member = {"mediaType": MANIFEST, "digest": found["models/tiny"], "size": size}
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [member]}).encode()
        put = client("PUT", "/v2/models/tiny/manifests/all", body, content_type=INDEX)
        assert put.status == 201, put
        found["index"] = put.headers["docker-content-digest"]
        yield World(registry, user, found)


def test_used_by_and_needs(world: World) -> None:
    ann = Raw(world.registry)
    ann.login()
    agent = world.page(ann, "agents/reporter", "/graph")
    assert f"/ui/artifacts/models/tiny@{world.digests['models/tiny']}" in agent
    used = world.page(ann, "models/tiny", "/graph")
    assert f"/ui/artifacts/agents/reporter@{world.digests['agents/reporter']}" in used
    # Whoever may not see the agent does not learn of it.
    rea = Raw(person(world.registry, "rea", "reader", "models/*"))
    rea.login()
    assert "agents/reporter" not in world.page(rea, "models/tiny", "/graph")


def test_an_index_shows_its_members(world: World) -> None:
    ann = Raw(world.registry)
    ann.login()
    place = f"/ui/artifacts/models/tiny@{world.digests['index']}"
    page = ann.get(place).body.decode()
    assert '<h2 id="layers">Members</h2>' in page
    assert f"/ui/artifacts/models/tiny@{world.digests['models/tiny']}" in page
    for tab in ("/files", "/findings", "/evidence", "/materials", "/changes", "/graph", "/history"):
        assert ann.get(f"{place}{tab}").status == 200, tab


def test_a_tag_leads_to_what_it_names(world: World) -> None:
    ann = Raw(world.registry)
    ann.login()
    answer = ann.get("/ui/artifacts/models/tiny:v1")
    assert answer.status == 303
    assert answer.headers["location"].endswith(world.digests["models/tiny"])
    assert ann.get("/ui/artifacts/models/tiny:nothing").status == 404


def test_without_a_gate_nothing_is_decided(world: World) -> None:
    ann = Raw(world.registry)
    ann.login()
    page = world.page(ann, "models/tiny")
    assert "not gated" in page
    assert "Decide" not in page
    assert b"no gate" in ann.get("/ui/queue").body
    assert ann.get(f"/ui/artifacts/models/tiny@{world.digests['models/tiny']}/decide").status == 403
    assert b'name="state"' not in ann.get("/ui/artifacts").body


def test_a_hub_without_pages(tmp_path: Path) -> None:
    with hub(tmp_path, options=["--no-console"]) as registry:
        for path in ("/", "/ui/", "/ui/login"):
            try:
                with urllib.request.urlopen(f"{registry.url}{path}", timeout=30) as answer:
                    status = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    status = error.code
            assert status == 404, path
