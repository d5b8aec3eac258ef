"""References into the store of this machine."""

import pytest

from remit.artifacts.errors import BadReferenceError, DigestError, ManifestError
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.local import find, local_name, read
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.names import Reference
from remit.artifacts.pack import pack, plan


@pytest.fixture
def layout(tmp_path):
    return Layout.open(tmp_path / "store", create=True)


@pytest.fixture
def descriptor(layout, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.py").write_text("x")
    return pack(layout, plan(tmp_path / "c"), name="team/a:latest").descriptor


def test_names():
    assert local_name(Reference.parse("a")) == "a:latest"
    assert local_name(Reference.parse("reg.example:5000/a/b:v1")) == "reg.example:5000/a/b:v1"
    with pytest.raises(BadReferenceError):
        local_name(Reference.parse("a@" + digest_of(b"")))


def test_by_tag_and_by_digest(layout, descriptor):
    for text in ("team/a", "team/a:latest", f"team/a@{descriptor.digest}"):
        assert find(layout, Reference.parse(text)).digest == descriptor.digest
    layout.forget("team/a:latest")
    found = find(layout, Reference.parse(f"x@{descriptor.digest}"))
    assert (found.digest, found.size, found.media_type) == (
        descriptor.digest, descriptor.size, descriptor.media_type,
    )  # fmt: skip
    assert read(layout, found)[1].kind == "code"


def test_what_is_not_there(layout, descriptor):
    for text in ("team/b", "team/a:v2", "team/a@" + digest_of(b"")):
        with pytest.raises(LayoutError):
            find(layout, Reference.parse(text))
    with pytest.raises(ManifestError):
        find(layout, Reference.parse("x@" + layout.put(b"no manifest")))


def test_a_config_that_was_changed(layout, descriptor):
    config = read(layout, descriptor)[0].config
    layout.path(config.digest).write_bytes(b"x" * config.size)
    with pytest.raises(DigestError):
        read(layout, descriptor)
