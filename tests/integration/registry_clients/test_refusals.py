"""What people see when the Hub refuses: the reason, in the words of the Hub, in every client."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.registry_clients import images
from tests.rig.cut import Cut
from tests.rig.registries import Registry, administer, person
from tests.rig.registry_clients import Client, client, find_kit

HTTP = "--plain-http"
SIZE = 200_000
slow = pytest.mark.slow
no_kit = pytest.mark.skipif(find_kit() is None, reason="kit is not installed")


def kit_push(kit: Client, reference: str) -> Callable[[], str]:
    source = kit.home / "source"
    source.mkdir(exist_ok=True)
    (source / "weights.bin").write_bytes(os.urandom(SIZE))
    (source / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: m, path: weights.bin}\n")
    kit.ok("pack", str(source), "-t", reference)
    return lambda: kit.refused("push", reference, HTTP)


def oras_push(oras: Client, reference: str) -> Callable[[], str]:
    (oras.home / "weights.bin").write_bytes(os.urandom(SIZE))
    return lambda: oras.refused("push", HTTP, reference, "weights.bin")


def skopeo_push(skopeo: Client, reference: str) -> Callable[[], str]:
    directory = skopeo.home / os.urandom(4).hex()
    images.layout(directory, size=SIZE, seed=os.urandom(8))
    return lambda: skopeo.refused(
        "copy", "--dest-tls-verify=false", f"oci:{directory}:v1", f"docker://{reference}"
    )


def helm_push(helm: Client, reference: str) -> Callable[[], str]:
    """The chart is named as the last part of the repository and has the tag as version."""
    rest, _, version = reference.rpartition(":")
    where, _, name = rest.rpartition("/")
    helm.ok("create", name)
    (helm.home / name / "weights.bin").write_bytes(os.urandom(SIZE))
    helm.ok("package", name, "--version", version)
    return lambda: helm.refused("push", HTTP, f"{name}-{version}.tgz", f"oci://{where}")


def crane_push(crane: Client, reference: str) -> Callable[[], str]:
    (crane.home / "weights.bin").write_bytes(os.urandom(SIZE))
    with tarfile.open(crane.home / "layer.tar", "w") as tar:
        tar.add(crane.home / "weights.bin", "weights.bin")
    return lambda: crane.refused("append", "--oci-empty-base", "-f", "layer.tar", "-t", reference)


PUSH: dict[str, Callable[[Client, str], Callable[[], str]]] = {
    "kit": kit_push,
    "oras": oras_push,
    "skopeo": skopeo_push,
    "helm": helm_push,
    "crane": crane_push,
}
CLIENTS = pytest.mark.parametrize(
    "name",
    [
        pytest.param("kit", marks=[slow, no_kit]),
        pytest.param("oras", marks=slow),
        pytest.param("skopeo", marks=images.HAVE_SKOPEO),
        pytest.param("helm", marks=slow),
        pytest.param("crane", marks=slow),
    ],
)


@pytest.fixture(params=["bearer", "basic"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """Only these: accounts are made by the command line, next to the Hub's own files."""
    found: Registry = request.getfixturevalue(f"{request.param}_registry")
    return found


def somebody(registry: Registry, name: str, role: str, tmp_path: Path, client_name: str) -> Client:
    who = f"{name}-{registry.auth}-{client_name}"
    seen = person(registry, who, role, "team/**")
    made = client(client_name, tmp_path / who, seen)
    made.login()
    return made


@CLIENTS
def test_who_may_only_read(name: str, registry: Registry, repository: str, tmp_path: Path) -> None:
    rita = somebody(registry, "rita", "reader", tmp_path, name)
    said = PUSH[name](rita, rita.ref(repository, "1.0.0"))()
    assert f"`{rita.registry.user}` may not push `{repository}`" in said


@CLIENTS
def test_a_full_repository(name: str, registry: Registry, repository: str, tmp_path: Path) -> None:
    administer(registry, "rule", "set", repository, "--quota", "100KB")
    will = somebody(registry, "will", "writer", tmp_path, name)
    said = PUSH[name](will, will.ref(repository, "1.0.0"))()
    assert f"`{repository}` may hold 100000 bytes and would hold" in said


@CLIENTS
def test_a_tag_that_never_moves(
    name: str, registry: Registry, repository: str, tmp_path: Path
) -> None:
    administer(registry, "rule", "set", repository, "--immutable", "1.*")
    will = somebody(registry, "tess", "writer", tmp_path, name)
    reference = will.ref(repository, "1.0.0")
    # The first push succeeds, so what asserts the refusal is told so by another name.
    with pytest.raises(AssertionError, match="succeeded"):
        PUSH[name](will, reference)()
    if name == "helm":
        (will.home / repository.rpartition("/")[2] / "weights.bin").unlink()
    said = PUSH[name](will, reference)()
    if name == "kit":
        # It prints no reason for a refused manifest, whatever a registry says.
        assert "got response 403 (Forbidden) from remote" in said
    else:
        assert f"the tag `1.0.0` of `{repository}` is set and must not move" in said


@CLIENTS
def test_a_wrong_password(name: str, registry: Registry, repository: str, tmp_path: Path) -> None:
    person(registry, f"pia-{registry.auth}-{name}", "writer", "team/**")
    pia = client(name, tmp_path / "pia", registry)
    if name == "crane":
        # It only writes them down; the first use tells.
        pia.ok(*pia.login_command(f"pia-{registry.auth}-{name}"), send="wrong")
        said = crane_push(pia, pia.ref(repository, "1.0.0"))()
    else:
        said = pia.refused(*pia.login_command(f"pia-{registry.auth}-{name}"), send="wrong")
    # skopeo has words of its own; with Basic, crane's first request is a HEAD, which has no body.
    words = ("the user name or the password is wrong", "invalid username/password", "401")
    assert any(each in said for each in words), said


@slow
def test_cosign_may_not_sign(registry: Registry, repository: str, tmp_path: Path) -> None:
    owner = client("oras", tmp_path / "owner", registry)
    owner.login()
    (owner.home / "file").write_text("x")
    owner.ok("push", HTTP, owner.ref(repository, "v1"), "file")
    digest = owner.ok("resolve", HTTP, owner.ref(repository, "v1")).strip()
    rita = somebody(registry, "rita", "reader", tmp_path, "cosign")
    rita.ok("generate-key-pair")
    said = rita.refused(
        "sign", "--use-signing-config=false", "--tlog-upload=false", "--yes", "--key",
        "cosign.key", rita.ref(repository, f"@{digest}"),
    )  # fmt: skip
    assert f"`{rita.registry.user}` may not push `{repository}`" in said


@slow
@pytest.mark.parametrize("name", [pytest.param("kit", marks=no_kit), "oras"])
def test_bytes_that_changed_on_the_way(
    name: str, registry: Registry, repository: str, tmp_path: Path
) -> None:
    """A network that changes one byte of a blob."""
    mark, other = b"these bytes must arrive", b"these bytes must ARRIVE"
    with Cut(registry.host, [], lambda data: data.replace(mark, other)) as network:
        from dataclasses import replace

        made = client(name, tmp_path / "home", replace(registry, host=network.host))
        made.login()
        reference = made.ref(repository, "1.0.0")
        push = PUSH[name](made, reference)
        for path in made.home.rglob("weights.bin"):
            path.write_bytes(mark)
        if name == "kit":
            made.ok("pack", str(made.home / "source"), "-t", reference)
        said = push()
    assert "digest" in said
    honest = client("oras", tmp_path / "honest", registry)
    honest.login()
    assert "not found" in honest.refused("pull", HTTP, honest.ref(repository, "1.0.0"))


@slow
def test_a_blob_that_is_not_there(registry: Registry, repository: str, tmp_path: Path) -> None:
    oras = client("oras", tmp_path / "oras", registry)
    oras.login()
    (oras.home / "file").write_text("x")
    oras.ok("push", HTTP, oras.ref(repository, "v1"), "file")
    manifest = json.loads(oras.ok("manifest", "fetch", HTTP, oras.ref(repository, "v1")))
    missing = "sha256:" + "5" * 64
    manifest["layers"][0]["digest"] = missing
    (oras.home / "manifest.json").write_text(json.dumps(manifest))
    said = oras.refused("manifest", "push", HTTP, oras.ref(repository, "v2"), "manifest.json")
    assert missing in said
    assert "not found" in oras.refused("pull", HTTP, oras.ref(repository, "v2"))


@slow
def test_what_one_may_not_see(registry: Registry, repository: str, tmp_path: Path) -> None:
    """A repository of others looks like one that does not exist."""
    oras = client("oras", tmp_path / "oras", registry)
    oras.login()
    (oras.home / "file").write_text("x")
    there, not_there = f"secret/{repository}", f"secret/{repository}/nothing"
    oras.ok("push", HTTP, oras.ref(there, "v1"), "file")
    rita = somebody(registry, "nell", "reader", tmp_path, "oras")
    said = [
        rita.refused("pull", HTTP, rita.ref(name, "v1")).replace(name, "NAME")
        for name in (there, not_there)
    ]
    assert said[0] == said[1]
    assert there not in rita.run("repo", "ls", HTTP, registry.host).out
