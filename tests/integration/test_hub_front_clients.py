"""Real clients over a Hub in front of Debian's docker-registry, which knows no referrers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.fronts import Wire, digest, front, stored
from tests.rig.registries import Registry, docker_registry
from tests.rig.registry_clients import Client, client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with docker_registry(tmp_path_factory.mktemp("debian"), auth="basic") as running:
        yield running


@pytest.fixture(scope="module", params=["bearer", "basic"])
def registry(
    request: pytest.FixtureRequest, upstream: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    with front(tmp_path_factory.mktemp("front"), upstream, auth=request.param) as running:
        yield running


def _client(name: str, tmp_path: Path, registry: Registry) -> Client:
    (tmp_path / name).mkdir()
    found = client(name, tmp_path / name, registry)
    found.login()
    return found


def test_oras(tmp_path: Path, registry: Registry, upstream: Registry) -> None:
    oras = _client("oras", tmp_path, registry)
    repo = f"team/oras-{registry.auth}"
    weights, scan = tmp_path / "weights.bin", tmp_path / "scan.json"
    weights.write_bytes(bytes(range(256)) * 40_000)
    scan.write_text("{}")
    plain = ["--plain-http"]
    oras.ok("push", *plain, oras.ref(repo, "v1"), "weights.bin:application/x-weights", cwd=tmp_path)
    oras.ok("attach", *plain, oras.ref(repo, "v1"), "--artifact-type", "application/example.scan",
            "scan.json", cwd=tmp_path)  # fmt: skip
    found = json.loads(oras.ok("discover", *plain, "--format", "json", oras.ref(repo, "v1")))
    [referrer] = found.get("referrers") or found["manifests"]
    assert referrer["artifactType"] == "application/example.scan"
    assert oras.ok("repo", "tags", *plain, oras.ref(repo)).split() == ["v1"]
    # The upstream has the tag of the schema instead, as clients of it alone expect.
    tags = Wire.to(upstream)("GET", f"/v2/{repo}/tags/list").json["tags"]
    assert any(each.startswith("sha256-") for each in tags)
    copy = ["--from-plain-http", "--to-plain-http"]
    oras.ok("cp", "-r", *copy, oras.ref(repo, "v1"), oras.ref(f"{repo}-copy", "v1"))
    target = tmp_path / "out"
    target.mkdir()
    oras.ok("pull", *plain, oras.ref(f"{repo}-copy", "v1"), "-o", str(target))
    assert (target / "weights.bin").read_bytes() == weights.read_bytes()
    found = json.loads(
        oras.ok("discover", *plain, "--format", "json", oras.ref(f"{repo}-copy", "v1"))
    )
    assert len(found.get("referrers") or found["manifests"]) == 1
    oras.ok("manifest", "delete", "-f", *plain, oras.ref(repo, f"@{referrer['digest']}"))
    found = json.loads(oras.ok("discover", *plain, "--format", "json", oras.ref(repo, "v1")))
    assert not found.get("referrers", found.get("manifests"))


def test_skopeo_and_crane(tmp_path: Path, registry: Registry) -> None:
    oras = _client("oras", tmp_path, registry)
    skopeo, crane = (_client(name, tmp_path, registry) for name in ("skopeo", "crane"))
    repo = f"team/images-{registry.auth}"
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 40_000)
    oras.ok("push", "--plain-http", oras.ref(repo, "v1"), "weights.bin", cwd=tmp_path)
    source, away = f"docker://{oras.ref(repo, 'v1')}", f"oci:{tmp_path / 'layout'}:v1"
    skopeo.ok("copy", "--src-tls-verify=false", source, away)
    again = f"docker://{oras.ref(f'{repo}-skopeo', 'v2')}"
    skopeo.ok("copy", "--dest-tls-verify=false", away, again)
    listed = skopeo.ok("list-tags", "--tls-verify=false", f"docker://{oras.ref(f'{repo}-skopeo')}")
    assert json.loads(listed)["Tags"] == ["v2"]
    digest = crane.ok("digest", "--insecure", crane.ref(f"{repo}-skopeo", "v2")).strip()
    assert digest == crane.ok("digest", "--insecure", crane.ref(repo, "v1")).strip()
    crane.ok("copy", "--insecure", crane.ref(repo, "v1"), crane.ref(f"{repo}-crane", "v3"))
    assert crane.ok("ls", "--insecure", crane.ref(f"{repo}-crane")).split() == ["v3"]
    assert f"{repo}-crane" in crane.ok("catalog", "--insecure", registry.host).split()
    assert crane.ok("manifest", "--insecure", crane.ref(f"{repo}-crane", "v3")) == crane.ok(
        "manifest", "--insecure", crane.ref(repo, "v1")
    )
    skopeo.ok("delete", "--tls-verify=false", again)
    skopeo.refused("inspect", "--raw", "--tls-verify=false", again)


def test_a_client_is_told_why_when_bytes_are_wrong(
    tmp_path: Path, registry: Registry, upstream: Registry
) -> None:
    oras = _client("oras", tmp_path, registry)
    repo, data = f"team/wrong-{registry.auth}", registry.host.encode() * 1000
    (tmp_path / "weights.bin").write_bytes(data)
    oras.ok("push", "--plain-http", oras.ref(repo, "v1"), "weights.bin", cwd=tmp_path)
    stored(upstream, digest(data)).write_bytes(data[:-1] + b"!")
    target = tmp_path / "out"
    target.mkdir()
    said = oras.refused("pull", "--plain-http", oras.ref(repo, "v1"), "-o", str(target))
    assert "does not have the digest" in said
    assert not (target / "weights.bin").exists()
