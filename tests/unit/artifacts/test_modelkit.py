"""Manifests of both generations, of ModelPack, and of everything else."""

import json

import msgspec
import pytest

from remit.artifacts.errors import DefinitionError, ManifestError
from remit.artifacts.kitfile import Entry, Kitfile, config_bytes
from remit.artifacts.modelkit import (
    ARTIFACT_TYPE,
    CONFIG,
    FILE_PATH,
    KIND,
    SUBTYPE,
    layer_type,
    manifest_bytes,
    read_artifact,
)
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, Descriptor, parse_manifest

KIT = "application/vnd.kitops.modelkit."
PACK = "application/vnd.cncf.model."


def layer(media_type: str, content: str = "x", **annotations: str) -> Descriptor:
    data = content.encode()
    return Descriptor(
        media_type=media_type, digest=digest_of(data), size=len(data), annotations=annotations
    )


def read(layers, config: bytes, config_type: str = CONFIG, **more):
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": config_type, "digest": digest_of(config), "size": len(config)},
        "layers": [msgspec.to_builtins(each) for each in layers],
        **more,
    }
    return read_artifact(parse_manifest(json.dumps(document).encode()), config)


def config(*entries: Entry) -> bytes:
    return config_bytes(Kitfile(name="p", entries=entries))


CONFIG_DESCRIPTOR = Descriptor(media_type=CONFIG, digest=digest_of(b"{}"), size=2)


def test_the_manifest_of_generation_2():
    one = layer(layer_type("model"), **{FILE_PATH: "w"})
    data = manifest_bytes(CONFIG_DESCRIPTOR, (one,), {KIND: "model", "a": "b"})
    value = json.loads(data)
    assert list(value) == [
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "annotations",
    ]
    assert value["artifactType"] == ARTIFACT_TYPE
    assert value["layers"][0]["annotations"] == {FILE_PATH: "w"}
    assert list(value["annotations"]) == ["a", KIND]
    assert parse_manifest(data).media_type == MANIFEST


def test_the_manifest_of_generation_1():
    one = layer(layer_type("code", gzip=True), **{FILE_PATH: "w"})
    value = json.loads(manifest_bytes(CONFIG_DESCRIPTOR, (one,), {KIND: "code"}, generation=1))
    assert list(value) == ["schemaVersion", "config", "layers", "annotations"]
    assert value["layers"] == [
        {"mediaType": KIT + "code.v1.tar+gzip", "digest": one.digest, "size": 1}
    ]


def test_layer_types():
    assert layer_type("prompt") == KIT + "code.v1.tar"
    assert layer_type("mcpserver", gzip=True) == KIT + "mcpb.v1.raw"
    assert layer_type("modelpart", gzip=True) == KIT + "modelpart.v1.tar+gzip"


def test_layers_find_their_entry_by_digest_in_any_order():
    a, b = layer(KIT + "code.v1.tar", "a"), layer(KIT + "code.v1.tar+gzip", "b")
    found = read(
        [a, b],
        config(
            Entry(section="code", path="b", digest=b.digest),
            Entry(section="code", path="a", digest=a.digest),
        ),
    )
    assert [each.entry.path for each in found.layers] == ["a", "b"]
    assert [each.compression for each in found.layers] == ["", "gzip"]
    assert (found.form, found.generation) == ("modelkit", 1)


def test_layers_without_digests_are_in_order():
    layers = [
        layer(KIT + f"{kind}.v1.tar", str(at)) for at, kind in enumerate(["code", "docs", "code"])
    ]
    entries = (
        Entry(section="code", path="1"),
        Entry(section="code", path="2"),
        Entry(section="docs", path="3"),
    )
    assert [each.entry.path for each in read(layers, config(*entries)).layers] == ["1", "3", "2"]


def test_prompts_and_servers_and_other_forms():
    prompt = layer(KIT + "code.v1.tar", "p", **{SUBTYPE: "prompt"})
    server = layer(KIT + "mcpb.v1.raw", "m")
    raw = layer(KIT + "dataset.v1.raw+zstd", "d")
    found = read(
        [prompt, server, raw],
        config(
            Entry(section="dataset", path="d.csv"),
            Entry(section="prompt", path="p"),
            Entry(section="mcpserver", path="m.mcpb", name="m"),
        ),
        artifactType="application/vnd.example.own",
        annotations={KIND: "mcp-server"},
    )
    assert [(e.section, e.archive, e.compression, e.path) for e in found.layers] == [
        ("prompt", True, "", ""), ("mcpserver", False, "", "m.mcpb"), ("dataset", False, "zstd", "d.csv"),
    ]  # fmt: skip
    assert (found.kind, found.generation) == ("mcp-server", 2)


@pytest.mark.parametrize(
    ("layers", "entries", "why"),
    [
        ([layer(KIT + "code.v1.tar")], [], "no entry"),
        ([], [Entry(section="code", path="a")], "no layer"),
        ([layer(KIT + "docs.v1.tar")], [Entry(section="code", path="a")], "no entry"),
        ([layer(KIT + "code.v1.tar")], [Entry(section="code", path="a", digest=digest_of(b"y"))], "another digest"),
        ([layer("application/vnd.oci.image.layer.v1.tar")], [Entry(section="code")], "no layer of a ModelKit"),
        ([layer(KIT + "code.v2.tar")], [Entry(section="code")], "no layer of a ModelKit"),
        ([layer(KIT + "code.v1.tar+bzip2")], [Entry(section="code")], "no layer of a ModelKit"),
    ],
)  # fmt: skip
def test_layers_and_entries_that_do_not_fit(layers, entries, why):
    with pytest.raises(ManifestError, match=why):
        read(layers, config(*entries))


def test_a_config_that_is_none():
    with pytest.raises(DefinitionError):
        read([], b"[]")


PACK_CONFIG = {
    "descriptor": {
        "name": "m",
        "version": "1",
        "licenses": ["MIT", "Apache-2.0"],
        "authors": ["a"],
    },
    "config": {"format": "safetensors"},
    "modelfs": {"type": "layers", "diffIds": [digest_of(b"1"), digest_of(b"2"), digest_of(b"3")]},
}


@pytest.mark.parametrize(
    "spelling", [("weight", "weight.config", "doc"), ("model", "modelpart", "docs")]
)
def test_modelpack_in_both_spellings(spelling):
    layers = [
        layer(f"{PACK}{name}.v1.raw", name, **{FILE_PATH: f"d/{name}"}) for name in spelling[:2]
    ]
    layers.append(layer(f"{PACK}{spelling[2]}.v1.tar+gzip", "t", **{FILE_PATH: "doc"}))
    found = read(layers, json.dumps(PACK_CONFIG).encode(), PACK + "config.v1+json")
    assert (found.form, found.kind) == ("modelpack", "model")
    assert [(e.section, e.archive, e.compression, e.path) for e in found.layers] == [
        ("model", False, "", f"d/{spelling[0]}"), ("modelpart", False, "", f"d/{spelling[1]}"), ("docs", True, "gzip", ""),
    ]  # fmt: skip
    assert [each.entry.diff_id for each in found.layers] == PACK_CONFIG["modelfs"]["diffIds"]
    assert (found.kitfile.name, found.kitfile.license) == ("m", "MIT AND Apache-2.0")


@pytest.mark.parametrize(
    ("layers", "document", "why"),
    [
        ([layer(PACK + "weight.v1.raw")], {}, "without"),
        ([layer(PACK + "weight.v1.zip", **{FILE_PATH: "a"})], {}, "no layer of a ModelPack"),
        ([], {"modelfs": {"diffIds": ["sha256:1"]}}, "one diff id"),
        ([], [], "no object"),
    ],
)
def test_modelpacks_that_do_not_fit(layers, document, why):
    with pytest.raises(ManifestError, match=why):
        read(layers, json.dumps(document).encode(), PACK + "config.v1+json")


def test_images_and_other_artifacts():
    image = read(
        [layer("application/vnd.oci.image.layer.v1.tar+gzip")],
        b"{}",
        "application/vnd.oci.image.config.v1+json",
    )
    assert (image.form, image.kind) == ("image", "image")
    titled = layer("text/plain", "t", **{"org.opencontainers.image.title": "a.txt"})
    chart = layer("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "h")
    other = read([titled, chart], b"{}", "application/vnd.oci.empty.v1+json")
    assert (other.form, other.kind) == ("artifact", "")
    assert [(e.archive, e.compression, e.path) for e in other.layers] == [
        (False, "", "a.txt"),
        (True, "gzip", ""),
    ]
    index = read_artifact(parse_manifest(b'{"schemaVersion":2,"manifests":[]}'), b"")
    assert index.form == "index"
