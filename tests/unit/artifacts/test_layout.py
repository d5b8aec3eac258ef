"""The store of this machine."""

import json

import pytest

from remit.artifacts.errors import DigestError
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, Descriptor


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


def described(data: bytes) -> Descriptor:
    return Descriptor(media_type=MANIFEST, digest=digest_of(data), size=len(data))


def test_what_is_put_is_there_under_its_digest(layout):
    digest = layout.put(b"content")
    assert digest == digest_of(b"content")
    assert layout.has(digest, 7)
    assert not layout.has(digest, 8)
    assert layout.read(digest, limit=7) == b"content"


def test_a_file_that_was_changed_is_not_given_out(layout):
    digest = layout.put(b"content")
    layout.path(digest).write_bytes(b"cOntent")
    with pytest.raises(DigestError):
        layout.read(digest, limit=100)


def test_a_blob_of_another_digest_is_not_stored_and_leaves_nothing(layout):
    with pytest.raises(DigestError):
        layout.put(b"content", digest_of(b"another"))
    assert list((layout.root / "ingest").iterdir()) == []
    assert list((layout.root / "blobs" / "sha256").iterdir()) == []


def test_more_than_the_limit_is_refused(layout):
    with pytest.raises(LayoutError, match="larger"):
        layout.read(layout.put(b"content"), limit=6)


def test_a_name_moves_and_is_forgotten(layout):
    layout.name("a:v1", described(b"1"))
    layout.name("b:v1", described(b"1"))
    layout.name("a:v1", described(b"2"))
    assert {name: each.size for name, each in layout.names().items()} == {"a:v1": 1, "b:v1": 1}
    assert layout.resolve("a:v1").digest == digest_of(b"2")
    assert layout.forget("a:v1")
    assert not layout.forget("a:v1")
    with pytest.raises(LayoutError, match="not in the store"):
        layout.resolve("a:v1")


def test_descriptors_of_other_programs_are_kept(layout):
    other = {"mediaType": MANIFEST, "digest": digest_of(b"3"), "size": 1, "annotations": {"x": "y"}}
    (layout.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [other]}))
    layout.name("a:v1", described(b"1"))
    assert json.loads((layout.root / "index.json").read_text())["manifests"][0] == other


def test_a_directory_that_is_no_layout_is_refused(tmp_path):
    with pytest.raises(LayoutError):
        Layout.open(tmp_path)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    with pytest.raises(LayoutError, match="another version"):
        Layout.open(tmp_path)


def test_a_digest_that_is_a_path_is_refused(layout):
    with pytest.raises(DigestError):
        layout.has("sha256:../../../etc/passwd")
