"""Bundles as referrers: what is written, what is found, and what cannot be read."""

import asyncio
import json

import pytest

from remit.artifacts import attestations
from remit.artifacts.attestations import bundle_manifest, find_attestations, stored_attestations
from remit.artifacts.errors import ManifestError
from remit.artifacts.layout import Layout
from remit.artifacts.oci.errors import NotFoundError, UnreachableError
from remit.artifacts.oci.manifest import MANIFEST
from remit.artifacts.transfer.attach import attach
from remit.artifacts.transfer.layouts import LayoutSource, LayoutTarget
from tests.rig.exchange import plain, put_artifact, put_document
from tests.unit.artifacts.vouching import signed

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
DATA = signed().data
WHEN = "2026-06-01T12:00:00Z"


@pytest.fixture
def store(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


@pytest.fixture
def subject(store):
    return put_artifact(store, "team/model:v1", b"weights")


def put(store, subject, data=DATA, kind="https://example.com/review/v1"):
    return asyncio.run(attach(LayoutTarget(store), subject, data, kind, WHEN))


def found(store, subject):
    """Both ways of looking give the same."""
    stored = stored_attestations(store, subject.digest)
    asked = asyncio.run(find_attestations(LayoutSource(store), subject.digest))
    assert [(each.manifest, each.data, each.problem and each.problem.code) for each in stored] == [
        (each.manifest, each.data, each.problem and each.problem.code) for each in asked
    ]
    return stored


def referrer(store, subject, *blobs, **more):
    store.put(b"{}")
    layers = [{"mediaType": BUNDLE, "digest": store.put(each), "size": len(each)} for each in blobs]
    return put_document(store, "", {
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "layers": layers,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                   "digest": attestations.EMPTY_DIGEST},
        "subject": plain(subject), **more,
    })  # fmt: skip


def test_what_is_attached_is_found(store, subject):
    first, second = put(store, subject), put(store, subject, signed().data)
    assert [(each.manifest, each.problem) for each in found(store, subject)] == [
        (first.digest, None), (second.digest, None),
    ]  # fmt: skip
    assert found(store, subject)[0].data == DATA
    assert store.has(attestations.EMPTY_DIGEST, 2)
    # Once more is nothing new.
    put(store, subject)
    assert len(found(store, subject)) == 2


def test_the_manifest(subject):
    made = bundle_manifest(subject, DATA, "https://example.com/x", WHEN)
    value = json.loads(made.data)
    assert list(value) == [
        "schemaVersion", "mediaType", "config", "layers", "annotations", "subject", "artifactType",
    ]  # fmt: skip
    assert value["subject"] == {
        "mediaType": MANIFEST,
        "size": subject.size,
        "digest": subject.digest,
    }
    assert value["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://example.com/x",
        "org.opencontainers.image.created": WHEN,
    }


def test_others_are_not_looked_at(store, subject):
    other = put_artifact(store, "team/other:v1", b"other")
    put(store, other)
    referrer(store, subject, b"{}", artifactType="application/spdx+json")
    assert found(store, subject) == []


def test_a_list_that_lies(store, subject):
    """A registry lists a manifest whose subject is something else."""
    other = put_artifact(store, "team/other:v1", b"other")
    elsewhere = put(store, other)

    class Lying(LayoutSource):
        async def referrers(self, asked):
            return [elsewhere]

    assert asyncio.run(find_attestations(Lying(store), subject.digest)) == []


def test_what_cannot_be_read_hides_nothing(store, subject):
    referrer(store, subject)
    referrer(store, subject, b"{}", b"[]")
    gone = referrer(store, subject, b"gone")
    store.path(store.manifest(gone)[0].layers[0].digest).unlink()
    changed = referrer(store, subject, b"changed")
    store.path(store.manifest(changed)[0].layers[0].digest).write_bytes(b"CHANGED")
    good = put(store, subject)
    seen = found(store, subject)
    assert len(seen) == 5
    assert [each.manifest for each in seen if each.problem is None] == [good.digest]
    assert [each.manifest for each in seen if each.data] == [good.digest]


def test_a_huge_bundle_is_not_read(store, subject):
    layer = {
        "mediaType": BUNDLE,
        "digest": store.put(b"x"),
        "size": attestations.MAX_BUNDLE_BYTES + 1,
    }
    referrer(store, subject, layers=[layer])
    assert isinstance(found(store, subject)[0].problem, ManifestError)


def test_too_many(store, subject, monkeypatch):
    monkeypatch.setattr(attestations, "MAX_ATTESTATIONS", 2)
    for number in range(3):
        referrer(store, subject, b"%d" % number)
    with pytest.raises(ManifestError):
        stored_attestations(store, subject.digest)
    with pytest.raises(ManifestError):
        asyncio.run(find_attestations(LayoutSource(store), subject.digest))


def test_too_large_together(store, subject, monkeypatch):
    monkeypatch.setattr(attestations, "MAX_TOTAL_BYTES", len(DATA))
    put(store, subject)
    assert len(found(store, subject)) == 1
    referrer(store, subject, b"one more")
    with pytest.raises(ManifestError):
        stored_attestations(store, subject.digest)
    with pytest.raises(ManifestError):
        asyncio.run(find_attestations(LayoutSource(store), subject.digest))


@pytest.mark.parametrize("error", [NotFoundError("gone"), UnreachableError("no answer")])
def test_a_registry_that_does_not_answer_is_no_absence(store, subject, error):
    put(store, subject)

    class Failing(LayoutSource):
        async def child(self, descriptor):
            raise error

    asked = find_attestations(Failing(store), subject.digest)
    if isinstance(error, NotFoundError):
        assert asyncio.run(asked)[0].problem is error
    else:
        with pytest.raises(UnreachableError):
            asyncio.run(asked)


def test_a_full_disk_leaves_nothing_that_refers(store, subject, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Layout, "commit", full)
    with pytest.raises(OSError, match="No space"):
        put(store, subject)
    monkeypatch.undo()
    assert found(store, subject) == []
