"""What `remit` packs, `kit` unpacks, and the other way round, with the Hub between."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.registry_clients.test_kit import contents, folder, forget
from tests.rig.governed import REMIT
from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client, find_kit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_kit() is None, reason="kit is not installed"),
]
HTTP = "--plain-http"


@pytest.fixture
def registry(bearer_registry: Registry) -> Registry:
    return bearer_registry


@pytest.fixture
def kit(registry: Registry, tmp_path: Path) -> Client:
    made = client("kit", tmp_path / "kit", registry)
    made.login()
    return made


@pytest.fixture
def oras(registry: Registry, tmp_path: Path) -> Client:
    made = client("oras", tmp_path / "oras", registry)
    made.login()
    return made


def remit(store: Path, *arguments: str) -> str:
    """Run `remit` with its store of artifacts in `store`."""
    done = subprocess.run(
        [REMIT, *arguments, "--store", str(store)],
        capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("generation", ["1", "2"])
def test_packed_by_remit(
    generation: str, kit: Client, oras: Client, repository: str, tmp_path: Path
) -> None:
    source, store = folder(tmp_path / "source"), tmp_path / "store"
    remit(store, "pack", str(source), "-t", "mine:v1", "--generation", generation)
    reference = kit.ref(repository, "v1")
    # Its store is an OCI layout, so any client can push from it.
    oras.ok("cp", "--from-oci-layout-path", str(store), "--to-plain-http", "mine:v1", reference)
    kit.ok("pull", reference, HTTP)
    kit.ok("unpack", reference, "-d", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(source)
    # And the layers are those that `kit` makes of the same files.
    kit.ok("pack", str(source), "-t", "theirs:v1")
    ours = json.loads(kit.ok("inspect", reference))["manifest"]["layers"]
    theirs = json.loads(kit.ok("inspect", "theirs:v1"))["manifest"]["layers"]
    assert [each["digest"] for each in ours] == [each["digest"] for each in theirs]


def test_packed_by_kit(kit: Client, oras: Client, repository: str, tmp_path: Path) -> None:
    source, store = folder(tmp_path / "source"), tmp_path / "store"
    reference = kit.ref(repository, "v1")
    kit.ok("pack", str(source), "-t", reference)
    kit.ok("push", reference, HTTP)
    forget(kit)
    oras.ok("cp", "--from-plain-http", "--to-oci-layout-path", str(store), reference, "theirs:v1")
    remit(store, "unpack", "theirs:v1", "-d", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(source)
