"""`crane`, whose library most Go programs of this field use."""

import json
from pathlib import Path

import pytest

from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client

pytestmark = pytest.mark.slow


@pytest.fixture
def crane(registry: Registry, tmp_path: Path) -> Client:
    made = client("crane", tmp_path / "crane", registry)
    made.login()
    return made


def push(crane: Client, reference: str, text: str = "a file") -> str:
    """An image of one layer, appended to nothing: its digest."""
    (crane.home / "file.txt").write_text(text)
    import tarfile

    with tarfile.open(crane.home / "layer.tar", "w") as tar:
        tar.add(crane.home / "file.txt", "file.txt")
    crane.ok("append", "--oci-empty-base", "-f", "layer.tar", "-t", reference)
    return crane.ok("digest", reference).strip()


def test_append_pull_push(crane: Client, repository: str) -> None:
    reference = crane.ref(repository, "v1")
    digest = push(crane, reference)
    manifest = json.loads(crane.ok("manifest", reference))
    assert len(manifest["layers"]) == 1
    assert "file.txt" in crane.run("export", reference, "-").out
    crane.ok("pull", "--format", "oci", reference, "layout")
    crane.ok("push", "layout", crane.ref(f"{repository}/again", "v1"))
    assert crane.ok("digest", crane.ref(f"{repository}/again", "v1")).strip() == digest
    crane.ok("validate", "--remote", reference)


def test_copy_mounts(crane: Client, repository: str) -> None:
    reference, copied = crane.ref(repository, "v1"), crane.ref(f"{repository}/copy", "v1")
    digest = push(crane, reference)
    said = crane.run("copy", reference, copied)
    assert said.code == 0, said.all
    assert "mounted blob" in said.all
    assert crane.ok("digest", copied).strip() == digest


def test_tags_catalog_delete(crane: Client, repository: str) -> None:
    reference = crane.ref(repository, "v1")
    digest = push(crane, reference)
    crane.ok("tag", reference, "v2")
    assert crane.ok("ls", crane.ref(repository)).split() == ["v1", "v2"]
    assert repository in crane.ok("catalog", crane.registry.host).split()
    crane.ok("delete", crane.ref(repository, "v2"))
    assert crane.ok("ls", crane.ref(repository)).split() == ["v1"]
    crane.ok("delete", crane.ref(repository, f"@{digest}"))
    assert "MANIFEST_UNKNOWN" in crane.refused("digest", reference)


def test_index(crane: Client, repository: str) -> None:
    for name in ("one", "two"):
        push(crane, crane.ref(repository, name), name)
    both = crane.ref(repository, "both")
    crane.ok(
        "index", "append", "-m", crane.ref(repository, "one"), "-m", crane.ref(repository, "two"),
        "-t", both,
    )  # fmt: skip
    assert len(json.loads(crane.ok("manifest", both))["manifests"]) == 2
    crane.ok("copy", both, crane.ref(f"{repository}/copy", "both"))
