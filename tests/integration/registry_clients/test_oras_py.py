"""oras-py, as programs in Python use it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rig.programs import clean_environment
from tests.rig.registries import Registry
from tests.rig.registry_clients import oras_py

PROGRAM = """\
import json, sys
import oras.client

host, user, password, step, *rest = sys.argv[1:]
client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend=sys.stdin.read())
if user:
    client.login(username=user, password=password, hostname=host, tls_verify=False)
if step == "push":
    response = client.push(target=rest[0], files=rest[1:], disable_path_validation=True,
                           manifest_annotations={"org.example.by": "ada"})
    print(json.dumps(response.headers["Docker-Content-Digest"]))
elif step == "pull":
    print(json.dumps(client.pull(target=rest[0], outdir=rest[1])))
elif step == "tags":
    print(json.dumps(client.get_tags(rest[0])))
elif step == "manifest":
    print(json.dumps(client.remote.get_manifest(rest[0]) if hasattr(client, "remote")
          else client.get_manifest(rest[0])))
elif step == "delete":
    print(json.dumps(client.delete_tags(rest[0], rest[1:])))
"""


class OrasPy:
    """A program with oras-py that does one step."""

    def __init__(self, registry: Registry, home: Path) -> None:
        self.registry = registry
        self.home = home
        self.env = clean_environment(home)

    def run(self, step: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        registry = self.registry
        return subprocess.run(
            [
                oras_py(), "-c", PROGRAM, registry.host, registry.user, registry.password, step,
                *arguments,
            ],
            input="token" if registry.auth == "bearer" else "basic",
            capture_output=True, text=True, env=self.env, cwd=self.home, timeout=120, check=False,
        )  # fmt: skip

    def __call__(self, step: str, *arguments: str) -> Any:
        done = self.run(step, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture
def oras(registry: Registry, tmp_path: Path) -> OrasPy:
    return OrasPy(registry, tmp_path / "home")


def test_push_pull_tags(oras: OrasPy, repository: str, tmp_path: Path) -> None:
    reference = f"{oras.registry.host}/{repository}"
    (oras.home / "weights.bin").write_bytes(b"weights" * 100_000)
    (oras.home / "card.md").write_text("# A card\n")
    digest = oras("push", f"{reference}:v1", "weights.bin", "card.md")
    assert digest.startswith("sha256:")
    (oras.home / "card.md").write_text("# Another card\n")
    assert oras("push", f"{reference}:v2", "weights.bin", "card.md") != digest
    assert oras("tags", reference) == ["v1", "v2"]
    assert oras("manifest", f"{reference}:v1")["annotations"]["org.example.by"] == "ada"
    out = tmp_path / "out"
    oras("pull", f"{reference}:v2", str(out))
    assert (out / "weights.bin").read_bytes() == b"weights" * 100_000
    assert (out / "card.md").read_text() == "# Another card\n"


def test_delete(oras: OrasPy, repository: str) -> None:
    reference = f"{oras.registry.host}/{repository}"
    (oras.home / "a.txt").write_text("a")
    oras("push", f"{reference}:v1", "a.txt")
    oras("push", f"{reference}:v2", "a.txt")
    assert oras("delete", reference, "v1") == ["v1"]


def test_what_is_not_there(oras: OrasPy, repository: str, tmp_path: Path) -> None:
    done = oras.run("pull", f"{oras.registry.host}/{repository}:v9", str(tmp_path / "out"))
    assert done.returncode != 0
    assert f"`v9` is not in `{repository}`" in done.stderr
