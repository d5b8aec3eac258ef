"""The real `kit`: it packs to the digests of Remit, and unpacks what Remit packed."""

import base64
import filecmp
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from remit.artifacts.agent import API_VERSION
from remit.artifacts.layout import Layout
from remit.artifacts.local import read
from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from remit.artifacts.pack import Packed, pack, plan
from remit.artifacts.unpack import unpack
from tests.rig.programs import RIG

KIT = RIG / "go" / "bin" / "kit"
pytestmark = pytest.mark.skipif(
    not KIT.exists(), reason=f"kit is not installed at {KIT.relative_to(RIG.parent)}"
)

KITFILE = """
manifestVersion: 1.0.0
package: {name: demo, version: 1.10, description: "a <b> & c", authors: [Ann <ann@example.com>]}
model:
  name: weights
  path: ./model
  license: Apache-2.0
  parameters: {z: 1, a: [true, null, "x", 1.5], nested: {b: 2, a: 1}}
  parts: [{name: lora, path: model/lora, type: lora-weights}]
code:
  - {path: src/, description: code}
  - {path: tools/one.py}
datasets: [{name: rows, path: data/rows.csv, license: CC0-1.0}]
docs: [{path: README.md}]
"""


class Kit:
    """`kit` with a home of its own, which never asks for a newer version of itself."""

    def __init__(self, home: Path) -> None:
        self.storage = home / "storage"
        home.mkdir()
        (home / "disable-update-notifications").touch()
        self._environment = {**os.environ, "KITOPS_HOME": str(home)}

    def __call__(self, *arguments: str | Path) -> str:
        command = [str(KIT), *map(str, arguments), "--progress", "none"]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pack(self, directory: Path, *options: str) -> dict:
        """Pack; the manifest."""
        self("pack", directory, "-t", "demo:kit", *options)
        return json.loads(self("inspect", "demo:kit"))

    def put(self, layout: Layout, packed: Packed) -> None:
        """Give it what Remit packed, as `demo:ours`, in its own storage."""
        (self.storage / "blobs").mkdir(parents=True, exist_ok=True)
        shutil.copytree(layout.root / "blobs", self.storage / "blobs", dirs_exist_ok=True)
        descriptor = {
            "mediaType": packed.descriptor.media_type, "digest": packed.descriptor.digest, "size": packed.descriptor.size,
        }  # fmt: skip
        (self.storage / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        name = base64.urlsafe_b64encode(b"localhost/demo").decode()
        index = {"schemaVersion": 2, "manifests": [descriptor]}
        (self.storage / "index.json").write_text(json.dumps(index))
        (self.storage / f"{name}-index.json").write_text(json.dumps(index))
        (self.storage / f"{name}-tags.json").write_text(json.dumps({"ours": descriptor}))


@pytest.fixture
def kit(tmp_path):
    return Kit(tmp_path / "home")


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


@pytest.fixture
def context(tmp_path):
    root = tmp_path / "ctx"
    deep = "src/" + "/".join(letter * 70 for letter in "abcdef")
    files = {
        "model/w.safetensors": 70_001, "model/lora/l.bin": 512, "model/extra/x": 3, "data/rows.csv": 1024,
        "data/other.csv": 10, "README.md": 5, "tools/one.py": 11, "tools/two.py": 7, "src/zero": 0, "src/exact": 1024,
        f"{deep}/deep.py": 9, "src/" + "n" * 130 + "/" + "m" * 90 + ".txt": 4, "src/" + "q" * 120: 6,
        "src/" + "p" * 100 + "/" + "r" * 101: 2, "src/ünï/näme.txt": 1, "src/日本語/ファイル": 2,
        "src/" + "é" * 100 + ".txt": 3, "src/a b;$'.txt": 1, "src/-dash": 1, "src/a-b/x": 1, "src/a/x": 1, "src/a.b": 1,
        "src/skip.pyc": 5, "src/deep/skip.pyc": 5, "src/keep.txt": 1, "src/e\u0301": 2, "src/😀": 4,
    }  # fmt: skip
    noise = random.Random(7)
    for name, size in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(noise.randbytes(size))
    (root / "src" / "empty" / "emptier").mkdir(parents=True)
    for name, mode in {
        "src/zero": 0o755,
        "src/exact": 0o600,
        "src/a/x": 0o444,
        "src/empty": 0o700,
    }.items():
        (root / name).chmod(mode)
    (root / "src" / "link").symlink_to("/etc/passwd")
    (root / "src" / "linked").symlink_to(root / "data")
    os.mkfifo(root / "src" / "pipe")
    (root / ".kitignore").write_text("# comment\n**/*.pyc\n")
    (root / "Kitfile").write_text(KITFILE)
    return root


def same(one: Path, other: Path) -> bool:
    """Whether two directories hold the same files with the same content and permissions."""
    names = [sorted(each.relative_to(root) for each in root.rglob("*")) for root in (one, other)]
    return names[0] == names[1] and all(
        (one / each).stat().st_mode == (other / each).stat().st_mode
        and ((one / each).is_dir() or filecmp.cmp(one / each, other / each, shallow=False))
        for each in names[0]
    )


def test_the_layers_and_the_config_have_the_digests_of_kit(kit, layout, context):
    theirs = kit.pack(context)["manifest"]
    ours = json.loads(
        layout.read(pack(layout, plan(context), generation=1).descriptor.digest, limit=1 << 20)
    )
    assert [each["digest"] for each in ours["layers"]] == [
        each["digest"] for each in theirs["layers"]
    ]
    assert [each["size"] for each in ours["layers"]] == [each["size"] for each in theirs["layers"]]
    assert [each["mediaType"] for each in ours["layers"]] == [
        each["mediaType"] for each in theirs["layers"]
    ]
    assert ours["config"] == theirs["config"]


def test_set_id_bits_too(kit, layout, context):
    (context / "src" / "keep.txt").chmod(0o4755)
    (context / "src" / "empty").chmod(0o2775)
    theirs = kit.pack(context)["manifest"]["layers"]
    assert [each.digest for each in pack(layout, plan(context)).layers] == [
        each["digest"] for each in theirs
    ]


@pytest.mark.parametrize(
    "patterns",
    [
        "*.csv\n", "src\n!src/keep.txt\n", "**/a\n", "src/a*\n", "src/?\n", "**ip.pyc\n", "src/**\n!src/keep.txt\n",
        "/src/deep/\n", "[rs]rc/[^a]*\n", "src/**/x\n", "**/ünï\n", "src/\\-dash\n", "./src//deep/../a.b\n", "!x\nsrc/a b;$'.txt\n",
    ],
)  # fmt: skip
def test_ignore_patterns_mean_the_same(kit, layout, context, patterns):
    (context / ".kitignore").write_text(patterns)
    (context / "Kitfile").write_text("code: [{path: .}]\n")
    theirs = kit.pack(context)["manifest"]["layers"]
    assert [each.digest for each in pack(layout, plan(context)).layers] == [
        each["digest"] for each in theirs
    ]


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("gzip", [False, True])
def test_kit_unpacks_what_remit_packed(kit, layout, context, tmp_path, generation, gzip):
    packed = pack(layout, plan(context), generation=generation, gzip=gzip)
    kit.put(layout, packed)
    found = json.loads(kit("inspect", "demo:ours"))
    assert found["digest"] == packed.descriptor.digest
    assert found["kitfile"]["model"]["name"] == "weights"
    assert "demo" in kit("list")
    kit("unpack", "demo:ours", "-d", tmp_path / "theirs")
    unpack(layout, packed.descriptor, tmp_path / "ours")
    for each in ("theirs", "ours"):
        (tmp_path / each / "Kitfile").unlink()
    assert same(tmp_path / "theirs", tmp_path / "ours")


@pytest.mark.parametrize("compression", ["none", "gzip", "gzip-fastest"])
def test_remit_unpacks_what_kit_packed(kit, context, tmp_path, compression):
    found = kit.pack(context, "--compression", compression)
    data = (kit.storage / "blobs" / "sha256" / found["digest"].partition(":")[2]).read_bytes()
    descriptor = Descriptor(media_type=MANIFEST, digest=found["digest"], size=len(data))
    layout = Layout(kit.storage)
    assert read(layout, descriptor)[1].generation == 1
    unpack(layout, descriptor, tmp_path / "ours")
    kit("unpack", "demo:kit", "-d", tmp_path / "theirs")
    (tmp_path / "theirs" / "Kitfile").unlink()
    assert "Ann <ann@example.com>" in (tmp_path / "ours" / "Kitfile").read_text()
    (tmp_path / "ours" / "Kitfile").unlink()
    assert same(tmp_path / "theirs", tmp_path / "ours")


def test_a_kitfile_that_remit_wrote_is_one_of_kit(kit, layout, context, tmp_path):
    packed = pack(layout, plan(context))
    unpack(layout, packed.descriptor, tmp_path / "ours")
    theirs = kit.pack(tmp_path / "ours")["manifest"]
    assert [each["digest"] for each in theirs["layers"]] == [each.digest for each in packed.layers]


@pytest.mark.parametrize(
    "files",
    [
        {"agent.yaml": f"apiVersion: {API_VERSION}\nname: a\nversion: '1'\nclient: cursor\n"},
        {"SKILL.md": "---\nname: a\ndescription: b\n---\n", "scripts/x.py": "x"},
        {"bundle.toml": 'name = "a"\nversion = "1"\n', "tool/a.cedar": ""},
        {"config.json": "{}", "model.safetensors": "w", "README.md": "# m"},
        {"train.csv": "a,b\n"},
        {"a.prompt.md": "be kind"},
        {"main.py": "x"},
    ],
)  # fmt: skip
def test_every_kind_is_a_modelkit_for_kit(kit, layout, tmp_path, files):
    for name, content in files.items():
        (tmp_path / "it" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / name).write_text(content)
    kit.put(layout, pack(layout, plan(tmp_path / "it")))
    kit("unpack", "demo:ours", "-d", tmp_path / "out")
    (tmp_path / "out" / "Kitfile").unlink()
    assert same(tmp_path / "it", tmp_path / "out")
