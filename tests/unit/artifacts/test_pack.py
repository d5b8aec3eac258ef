"""Packing: which file goes where, always the same, and nothing half-done."""

import gzip
import io
import json
import os
import tarfile

import pytest

from remit.artifacts.errors import ArchiveError, DefinitionError, PackError
from remit.artifacts.layout import Layout
from remit.artifacts.modelkit import CREATED, FILE_PATH, KIND, SUBTYPE
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.pack import pack, plan
from tests.unit.artifacts.archives import zip_of

KITFILE = """
manifestVersion: 1.0.0
package: {name: demo}
model: {name: m, path: model, parts: [{path: model/lora}]}
code: [{path: .}]
docs: [{path: docs/README.md}]
"""
MANIFEST = {
    "manifest_version": "0.3", "name": "fs", "version": "1.0.0", "description": "files", "author": {"name": "me"},
    "server": {"type": "node", "entry_point": "i.js", "mcp_config": {"command": "node", "args": ["${__dirname}/i.js"]}},
}  # fmt: skip


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


@pytest.fixture
def context(tmp_path):
    root = tmp_path / "ctx"
    for name in ("model/w.bin", "model/lora/l.bin", "src/a.py", "docs/README.md", "docs/other.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "Kitfile").write_text(KITFILE)
    return root


def manifest(layout, packed):
    return json.loads(layout.read(packed.descriptor.digest, limit=1 << 20))


def contents(layout, layer) -> list[str]:
    data = layout.read(layer["digest"], limit=1 << 24)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [each.name + "/" * each.isdir() for each in archive]


def test_each_file_is_in_the_deepest_entry_that_has_it(layout, context):
    layers = manifest(layout, pack(layout, plan(context)))["layers"]
    assert {each["annotations"][FILE_PATH]: contents(layout, each) for each in layers} == {
        "model": ["model/", "model/w.bin"],
        "model/lora": ["model/", "model/lora/", "model/lora/l.bin"],
        ".": ["docs/", "docs/other.md", "src/", "src/a.py"],
        "docs/README.md": ["docs/", "docs/README.md"],
    }


def test_the_config_has_the_digest_of_every_layer(layout, context):
    packed = pack(layout, plan(context), name="demo:v1")
    value = manifest(layout, packed)
    config = json.loads(layout.read(value["config"]["digest"], limit=1 << 20))
    digests = [each["digest"] for each in value["layers"]]
    assert [config["model"]["digest"], config["model"]["parts"][0]["digest"]] == digests[:2]
    assert config["code"][0]["diffId"] == config["code"][0]["digest"] == digests[2]
    assert layout.resolve("demo:v1").digest == packed.descriptor.digest
    assert value["annotations"] == {KIND: "model"}


def test_the_same_files_give_the_same_digest(layout, context):
    first = pack(layout, plan(context)).descriptor.digest
    for each in context.rglob("*"):
        os.utime(each, (1, 1))
    assert pack(layout, plan(context)).descriptor.digest == first
    timed = pack(layout, plan(context), created="2026-01-02T03:04:05Z")
    assert manifest(layout, timed)["annotations"][CREATED] == "2026-01-02T03:04:05Z"
    (context / "src/a.py").chmod(0o755)
    assert pack(layout, plan(context)).descriptor.digest != first


def test_gzip(layout, context):
    plain = manifest(layout, pack(layout, plan(context)))["layers"]
    packed = pack(layout, plan(context), gzip=True)
    for one, other in zip(plain, manifest(layout, packed)["layers"], strict=True):
        assert other["mediaType"] == one["mediaType"] + "+gzip"
        data = gzip.decompress(layout.read(other["digest"], limit=1 << 20))
        assert digest_of(data) == one["digest"]
    diffs = [each.diff_id for each in packed.kitfile.entries]
    assert diffs == [each["digest"] for each in plain]
    assert pack(layout, plan(context), gzip=True).descriptor == packed.descriptor


def test_what_is_left_out(layout, context):
    (context / ".kitignore").write_text("**/*.py\ndocs/other*\n")
    (context / "link").symlink_to("/etc/passwd")
    (context / "dir").symlink_to("/etc")
    os.mkfifo(context / "pipe")
    packed = pack(layout, _with(context, "code: [{path: .}]"))
    assert contents(layout, manifest(layout, packed)["layers"][0]) == [
        "docs/", "docs/README.md", "model/", "model/lora/", "model/lora/l.bin", "model/w.bin", "src/",
    ]  # fmt: skip
    assert set(packed.skipped) == {"dir", "link", "pipe"}


def _with(context, kitfile: str):
    (context / "Kitfile").write_text(kitfile)
    return plan(context)


def test_taken_back_from_an_ignored_directory(layout, context):
    (context / ".kitignore").write_text("docs\n!docs/README.md\nmodel\nsrc\n")
    packed = pack(layout, _with(context, "code: [{path: .}]"))
    assert contents(layout, manifest(layout, packed)["layers"][0]) == ["docs/README.md"]


@pytest.mark.parametrize(
    ("kitfile", "why"),
    [
        ("code: [{path: nowhere}]", "is not there"),
        ("code: [{path: link}]", "is a link"),
        ("code: [{path: src}, {path: src/a.py}]", "no file"),
        ("code: [{path: empty}]", "no file"),
        ("mcpServers: [{name: a, path: x.mcpb}]", "is not there"),
        ("mcpServers: [{name: a, path: dir.mcpb}]", "no MCP bundle"),
    ],
)
def test_entries_with_nothing_to_pack(layout, context, kitfile, why):
    (context / "link").symlink_to("src")
    (context / "empty").mkdir()
    (context / "dir.mcpb").mkdir()
    (context / "dir.mcpb" / "f").write_text("x")
    with pytest.raises(PackError, match=why):
        _with(context, kitfile)


def test_an_mcp_bundle_keeps_its_bytes(layout, tmp_path):
    bundle = zip_of({"manifest.json": json.dumps(MANIFEST).encode(), "i.js": b"x"})
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "fs.mcpb").write_bytes(bundle)
    packed = pack(layout, plan(tmp_path / "s"), gzip=True)
    (layer,) = manifest(layout, packed)["layers"]
    assert packed.kind == "mcp-server"
    assert layer["digest"] == digest_of(bundle)
    assert layer["mediaType"] == "application/vnd.kitops.modelkit.mcpb.v1.raw"


def test_what_is_no_mcp_bundle(layout, context):
    (context / "x.mcpb").write_bytes(b"no zip")
    planned = _with(context, "mcpServers: [{name: a, path: x.mcpb}]")
    with pytest.raises(ArchiveError):
        pack(layout, planned, name="x:v1")
    assert layout.names() == {}


def test_prompts_are_code_with_an_annotation(layout, context):
    packed = pack(layout, _with(context, "prompts: [{path: docs}]"))
    (layer,) = manifest(layout, packed)["layers"]
    assert layer["mediaType"] == "application/vnd.kitops.modelkit.code.v1.tar"
    assert layer["annotations"] == {FILE_PATH: "docs", SUBTYPE: "prompt"}


def test_names_that_collide_elsewhere(layout, context):
    (context / "src" / "A.py").write_text("x")
    with pytest.raises(PackError, match="one file on"):
        pack(layout, plan(context), name="x:v1")
    assert layout.names() == {}


@pytest.mark.parametrize("name", [b"back\\slash", b"not-utf8-\xff", b"new\nline", b"C:x"])
def test_names_that_nobody_could_unpack(context, name):
    (context / "src" / os.fsdecode(name)).touch()
    with pytest.raises(PackError, match="cannot be packed"):
        plan(context)


def test_a_file_that_is_replaced_by_a_link_meanwhile(layout, context):
    planned = plan(context)
    (context / "src" / "a.py").unlink()
    (context / "src" / "a.py").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        pack(layout, planned, name="x:v1")
    assert layout.names() == {}
    assert list((layout.root / "ingest").iterdir()) == []


def test_remote_data_and_models_elsewhere_have_no_layer(layout, context):
    kitfile = """
model: {path: 'registry.example/base:v1', parts: [{path: model/lora}]}
datasets: [{path: far, remotePath: 's3://b/k', remoteHash: e}]
"""
    packed = pack(layout, _with(context, kitfile))
    assert [each["annotations"][FILE_PATH] for each in manifest(layout, packed)["layers"]] == [
        "model/lora"
    ]


def test_a_kitfile_elsewhere_and_a_kind_that_is_given(layout, context, tmp_path):
    (tmp_path / "other.yaml").write_text("docs: [{path: docs}]")
    assert plan(context, kitfile=tmp_path / "other.yaml").kind == "docs"
    assert plan(context, kind="policy").kind == "policy"
    with pytest.raises(PackError, match="no kind"):
        plan(context, kind="thing")
    (tmp_path / "other.yaml").write_text("x: 1")
    with pytest.raises(DefinitionError, match=r"other\.yaml"):
        plan(context, kitfile=tmp_path / "other.yaml")


def test_progress_counts_to_the_total(layout, context):
    told = []
    pack(layout, plan(context), progress=lambda *each: told.append(each))
    assert told[-1][1] == told[-1][2] == sum(len(each[0]) for each in told)


def test_generation_1(layout, context):
    value = manifest(layout, pack(layout, plan(context), generation=1))
    assert "artifactType" not in value
    assert all("annotations" not in each for each in value["layers"])


def test_nothing_to_pack(tmp_path):
    (tmp_path / "empty").mkdir()
    for path, why in ((tmp_path / "empty", "nothing to pack"), (tmp_path / "no", "no directory")):
        with pytest.raises(PackError, match=why):
            plan(path)


def test_one_file_is_packed_alone(layout, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "secret").write_text("x")
    (tmp_path / "d" / "Kitfile").write_text("code: [{path: .}]")
    (tmp_path / "d" / "small.gguf").write_text("GGUF")
    packed = pack(layout, plan(tmp_path / "d" / "small.gguf"))
    assert packed.kind == "model"
    assert packed.kitfile.name == "small"
    assert contents(layout, manifest(layout, packed)["layers"][0]) == ["small.gguf"]
    (tmp_path / "d" / "s.mcpb").write_bytes(
        zip_of({"manifest.json": json.dumps(MANIFEST).encode()})
    )
    assert plan(tmp_path / "d" / "s.mcpb").kind == "mcp-server"


def test_what_kit_of_2025_loses_is_packed(layout, context):
    """It takes `a/b-c` for a part of `a/b`, and `..` in a name for a way out."""
    for name in ("model/lora-extra/x", "src/a..b"):
        (context / name).parent.mkdir(exist_ok=True)
        (context / name).write_text("x")
    layers = manifest(layout, pack(layout, plan(context)))["layers"]
    assert "model/lora-extra/x" in contents(layout, layers[0])
    assert "src/a..b" in contents(layout, layers[2])
