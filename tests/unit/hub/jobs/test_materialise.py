"""An artifact as files, and what of it could not be."""

import asyncio
import io
import json
import tarfile

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import EMPTY, MANIFEST, Descriptor
from remit.hub.jobs import materialise as module
from remit.hub.jobs.materialise import NoRoomError, materialise
from remit.hub.jobs.values import Task

OCTETS = "application/octet-stream"
TITLE = "org.opencontainers.image.title"
KIT = "application/vnd.kitops.modelkit"


class Blobs:
    """Bytes in memory; what `changes` names is another."""

    def __init__(self):
        self.kept = {}
        self.changes = {}

    def add(self, data):
        self.kept[digest_of(data)] = data
        return digest_of(data)

    async def read(self, repository, descriptor):
        data = self.changes.get(descriptor.digest, self.kept.get(descriptor.digest))
        if data is None:
            raise FileNotFoundError(descriptor.digest)
        for at in range(0, len(data), 7):
            yield data[at : at + 7]


@pytest.fixture
def blobs():
    return Blobs()


def laid_out(blobs, place, layers, config=(EMPTY, b"{}"), **more):
    """Files by name, and what is wrong."""
    found = contents(blobs, place, layers, config, **more)
    files = {
        each.relative_to(found.root).as_posix(): each.read_bytes()
        for each in found.root.rglob("*")
        if each.is_file()
    }
    wrong = [each.reason for each in found.report.coverage if each.status == "error"]
    assert all(each.executes for each in found.report.coverage if each.status == "error")
    return files, wrong


def contents(blobs, place, layers, config=(EMPTY, b"{}"), **more):
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": config[0], "digest": blobs.add(config[1]), "size": len(config[1])
        },
        "layers": layers,
        **more,
    }  # fmt: skip
    body = json.dumps(document).encode()
    descriptor = Descriptor(media_type=MANIFEST, digest=digest_of(body), size=len(body))
    task = Task(id="j", worker="w", repository="a", descriptor=descriptor, body=body, kind="")
    return asyncio.run(materialise(blobs, task, place))


def layer(blobs, data, kind=OCTETS, /, title="", **more):
    found = {"mediaType": kind, "digest": blobs.add(data), "size": len(data), **more}
    if title:
        found["annotations"] = {TITLE: title}
    return found


def tar(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_files_with_titles(blobs, tmp_path):
    files, wrong = laid_out(blobs, tmp_path, [layer(blobs, b"one", title="a/b.txt")])
    assert files == {"a/b.txt": b"one", "manifest-0-config.json": b"{}"}
    assert wrong == []


def test_layers_without_a_name_have_the_suffix_of_their_type(blobs, tmp_path):
    kinds = {
        "application/vnd.oci.image.layer.v1.tar+gzip": "layer-0.tar.gz",
        "application/json": "layer-1.json",
        "application/vnd.x.model.gguf": "layer-2.gguf",
        "what/ever": "layer-3.bin",
    }
    layers = [layer(blobs, b"%d" % at, kind) for at, kind in enumerate(kinds)]
    files, wrong = laid_out(blobs, tmp_path, layers)
    assert set(files) == {*kinds.values(), "manifest-0-config.json"}
    assert wrong == []


def test_an_image_lies_there_layer_by_layer(blobs, tmp_path):
    config = ("application/vnd.oci.image.config.v1+json", b'{"config":{}}')
    archive = layer(blobs, tar(x=b"1"), "application/vnd.oci.image.layer.v1.tar")
    files, wrong = laid_out(blobs, tmp_path, [archive], config)
    assert set(files) == {"layer-0.tar", "manifest-0-config.json"}
    assert wrong == []


def test_a_modelkit_is_unpacked(blobs, tmp_path):
    config = {"manifestVersion": "1.0.0", "code": [{"path": "."}]}
    archive = layer(blobs, tar(**{"main.py": b"1"}), f"{KIT}.code.v1.tar")
    files, wrong = laid_out(
        blobs, tmp_path, [archive], (f"{KIT}.config.v1+json", json.dumps(config).encode())
    )
    assert files["main.py"] == b"1"
    assert "Kitfile" in files
    assert wrong == []


def test_scanners_are_told_what_the_kitfile_says(blobs, tmp_path):
    config = {
        "manifestVersion": "1.0.0",
        "package": {"name": "x", "license": "MIT"},
        "code": [{"path": ".", "license": "Apache-2.0"}],
    }
    archive = layer(blobs, tar(**{"main.py": b"1"}), f"{KIT}.code.v1.tar")
    kind = (f"{KIT}.config.v1+json", json.dumps(config).encode())
    found = contents(blobs, tmp_path, [archive], kind)
    assert found.metadata["package"] == {"name": "x", "license": "MIT"}
    assert found.metadata["code"][0]["license"] == "Apache-2.0"


def test_a_modelkit_that_does_not_unpack_is_looked_at_and_blocks(blobs, tmp_path):
    config = {"manifestVersion": "1.0.0", "code": [{"path": "."}]}
    archive = layer(blobs, tar(**{"../evil": b"1"}), f"{KIT}.code.v1.tar")
    files, wrong = laid_out(
        blobs, tmp_path, [archive], (f"{KIT}.config.v1+json", json.dumps(config).encode())
    )
    assert list(files) == ["layer-0.tar"]
    assert any("cannot be unpacked" in each for each in wrong)
    assert not (tmp_path.parent / "evil").exists()


def test_what_is_elsewhere_missing_changed_or_inline(blobs, tmp_path):
    missing, changed, longer = (layer(blobs, data) for data in (b"gone", b"true", b"more"))
    del blobs.kept[missing["digest"]]
    blobs.changes[changed["digest"]] = b"lies"
    blobs.changes[longer["digest"]] = b"more and more"
    foreign = layer(blobs, b"x", urls=["https://x"])
    inline = layer(blobs, b"y", data="eQ==")
    files, wrong = laid_out(
        blobs, tmp_path, [layer(blobs, b"good"), missing, changed, longer, foreign, inline]
    )
    assert {"layer-0.bin": b"good"}.items() <= files.items()
    assert len(wrong) == 5
    words = " ".join(wrong)
    for part in ("elsewhere", "content of its own", "not there", "something else", "more bytes"):
        assert part in words, part


def test_a_config_that_has_a_name_of_the_artifact(blobs, tmp_path):
    files, _ = laid_out(blobs, tmp_path, [layer(blobs, b"mine", title="manifest-0-config.json")])
    assert files == {"manifest-0-config.json": b"mine", "manifest-1-config.json": b"{}"}


def test_a_disk_without_room(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RESERVE_BYTES", 1 << 62)
    with pytest.raises(NoRoomError, match="worker's disk"):
        laid_out(blobs, tmp_path, [layer(blobs, b"x")])
