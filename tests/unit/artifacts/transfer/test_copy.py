"""From one layout to another: what comes along, in which order, and what is refused."""

import asyncio
import json

import pytest

from remit.artifacts.errors import ArtifactError, DigestError, ManifestError
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import INDEX, MANIFEST
from remit.artifacts.transfer.copy import Transfer
from remit.artifacts.transfer.layouts import LayoutSource, LayoutTarget
from tests.rig.exchange import plain, put_artifact, put_document, put_index


class Watch:
    def __init__(self):
        self.ends = []

    def planned(self, blobs):
        self.all = sum(blob.size for blob in blobs)

    def moved(self, blob, there):
        assert 0 <= there <= blob.size

    def ended(self, blob, outcome):
        self.ends.append((blob.digest, outcome))


async def each(works, limit):
    for work in works:
        await work()


@pytest.fixture
def here(tmp_path):
    return Layout.open(tmp_path / "here", create=True)


@pytest.fixture
def there(tmp_path):
    return Layout.open(tmp_path / "there", create=True)


def run(here, there, name, to="x:v1", **options):
    transfer = Transfer(
        source=LayoutSource(here), target=LayoutTarget(there), each=each, watcher=Watch(), **options
    )
    return asyncio.run(transfer.run(name, to))


def test_a_copy_is_the_same_bytes(here, there):
    root = put_artifact(here, "a:v1", b"one", b"two", b"")
    done = run(here, there, "a:v1")
    assert done.descriptor.digest == root.digest
    assert there.resolve("x:v1").digest == root.digest
    assert [blob.outcome for blob in done.blobs] == ["sent"] * 4
    assert there.read(digest_of(b"two"), limit=10) == b"two"
    assert {b.outcome for b in run(here, there, "a:v1", "x:v2").blobs} == {"exists"}


def test_by_digest_and_without_a_name(here, there):
    root = put_artifact(here, "", b"one")
    run(here, there, root.digest, "")
    assert there.has(root.digest)
    assert there.names() == {}


def test_the_only_one_needs_no_name(here, there):
    put_artifact(here, "a:v1", b"one")
    run(here, there, "")
    put_artifact(here, "b:v1", b"two")
    with pytest.raises(LayoutError, match="2 artifacts"):
        run(here, there, "")


def multi(here):
    one = put_artifact(here, "", b"arm")
    two = put_artifact(here, "", b"amd", b"shared")
    platforms = (
        plain(one, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
        plain(two, platform={"os": "linux", "architecture": "amd64"}),
    )
    return put_index(here, "multi:v1", *platforms), one, two


def test_an_index_brings_its_children(here, there):
    root, one, two = multi(here)
    done = run(here, there, "multi:v1")
    assert done.manifests == 3
    assert all(there.has(each.digest) for each in (root, one, two))


@pytest.mark.parametrize(
    ("platform", "at"), [("linux/amd64", 2), ("linux/arm/v7", 1), ("linux/arm", 1)]
)
def test_one_platform(here, there, platform, at):
    wanted = multi(here)[at]
    done = run(here, there, "multi:v1", platform=platform)
    assert done.descriptor.digest == wanted.digest
    assert not there.has(multi(here)[0].digest)


@pytest.mark.parametrize(
    "platform", ["windows/amd64", "linux", "linux/arm/v6", "../x", "LINUX/AMD64"]
)
def test_a_platform_that_is_not_there(here, there, platform):
    multi(here)
    with pytest.raises(ArtifactError, match=r"platform|for `"):
        run(here, there, "multi:v1", platform=platform)
    assert there.names() == {}


def test_referrers_and_their_referrers_come_when_asked_for(here, there):
    root, one, _ = multi(here)
    signature = put_artifact(here, "", b"signature", subject=plain(root))
    of_child = put_artifact(here, "", b"sbom", subject=plain(one))
    of_signature = put_artifact(here, "", b"timestamp", subject=plain(signature))
    put_artifact(here, "other:v1", b"unrelated")
    assert run(here, there, "multi:v1").referrers == 0
    assert not there.has(signature.digest)
    done = run(here, there, "multi:v1", referrers=True)
    assert done.referrers == 3
    for found in (signature, of_child, of_signature):
        assert there.has(found.digest)
    again = asyncio.run(LayoutSource(there).referrers(root.digest))
    assert [each.digest for each in again] == [signature.digest]
    assert not there.has(digest_of(b"unrelated"))


def test_a_blob_that_was_changed_is_not_taken(here, there):
    put_artifact(here, "a:v1", b"content")
    here.path(digest_of(b"content")).write_bytes(b"cOntent")
    with pytest.raises(DigestError):
        run(here, there, "a:v1")
    assert there.names() == {}
    assert not there.has(digest_of(b"content"))
    assert list((there.root / "ingest").iterdir()) == []


def test_a_blob_that_is_longer_than_said_is_cut_off(here, there):
    put_artifact(here, "a:v1", b"content")
    here.path(digest_of(b"content")).write_bytes(b"content" * 1000)
    done = run(here, there, "a:v1")
    assert there.path(digest_of(b"content")).stat().st_size == 7
    assert done.bytes_moved == 9


@pytest.mark.parametrize("data", [b"", b"cont"])
def test_a_blob_that_is_too_short(here, there, data):
    put_artifact(here, "a:v1", b"content")
    here.path(digest_of(b"content")).write_bytes(data)
    with pytest.raises(LayoutError, match="too short"):
        run(here, there, "a:v1")
    assert there.names() == {}


def test_a_missing_blob(here, there):
    put_artifact(here, "a:v1", b"content")
    here.path(digest_of(b"content")).unlink()
    with pytest.raises(LayoutError, match="cannot be read"):
        run(here, there, "a:v1")


def test_one_digest_with_two_sizes(here, there):
    digest = here.put(b"content")
    layers = [{"mediaType": "x", "digest": digest, "size": size} for size in (7, 8)]
    config = {"mediaType": "x", "digest": here.put(b"{}"), "size": 2}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
    put_document(here, "a:v1", document)
    with pytest.raises(ManifestError, match="two sizes"):
        run(here, there, "a:v1")


def test_indexes_in_indexes_have_an_end(here, there):
    found = put_artifact(here, "", b"leaf")
    for _ in range(12):
        found = put_index(here, "deep:v1", plain(found))
    with pytest.raises(ManifestError, match="nested"):
        run(here, there, "deep:v1")


def test_a_child_that_is_no_manifest(here, there):
    digest = here.put(b"content")
    put_index(here, "a:v1", {"mediaType": "text/plain", "digest": digest, "size": 7})
    with pytest.raises(ManifestError, match="no manifest"):
        run(here, there, "a:v1")


def test_a_manifest_that_is_something_else(here, there):
    root = put_artifact(here, "a:v1", b"content")
    here.path(root.digest).write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX}))
    with pytest.raises((DigestError, LayoutError)):
        run(here, there, "a:v1")


def test_a_list_does_not_make_a_referrer(here, there):
    root = put_artifact(here, "a:v1", b"content")
    stranger = put_artifact(here, "", b"stranger")
    here.record(stranger)

    class Liar(LayoutSource):
        async def referrers(self, subject):
            return [stranger]

    transfer = Transfer(
        source=Liar(here), target=LayoutTarget(there), each=each, watcher=Watch(), referrers=True
    )
    assert asyncio.run(transfer.run("a:v1", "x:v1")).referrers == 0
    assert there.resolve("x:v1").digest == root.digest
    assert not there.has(stranger.digest)


def test_repositories_that_may_have_a_blob_are_known_by_names(here):
    put_artifact(here, "r.example/team/a:v1", b"one")
    put_artifact(here, "r.example/team/b:v1", b"one", b"two")
    put_artifact(here, "other.example/team/c:v1", b"one")
    put_artifact(here, "local:v1", b"one")
    source = LayoutSource(here)
    assert source.repositories("r.example", digest_of(b"one")) == ["team/a", "team/b"]
    assert source.repositories("r.example", digest_of(b"two")) == ["team/b"]
    assert source.repositories("r.example", digest_of(b"none")) == ()
