"""References, repositories and tags."""

import pytest

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.names import Reference, is_repository, is_tag

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("model", "", "model", "", ""),
        ("model:v1", "", "model", "v1", ""),
        ("team/model:v1", "", "team/model", "v1", ""),
        ("localhost/model", "localhost", "model", "", ""),
        ("localhost:5000/a/b:v1", "localhost:5000", "a/b", "v1", ""),
        ("hub.example/a/b", "hub.example", "a/b", "", ""),
        (f"hub.example/a@{D}", "hub.example", "a", "", D),
        (f"hub.example/a:v1@{D}", "hub.example", "a", "v1", D),
        ("[::1]:5000/a:v1", "[::1]:5000", "a", "v1", ""),
    ],
)
def test_references_are_read_and_written_the_same(text, host, repository, tag, digest):
    found = Reference.parse(text)
    assert (found.host, found.repository, found.tag, found.digest) == (
        host,
        repository,
        tag,
        digest,
    )
    assert str(found) == text
    assert found.name == (digest or tag or "latest")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Model",
        "a//b",
        "/a",
        "a/",
        "a/../b",
        "a:",
        "a:-v",
        "a:" + "t" * 129,
        "a@sha256:abc",
        "a@md5:" + "a" * 32,
        f"a@{D.upper()}",
        "hub.example/" + "a" * 256,
        "hub..example/a",
        "hub.example:x/a",
        "a b",
        "a\n",
        "ä",
    ],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ArtifactError):
        Reference.parse(text)


def test_names():
    assert is_repository("a_b/c__d/e-f/g---h/i.j")
    assert not is_repository("a___b")
    assert not is_repository("a..b")
    assert not is_repository("-a")
    assert is_tag("_v1.0-x")
    assert not is_tag(".v1")
