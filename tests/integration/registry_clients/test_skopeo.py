"""`skopeo`: mirrors and air gaps are kept with it."""

import json
from pathlib import Path

import pytest

from remit.artifacts.oci.digests import digest_of
from tests.integration.registry_clients.images import HAVE_SKOPEO, layout
from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client

pytestmark = HAVE_SKOPEO
SOURCE = "--src-tls-verify=false"
TARGET = "--dest-tls-verify=false"
HTTP = "--tls-verify=false"


@pytest.fixture
def skopeo(registry: Registry, tmp_path: Path) -> Client:
    made = client("skopeo", tmp_path / "skopeo", registry)
    made.login()
    return made


def there(skopeo: Client, repository: str, tag: str) -> str:
    return f"docker://{skopeo.ref(repository, tag)}"


def test_there_and_back(skopeo: Client, repository: str, tmp_path: Path) -> None:
    digest = layout(tmp_path / "layout")
    target = there(skopeo, repository, "v1")
    skopeo.ok("copy", TARGET, f"oci:{tmp_path / 'layout'}:v1", target)
    raw = skopeo.ok("inspect", "--raw", HTTP, target)
    assert digest_of(raw.encode()) == digest
    assert json.loads(skopeo.ok("inspect", HTTP, target))["Digest"] == digest
    skopeo.ok("copy", SOURCE, target, f"oci:{tmp_path / 'back'}:v1")
    for blob in (tmp_path / "layout/blobs/sha256").iterdir():
        assert (tmp_path / "back/blobs/sha256" / blob.name).read_bytes() == blob.read_bytes()


def test_registry_to_registry(skopeo: Client, repository: str, tmp_path: Path) -> None:
    digest = layout(tmp_path / "layout", size=3_000_000)
    one, two = there(skopeo, repository, "v1"), there(skopeo, f"{repository}/mirror", "v1")
    skopeo.ok("copy", TARGET, f"oci:{tmp_path / 'layout'}:v1", one)
    # Both sides are this registry: skopeo mounts the layer with one token for two repositories.
    skopeo.ok("copy", SOURCE, TARGET, one, two)
    assert digest_of(skopeo.ok("inspect", "--raw", HTTP, two).encode()) == digest
    skopeo.ok("copy", SOURCE, two, f"dir:{tmp_path / 'mirror'}")


def test_tags_and_delete(skopeo: Client, repository: str, tmp_path: Path) -> None:
    layout(tmp_path / "layout")
    for tag in ("v1", "v2", "latest"):
        skopeo.ok("copy", TARGET, f"oci:{tmp_path / 'layout'}:v1", there(skopeo, repository, tag))
    listed = json.loads(skopeo.ok("list-tags", HTTP, f"docker://{skopeo.ref(repository)}"))
    assert listed["Tags"] == ["latest", "v1", "v2"]
    # skopeo deletes by digest, so all three go.
    skopeo.ok("delete", HTTP, there(skopeo, repository, "v2"))
    assert "manifest unknown" in skopeo.refused(
        "inspect", "--raw", HTTP, there(skopeo, repository, "v1")
    )


def test_sync(skopeo: Client, repository: str, tmp_path: Path) -> None:
    layout(tmp_path / "layout")
    for tag in ("v1", "v2"):
        skopeo.ok("copy", TARGET, f"oci:{tmp_path / 'layout'}:v1", there(skopeo, repository, tag))
    out = tmp_path / "synced"
    out.mkdir()
    skopeo.ok("sync", SOURCE, "--src", "docker", "--dest", "dir", skopeo.ref(repository), str(out))
    assert len(list(out.iterdir())) == 2


def test_formats(skopeo: Client, repository: str, tmp_path: Path) -> None:
    """Docker's schema 2 is kept as it came, beside OCI's."""
    layout(tmp_path / "layout")
    target = there(skopeo, repository, "docker")
    skopeo.ok("copy", TARGET, "--format", "v2s2", f"oci:{tmp_path / 'layout'}:v1", target)
    raw = json.loads(skopeo.ok("inspect", "--raw", HTTP, target))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    skopeo.ok("copy", SOURCE, target, f"oci:{tmp_path / 'as-oci'}:v1")
