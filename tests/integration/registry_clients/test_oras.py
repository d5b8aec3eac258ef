"""`oras`: what is neither an image nor a chart goes in and out with it."""

import json
from pathlib import Path

import pytest

from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client

pytestmark = pytest.mark.slow
HTTP = "--plain-http"


@pytest.fixture
def oras(registry: Registry, tmp_path: Path) -> Client:
    made = client("oras", tmp_path / "oras", registry)
    made.login()
    return made


def push(oras: Client, reference: str, text: str = "the prompt") -> str:
    """Push one file: the digest of its manifest."""
    (oras.home / "prompt.txt").write_text(text)
    said = oras.ok(
        "push", HTTP, reference, "prompt.txt:text/plain", "--artifact-type",
        "application/vnd.example.prompt", "--annotation", "org.example.by=ada",
        "--annotation", "org.opencontainers.image.created=2026-01-01T00:00:00Z", "--format", "json",
    )  # fmt: skip
    return str(json.loads(said)["digest"])


def tags(oras: Client, reference: str) -> list[str]:
    said = oras.ok("repo", "tags", HTTP, reference, "--format", "json")
    return list(json.loads(said)["tags"])


def test_push_and_pull(oras: Client, repository: str) -> None:
    reference = oras.ref(repository, "v1")
    digest = push(oras, reference)
    assert oras.ok("resolve", HTTP, reference).strip() == digest
    manifest = json.loads(oras.ok("manifest", "fetch", HTTP, reference))
    assert manifest["artifactType"] == "application/vnd.example.prompt"
    assert manifest["annotations"]["org.example.by"] == "ada"
    for name in (reference, oras.ref(repository, f"@{digest}")):
        oras.ok("pull", HTTP, name, "-o", "out")
        assert (oras.home / "out/prompt.txt").read_text() == "the prompt"
        (oras.home / "out/prompt.txt").unlink()
    layer = manifest["layers"][0]["digest"]
    assert oras.ok("blob", "fetch", HTTP, oras.ref(repository, f"@{layer}"), "-o", "-") == (
        "the prompt"
    )


def test_many_files_at_once(oras: Client, repository: str) -> None:
    names = [f"{number}.bin" for number in range(40)]
    for number, name in enumerate(names):
        (oras.home / name).write_bytes(bytes([number]) * 10_000 * (number + 1))
    reference = oras.ref(repository, "many")
    oras.ok("push", HTTP, reference, *names, "--concurrency", "10")
    oras.ok("pull", HTTP, reference, "-o", "out", "--concurrency", "10")
    for name in names:
        assert (oras.home / "out" / name).read_bytes() == (oras.home / name).read_bytes()


def test_tags(oras: Client, repository: str) -> None:
    reference = oras.ref(repository, "v1")
    digest = push(oras, reference)
    oras.ok("tag", HTTP, reference, "v2", "latest", "V.3_x-y")
    assert tags(oras, oras.ref(repository)) == ["V.3_x-y", "latest", "v1", "v2"]
    said = oras.ok("repo", "tags", HTTP, oras.ref(repository), "--last", "latest")
    assert said.split() == ["v1", "v2"]
    assert oras.ok("resolve", HTTP, oras.ref(repository, "latest")).strip() == digest
    # A tag that moves leaves the manifest that it named.
    other = push(oras, reference, "another prompt")
    assert other != digest
    assert oras.ok("resolve", HTTP, reference).strip() == other
    oras.ok("manifest", "fetch", HTTP, oras.ref(repository, f"@{digest}"))


def test_it_is_listed(oras: Client, repository: str) -> None:
    push(oras, oras.ref(repository, "v1"))
    said = oras.ok("repo", "ls", HTTP, oras.registry.host)
    assert repository in said.split()


def test_referrers(oras: Client, repository: str) -> None:
    reference = oras.ref(repository, "v1")
    digest = push(oras, reference)
    for kind, text in (("sbom", "{}"), ("scan", "clean"), ("scan", "not so clean")):
        (oras.home / "about.json").write_text(text)
        oras.ok(
            "attach", HTTP, reference, "about.json:application/json", "--artifact-type",
            f"application/vnd.example.{kind}", "--annotation", f"org.example.says={text}",
        )  # fmt: skip
    found = json.loads(oras.ok("discover", HTTP, reference, "--format", "json"))
    assert found["digest"] == digest
    kinds = sorted(each["artifactType"].rpartition(".")[2] for each in found["referrers"])
    assert kinds == ["sbom", "scan", "scan"]
    kind = "application/vnd.example.sbom"
    said = oras.ok("discover", HTTP, reference, "--format", "json", "--artifact-type", kind)
    only = json.loads(said)
    (sbom,) = only["referrers"]
    assert sbom["annotations"]["org.example.says"] == "{}"
    # What is attached is an artifact like any other, and can itself have referrers.
    pinned = oras.ref(repository, f"@{sbom['digest']}")
    oras.ok("attach", HTTP, pinned, "about.json", "--artifact-type", "application/vnd.example.note")
    tree = oras.ok("discover", HTTP, reference)
    assert "application/vnd.example.note" in tree
    oras.ok("pull", HTTP, pinned, "-o", "sbom")
    # The registry has the API, so nobody had to keep a list under a tag.
    assert tags(oras, oras.ref(repository)) == ["v1"]


def test_copy_with_what_refers_to_it(oras: Client, repository: str, tmp_path: Path) -> None:
    reference, copied = oras.ref(repository, "v1"), oras.ref(f"{repository}/copy", "v1")
    digest = push(oras, reference)
    oras.ok("attach", HTTP, reference, "prompt.txt", "--artifact-type", "application/vnd.a.b")
    oras.ok("cp", "-r", "--from-plain-http", "--to-plain-http", reference, copied)
    found = json.loads(oras.ok("discover", HTTP, copied, "--format", "json"))
    assert found["digest"] == digest
    assert len(found["referrers"]) == 1
    # To a folder, and back under another name.
    layout = f"{tmp_path / 'layout'}:v1"
    oras.ok("cp", "-r", "--from-plain-http", "--to-oci-layout", reference, layout)
    back = oras.ref(f"{repository}/back", "v1")
    oras.ok("cp", "-r", "--from-oci-layout", "--to-plain-http", layout, back)
    assert oras.ok("resolve", HTTP, back).strip() == digest


def test_index(oras: Client, repository: str) -> None:
    for name in ("one", "two"):
        push(oras, oras.ref(repository, name), name)
    both = oras.ref(repository, "both")
    oras.ok("manifest", "index", "create", HTTP, both, "one", "two")
    digest = oras.ok("resolve", HTTP, both).strip()
    index = json.loads(oras.ok("manifest", "fetch", HTTP, both))
    assert len(index["manifests"]) == 2
    copied = oras.ref(f"{repository}/copy", "both")
    oras.ok("cp", "--from-plain-http", "--to-plain-http", both, copied)
    assert oras.ok("resolve", HTTP, copied).strip() == digest


def test_delete(oras: Client, repository: str) -> None:
    reference = oras.ref(repository, "v1")
    digest = push(oras, reference)
    oras.ok("tag", HTTP, reference, "v2")
    manifest = json.loads(oras.ok("manifest", "fetch", HTTP, reference))
    oras.ok("manifest", "delete", "--force", HTTP, oras.ref(repository, f"@{digest}"))
    assert "not found" in oras.refused("manifest", "fetch", HTTP, reference)
    assert "not found" in oras.refused("pull", HTTP, oras.ref(repository, "v2"))
    layer = oras.ref(repository, f"@{manifest['layers'][0]['digest']}")
    oras.ok("blob", "delete", "--force", HTTP, layer)
    oras.refused("blob", "fetch", HTTP, layer, "-o", "-")
    # And pushed again, as if it had never been there.
    assert push(oras, reference) == digest
    oras.ok("pull", HTTP, reference, "-o", "again")


def test_blob_of_sha512(oras: Client, repository: str) -> None:
    import hashlib

    (oras.home / "blob").write_bytes(b"bytes" * 1000)
    digest = f"sha512:{hashlib.sha512(b'bytes' * 1000).hexdigest()}"
    reference = oras.ref(repository, f"@{digest}")
    oras.ok("blob", "push", HTTP, reference, "blob")
    assert oras.ok("blob", "fetch", HTTP, reference, "-o", "-") == "bytes" * 1000
