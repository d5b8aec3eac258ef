"""What is evidence, and what only says so."""

import asyncio
import json

import pytest

from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import EMPTY, MANIFEST, parse_manifest
from remit.hub.admission.exempt import MAX_LAYER_BYTES, MAX_LAYERS, is_evidence, legacy_tag

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
IMAGE = "application/vnd.oci.image.config.v1+json"
SAID = {
    BUNDLE: {"mediaType": BUNDLE, "verificationMaterial": {}},
    DSSE: {"payload": "", "payloadType": "", "signatures": []},
    SIMPLE: {"critical": {}, "optional": None},
    "application/vnd.in-toto+json": {"_type": "x", "subject": []},
    "application/vnd.dev.sigstore.bundle+json;version=0.2": {
        "mediaType": "x",
        "verificationMaterial": {},
    },
}


def judged(layers, config=(EMPTY, b"{}"), sizes=None, **more):
    """Whether a manifest of (type, bytes) is evidence."""
    blobs = {}

    def described(kind, data, /, **extra):
        blobs[digest_of(data)] = data
        return {"mediaType": kind, "digest": digest_of(data), "size": len(data), **extra}

    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(*config),
        "layers": [described(kind, data, **extra) for kind, data, extra in layers],
        **more,
    }
    for layer, size in zip(document["layers"], sizes or [], strict=False):
        layer["size"] = size

    async def reads(descriptor, limit):
        data = blobs.get(descriptor.digest)
        return data if data is not None and len(data) <= limit else None

    return asyncio.run(is_evidence(parse_manifest(json.dumps(document).encode()), reads))


def layer(kind, said=None, **extra):
    return kind, json.dumps(SAID[kind] if said is None else said).encode(), extra


@pytest.mark.parametrize("kind", SAID)
def test_evidence(kind):
    assert judged([layer(kind)])
    assert judged([layer(kind), layer(DSSE)])
    assert judged([layer(kind)], (IMAGE, b'{"rootfs":{}}'))


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [(DSSE, b"", {})],
        [(DSSE, b"\x80\x04.", {})],
        [(DSSE, b"[]", {})],
        [(DSSE, b"{}", {})],
        [(DSSE, b'{"payload":"","payloadType":"","signatures":[],"payload":""}', {})],
        [(DSSE, json.dumps(SAID[DSSE]).encode() + b"\x80\x04.", {})],
        [(BUNDLE, json.dumps(SAID[DSSE]).encode(), {})],
        [("application/octet-stream", json.dumps(SAID[DSSE]).encode(), {})],
        [("application/json", json.dumps(SAID[DSSE]).encode(), {})],
        [(DSSE.upper(), json.dumps(SAID[DSSE]).encode(), {})],
        [(BUNDLE + " ", json.dumps(SAID[BUNDLE]).encode(), {})],
        [(BUNDLE.replace("0.3", "0.33"), json.dumps(SAID[BUNDLE]).encode(), {})],
        [layer(DSSE, urls=["https://x"])],
        [layer(DSSE, data="e30=")],
        [layer(DSSE), ("application/octet-stream", b"x", {})],
        [layer(DSSE)] * (MAX_LAYERS + 1),
    ],
)
def test_what_only_says_so(layers):
    assert not judged(layers)


@pytest.mark.parametrize(
    "config",
    [
        (EMPTY, b"{ }"),
        (EMPTY, b"\x80\x04."),
        (IMAGE, b"\x80\x04."),
        (IMAGE, b"[]"),
        ("application/octet-stream", b"{}"),
        (IMAGE, json.dumps({"x": "y" * (1 << 20)}).encode()),
    ],
)
def test_its_config_holds_nothing_else(config):
    assert not judged([layer(DSSE)], config)


def test_what_claims_to_be_large_or_is_not_there():
    assert not judged([layer(DSSE)], sizes=[MAX_LAYER_BYTES + 1])
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}

    async def reads(descriptor, limit):
        return None

    empty = parse_manifest(json.dumps({**index, "manifests": []}).encode())
    assert not asyncio.run(is_evidence(empty, reads))
    gone = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": IMAGE, "digest": digest_of(b"{}"), "size": 2},
        "layers": [{"mediaType": DSSE, "digest": digest_of(b"x"), "size": 1}],
    }
    assert not asyncio.run(is_evidence(parse_manifest(json.dumps(gone).encode()), reads))


def test_tags_of_cosign():
    hexes = "ab" * 32
    assert legacy_tag(f"sha256-{hexes}.sig")
    assert legacy_tag(f"sha256-{hexes}.att")
    for tag in (
        f"sha256-{hexes}",
        f"sha256-{hexes}.sbom",
        f"{hexes}.sig",
        "sha256-ab.sig",
        "v1.sig",
    ):
        assert not legacy_tag(tag)
