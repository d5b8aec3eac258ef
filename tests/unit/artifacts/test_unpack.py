"""Unpacking: verified, whole, and inside its directory."""

import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from backports import zstd

from remit.artifacts.errors import ArchiveError, DigestError, ManifestError, UnpackError
from remit.artifacts.kitfile import Entry, Kitfile, config_bytes
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.members import Limits
from remit.artifacts.modelkit import CONFIG, FILE_PATH, manifest_bytes
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST, Descriptor
from remit.artifacts.pack import pack, plan
from remit.artifacts.unpack import unpack
from tests.unit.artifacts.archives import named, special, tar, tar_directory, tar_file

CODE = "application/vnd.kitops.modelkit.code.v1.tar"


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


def artifact(layout, *layers: bytes, media_type: str = CODE, entries=None) -> Descriptor:
    """A ModelKit whose layers have these bytes."""
    found = tuple(
        Descriptor(media_type=media_type, digest=layout.put(data), size=len(data))
        for data in layers
    )
    entries = entries or tuple(
        Entry(section="code", path=str(at), digest=each.digest) for at, each in enumerate(found)
    )
    return described(layout, found, config_bytes(Kitfile(entries=entries)), CONFIG)


def described(layout, layers, config: bytes, config_type: str) -> Descriptor:
    head = Descriptor(media_type=config_type, digest=layout.put(config), size=len(config))
    data = manifest_bytes(head, layers, {}, generation=2)
    if config_type != CONFIG:
        document = json.loads(data)
        del document["artifactType"]
        data = json.dumps(document).encode()
    return Descriptor(media_type=MANIFEST, digest=layout.put(data), size=len(data))


def everything(path) -> dict[str, str]:
    return {
        str(each.relative_to(path)): each.read_text()
        for each in sorted(path.rglob("*"))
        if each.is_file()
    }


def untouched(tmp_path) -> bool:
    return sorted(each.name for each in tmp_path.iterdir()) == ["store"]


def test_what_was_packed_comes_out_and_packs_again_to_the_same(layout, tmp_path):
    root = tmp_path / "ctx"
    (root / "src" / "empty").mkdir(parents=True)
    (root / "src" / "run.sh").write_text("#!/bin/sh\n")
    (root / "src" / "run.sh").chmod(0o755)
    (root / "ünï").write_text("é")
    (root / "Kitfile").write_text(
        "package: {name: x, version: 1.10}\ncode: [{path: src}]\ndocs: [{path: ünï}]\n"
    )
    first = pack(layout, plan(root))
    found = unpack(layout, first.descriptor, tmp_path / "out")
    assert found.files == 3
    assert (tmp_path / "out/src/empty").is_dir()
    assert (tmp_path / "out/src/run.sh").stat().st_mode & 0o777 == 0o755
    assert pack(layout, plan(tmp_path / "out")).layers == first.layers


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_layers(layout, tmp_path, compression):
    data = tar(tar_file("x", b"content"))
    packed = __import__("gzip").compress(data) if compression == "gzip" else zstd.compress(data)
    for diff_id, fine in ((digest_of(data), True), (digest_of(b""), False)):
        entry = Entry(section="code", digest=digest_of(packed), diff_id=diff_id)
        made = artifact(layout, packed, media_type=f"{CODE}+{compression}", entries=(entry,))
        if fine:
            unpack(layout, made, tmp_path / "out")
            assert (tmp_path / "out/x").read_text() == "content"
        else:
            with pytest.raises(DigestError, match="something else than the config says"):
                unpack(layout, made, tmp_path / "other")
            assert not (tmp_path / "other").exists()


def test_a_diff_id_of_a_plain_layer_that_is_another(layout, tmp_path):
    data = tar(tar_file("x"))
    entry = Entry(section="code", digest=digest_of(data), diff_id=digest_of(b""))
    with pytest.raises(DigestError):
        unpack(layout, artifact(layout, data, entries=(entry,)), tmp_path / "out")
    assert untouched(tmp_path)


@pytest.mark.parametrize(
    "layers",
    [
        [tar(named(b"../evil", b"x"))],
        [tar(named(b"/tmp/evil", b"x"))],
        [tar(special("2", "l", "/etc"), tar_file("l/x"))],
        [tar(special("1", "l", "/etc/passwd"))],
        [tar(tar_file("fine", b"x")), tar(tar_file("fine", b"y"))],
        [tar(tar_file("fine", b"x")), tar(tar_file("FINE", b"y"))],
        [tar(tar_file("fine", b"x")), tar(tar_file("fine/x", b"y"))],
        [tar(tar_file("Kitfile", b"x"))],
        [tar(tar_file("kitfile", b"x"))],
        [tar(tar_file("good", b"x" * 5000)), tar(tar_file("bad", b"y" * 5000))[:3000]],
        [tar(tar_file("good", b"x")) + tar(tar_file("hidden"))],
        [b"no archive"],
    ],
)
def test_a_hostile_layer_leaves_nothing(layout, tmp_path, layers):
    with pytest.raises((ArchiveError, UnpackError)):
        unpack(layout, artifact(layout, *layers), tmp_path / "out")
    assert untouched(tmp_path)


def test_a_blob_that_was_changed_leaves_nothing(layout, tmp_path):
    data = tar(tar_file("x", b"content"))
    made = artifact(layout, data)
    for changed in (data.replace(b"content", b"c0ntent"), data + b"\0", data[:-1]):
        layout.path(digest_of(data)).write_bytes(changed)
        with pytest.raises(DigestError):
            unpack(layout, made, tmp_path / "out")
        assert untouched(tmp_path)


def test_a_layer_that_is_missing(layout, tmp_path):
    data = tar(tar_file("x"))
    made = artifact(layout, data)
    layout.path(digest_of(data)).unlink()
    with pytest.raises(LayoutError, match="not in the store"):
        unpack(layout, made, tmp_path / "out")
    assert untouched(tmp_path)


def test_limits_are_for_all_layers_together(layout, tmp_path):
    made = artifact(layout, *(tar(tar_file(str(at), b"x" * 600)) for at in range(4)))
    for limits in (Limits(total=2000), Limits(entries=3)):
        with pytest.raises(ArchiveError, match="more than"):
            unpack(layout, made, tmp_path / "out", limits=limits)
        assert untouched(tmp_path)


def test_directories_may_be_shared_and_equal_layers_are_unpacked_once(layout, tmp_path):
    one = tar(tar_directory("d"), tar_file("d/x", b"x"))
    two = tar(tar_directory("d"), tar_file("d/y", b"y"))
    unpack(layout, artifact(layout, one, two, one), tmp_path / "out")
    assert set(everything(tmp_path / "out")) == {"Kitfile", "d/x", "d/y"}


def test_filters(layout, tmp_path):
    root = tmp_path / "ctx"
    for name in ("m/w", "c/a", "d/b"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    (root / "Kitfile").write_text("model: {path: m}\ncode: [{path: c}]\ndatasets: [{path: d}]\n")
    made = pack(layout, plan(root)).descriptor
    for at, (only, names) in enumerate(
        [
            (["model"], {"m/w"}),
            (["kitfile"], {"Kitfile"}),
            (["code", "datasets"], {"c/a", "d/b"}),
            (["docs"], set()),
        ]
    ):
        unpack(layout, made, tmp_path / f"out{at}", only=only)
        assert set(everything(tmp_path / f"out{at}")) == names


def test_what_is_elsewhere_is_said(layout, tmp_path):
    entries = (
        Entry(section="model", path="registry.example/base:v1"),
        Entry(section="dataset", path="d", remote_path="s3://b/k", remote_hash="e"),
    )
    found = unpack(layout, artifact(layout, entries=entries), tmp_path / "out")
    assert found.elsewhere == ("s3://b/k", "registry.example/base:v1")


def test_modelpack_and_titled_files(layout, tmp_path):
    one = Descriptor(
        media_type="application/vnd.cncf.model.weight.v1.raw", digest=layout.put(b"weights"), size=7,
        annotations={FILE_PATH: "model/w.safetensors"},
    )  # fmt: skip
    config = json.dumps(
        {"descriptor": {"name": "m"}, "modelfs": {"type": "layers", "diffIds": [one.digest]}}
    ).encode()
    made = described(layout, (one,), config, "application/vnd.cncf.model.config.v1+json")
    unpack(layout, made, tmp_path / "pack")
    assert (tmp_path / "pack/model/w.safetensors").read_text() == "weights"
    titled = msgspec.structs.replace(
        one, media_type="text/plain", annotations={"org.opencontainers.image.title": "./a.txt"}
    )
    unpack(
        layout,
        described(layout, (titled,), b"{}", "application/vnd.oci.empty.v1+json"),
        tmp_path / "titled",
    )
    assert everything(tmp_path / "titled") == {"a.txt": "weights"}


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a\\b", "C:x", ""])
def test_single_files_with_hostile_names(layout, tmp_path, path):
    one = Descriptor(
        media_type="application/vnd.kitops.modelkit.mcpb.v1.raw", digest=layout.put(b"x"), size=1
    )
    config = config_bytes(Kitfile(entries=(Entry(section="mcpserver", name="a", path=path),)))
    with pytest.raises((ArchiveError, UnpackError)):
        unpack(layout, described(layout, (one,), config, CONFIG), tmp_path / "out")
    titled = msgspec.structs.replace(one, annotations={"org.opencontainers.image.title": path})
    with pytest.raises((ArchiveError, UnpackError)):
        unpack(layout, described(layout, (titled,), b"{}", "application/x"), tmp_path / "out")
    assert untouched(tmp_path)


def test_images_and_lists_are_not_unpacked(layout, tmp_path):
    image = described(layout, (), b"{}", "application/vnd.oci.image.config.v1+json")
    with pytest.raises(UnpackError, match="container image"):
        unpack(layout, image, tmp_path / "out")
    data = b'{"schemaVersion":2,"manifests":[]}'
    with pytest.raises(UnpackError, match="list of artifacts"):
        unpack(
            layout,
            Descriptor(media_type=INDEX, digest=layout.put(data), size=len(data)),
            tmp_path / "out",
        )


def test_a_manifest_and_config_that_do_not_fit(layout, tmp_path):
    data = tar(tar_file("x"))
    with pytest.raises(ManifestError):
        unpack(layout, artifact(layout, data, entries=(Entry(section="docs"),)), tmp_path / "out")
    assert untouched(tmp_path)


def test_a_target_that_is_in_use_is_kept(layout, tmp_path):
    made = artifact(layout, tar(tar_file("x")))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    with pytest.raises(UnpackError, match="there already"):
        unpack(layout, made, tmp_path / "out")
    assert everything(tmp_path / "out") == {"mine": "mine"}


def test_a_killed_unpack_leaves_no_target(layout, tmp_path):
    made = artifact(layout, tar(*(tar_file(f"{at}", b"x" * 200_000) for at in range(500))))
    script = f"""
import pathlib, sys
from remit.artifacts.layout import Layout
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.unpack import unpack
made = Descriptor(media_type={made.media_type!r}, digest={made.digest!r}, size={made.size})
unpack(Layout.open(pathlib.Path({str(layout.root)!r})), made, pathlib.Path({str(tmp_path / "out")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".out.*/1")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".out.*"))
    unpack(layout, made, tmp_path / "out")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "store"]
