"""Manifests, indexes and referrers."""

import json

import pytest

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.digests import EMPTY_DIGEST, digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST, parse_manifest
from remit.artifacts.oci.referrers import fallback_tag, index_bytes, referrer

CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY_DIGEST, "size": 2}
PLAIN = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": []}


def given(**changes):
    return json.dumps({**PLAIN, **changes}).encode()


def test_a_manifest_is_read():
    layer = {"mediaType": "x/y", "digest": digest_of(b"1"), "size": 1, "annotations": {"a": "b"}}
    foreign = {**layer, "urls": ["https://example.org/1"]}
    found = parse_manifest(given(layers=[layer, foreign], subject=CONFIG, new={"x": 1}))
    assert found.media_type == MANIFEST
    assert found.layers[0].annotations == {"a": "b"}
    assert [each.digest for each in found.blobs] == [EMPTY_DIGEST, digest_of(b"1")]
    assert found.subject.digest == EMPTY_DIGEST
    assert found.kind == "application/vnd.oci.empty.v1+json"


def test_what_has_no_media_type_is_known_by_its_shape():
    assert parse_manifest(b'{"schemaVersion":2,"manifests":[]}').media_type == INDEX


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"schemaVersion":2,"schemaVersion":2}',
        given(schemaVersion=1),
        given(mediaType="text/plain"),
        given(mediaType=INDEX),
        given(manifests=[]),
        given(config=None),
        given(config={**CONFIG, "digest": "sha256:x"}),
        given(config={**CONFIG, "size": -1}),
        given(config={**CONFIG, "size": True}),
        given(config={**CONFIG, "size": "2"}),
        given(layers={}),
        given(layers=[1]),
        given(annotations={"a": 1}),
        given(subject={}),
        b"[" * 100_000,
    ],
)
def test_what_is_malformed_is_refused(data):
    with pytest.raises(ManifestError):
        parse_manifest(data)


def test_a_manifest_sent_as_something_else_is_refused():
    assert parse_manifest(given(), f"{MANIFEST}; charset=utf-8").media_type == MANIFEST
    with pytest.raises(ManifestError, match="sent as"):
        parse_manifest(given(), INDEX)


def test_referrers_are_listed_by_their_type():
    data = given(artifactType="a/b", annotations={"x": "y"}, subject=CONFIG)
    found = referrer(parse_manifest(data), digest_of(data), len(data))
    listed = json.loads(index_bytes([found]))
    assert listed["mediaType"] == INDEX
    assert listed["manifests"] == [
        {
            "mediaType": MANIFEST,
            "digest": digest_of(data),
            "size": len(data),
            "artifactType": "a/b",
            "annotations": {"x": "y"},
        }
    ]
    assert fallback_tag(EMPTY_DIGEST) == EMPTY_DIGEST.replace(":", "-")
    assert len(fallback_tag(digest_of(b"", "sha512"))) == len("sha512-") + 64
