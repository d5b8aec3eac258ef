"""`kit`, whose form our artifacts have: what it packs goes through the Hub unchanged.

No registry of packages has `kit`, so these run where somebody installed it (in `PATH`).
"""

import json
from pathlib import Path

import pytest

from tests.rig.registries import Registry
from tests.rig.registry_clients import Client, client, find_kit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_kit() is None, reason="kit is not installed"),
]
HTTP = "--plain-http"
KITFILE = """\
manifestVersion: 1.0.0
package:
  name: demo
  version: 1.0.0
  description: A model and what belongs to it
  authors: [Ada]
model:
  name: weights
  path: model
  license: Apache-2.0
  framework: onnx
code:
  - path: code/run.py
    description: runs it
datasets:
  - name: questions
    path: data/questions.csv
docs:
  - path: README.md
"""


@pytest.fixture
def kit(registry: Registry, tmp_path: Path) -> Client:
    made = client("kit", tmp_path / "kit", registry)
    made.login()
    return made


def folder(directory: Path, *, size: int = 1_000_000) -> Path:
    """What is packed; `size` in bytes of the weights."""
    for name in ("model", "code", "data"):
        (directory / name).mkdir(parents=True)
    with (directory / "model/weights.bin").open("wb") as file:
        for number in range(0, size, 1 << 20):
            piece = min(1 << 20, size - number)
            file.write(number.to_bytes(8, "big") * (piece // 8 + 1))
    (directory / "code/run.py").write_text("print('run')\n")
    (directory / "data/questions.csv").write_text("question\nwhy\n")
    (directory / "README.md").write_text("# Demo\n")
    (directory / "Kitfile").write_text(KITFILE)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the Kitfile, which `kit` writes anew."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "Kitfile"
    }


def packed(kit: Client, repository: str, tmp_path: Path, **more: int) -> tuple[str, Path]:
    """Pack and push a folder: the reference, and the folder."""
    reference = kit.ref(repository, "v1")
    source = folder(tmp_path / "source", **more)
    kit.ok("pack", str(source), "-t", reference)
    kit.ok("push", reference, HTTP)
    return reference, source


def forget(kit: Client) -> None:
    """Empty the local store, so that what comes next comes from the registry."""
    kit.ok("remove", "--all", "--force")


def test_pack_push_pull_unpack(kit: Client, repository: str, tmp_path: Path) -> None:
    reference, source = packed(kit, repository, tmp_path)
    forget(kit)
    kit.ok("pull", reference, HTTP)
    kit.ok("unpack", reference, "-d", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(source)


def test_unpack_without_a_pull(kit: Client, repository: str, tmp_path: Path) -> None:
    reference, source = packed(kit, repository, tmp_path)
    forget(kit)
    kit.ok("unpack", reference, "-d", str(tmp_path / "code"), "--filter=code", HTTP)
    assert list(contents(tmp_path / "code")) == ["code/run.py"]
    kit.ok("unpack", reference, "-d", str(tmp_path / "all"), HTTP)
    assert contents(tmp_path / "all") == contents(source)


def test_inspect_info_list(kit: Client, repository: str, tmp_path: Path) -> None:
    reference, _ = packed(kit, repository, tmp_path)
    said = json.loads(kit.ok("inspect", "--remote", reference, HTTP))
    local = json.loads(kit.ok("inspect", reference))
    assert said["digest"] == local["digest"]
    assert said["manifest"] == local["manifest"]
    assert "description: runs it" in kit.ok("info", "--remote", reference, HTTP)
    listed = kit.ok("list", reference, HTTP)
    assert said["digest"] in listed
    assert "demo" in listed
    # Without a tag `kit` asks for `latest` only.
    assert "not found" in kit.refused("list", kit.ref(repository), HTTP)
    latest = kit.ref(repository, "latest")
    kit.ok("tag", reference, latest)
    kit.ok("push", latest, HTTP)
    assert said["digest"] in kit.ok("list", kit.ref(repository), HTTP)
    assert "ModelKits are identical" in kit.ok(
        "diff", f"remote://{reference}", f"remote://{latest}", HTTP
    )


def test_another_version(kit: Client, repository: str, tmp_path: Path) -> None:
    reference, source = packed(kit, repository, tmp_path)
    (source / "code/run.py").write_text("print('changed')\n")
    two = kit.ref(repository, "v2")
    kit.ok("pack", str(source), "-t", two)
    kit.ok("push", two, HTTP)
    said = kit.ok("diff", f"remote://{reference}", f"remote://{two}", HTTP)
    assert "ModelKits are identical" not in said
    forget(kit)
    kit.ok("pull", two, HTTP)
    kit.ok("unpack", two, "-d", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(source)


def test_remove_from_the_registry(kit: Client, repository: str, tmp_path: Path) -> None:
    reference, _ = packed(kit, repository, tmp_path)
    kit.ok("remove", "--remote", reference, HTTP)
    forget(kit)
    assert "not found" in kit.refused("pull", reference, HTTP)
    assert "not found" in kit.refused("remove", "--remote", reference, HTTP)


def test_pushed_to_another_name(kit: Client, repository: str, tmp_path: Path) -> None:
    source = folder(tmp_path / "source")
    kit.ok("pack", str(source), "-t", "mine:v1")
    kit.ok("push", "mine:v1", kit.ref(repository, "v1"), HTTP)
    forget(kit)
    kit.ok("unpack", kit.ref(repository, "v1"), "-d", str(tmp_path / "out"), HTTP)
    assert contents(tmp_path / "out") == contents(source)


def test_in_pieces(kit: Client, repository: str, tmp_path: Path) -> None:
    """From 100 MiB on `kit` sends pieces, with a `Content-Range` that has no unit."""
    reference, source = packed(kit, repository, tmp_path, size=230_000_000)
    forget(kit)
    kit.ok("unpack", reference, "-d", str(tmp_path / "out"), HTTP)
    for name in ("model/weights.bin", "code/run.py"):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()
