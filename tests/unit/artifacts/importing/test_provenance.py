"""The statement of an import: refused if a digest is missing."""

import json

import pytest

from remit.artifacts.importing.contents import PackedFile
from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.importing.origins import Origin
from remit.artifacts.importing.provenance import (
    Times,
    import_statement,
    of_directory,
    of_registry,
)
from remit.artifacts.oci.digests import EMPTY_DIGEST
from remit.artifacts.oci.manifest import MANIFEST, Descriptor, Manifest

TIMES = Times(started_us=1_700_000_000_000_000, finished_us=1_700_000_001_999_999)
SHA512 = "sha512:" + "a" * 128


def file(path):
    return PackedFile(path=path, size=1, sha256="1" * 64, blob_sha1="", blob_sha256="")


def stated(dependencies, digest=EMPTY_DIGEST):
    return json.loads(
        import_statement(
            digest, destination="h.example/x:1", parameters={"source": "s"},
            dependencies=dependencies, times=TIMES, invocation="01J",
        )
    )  # fmt: skip


def described(digest=EMPTY_DIGEST, **more):
    return Descriptor(media_type="a/b", digest=digest, size=1, **more)


def test_a_directory_with_an_origin():
    origin = Origin(form="git", uri="https://h.example/x", commit="c" * 40)
    found = stated(of_directory(origin, "model", [file("a"), file("ü/b")]))
    assert found["subject"][0]["digest"] == {"sha256": EMPTY_DIGEST.removeprefix("sha256:")}
    source, *files = found["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source == {
        "name": "model", "uri": "https://h.example/x", "digest": {"gitCommit": "c" * 40},
    }  # fmt: skip
    assert [each["name"] for each in files] == ["a", "ü/b"]
    assert found["predicate"]["runDetails"]["metadata"] == {
        "invocationId": "01J",
        "startedOn": "2023-11-14T22:13:20Z",
        "finishedOn": "2023-11-14T22:13:21Z",
    }


def test_a_directory_of_which_nothing_is_known_names_its_files_alone():
    (only,) = of_directory(Origin(form="directory"), "x", [file("a")])
    assert only == {"name": "a", "digest": {"sha256": "1" * 64}}
    with pytest.raises(ImportRefusedError):
        of_directory(Origin(form="directory"), "x", [])


def test_every_blob_of_an_artifact_is_named_once():
    manifest = Manifest(
        media_type=MANIFEST, config=described(), layers=(described(SHA512), described())
    )
    found = of_registry("oci://h.example/x:1", EMPTY_DIGEST, [manifest, manifest])
    assert len(found) == 3
    assert found[2]["digest"] == {"sha512": "a" * 128}


def test_what_lies_elsewhere_is_refused():
    layer = described(SHA512, urls=("https://elsewhere.example/",))
    manifest = Manifest(media_type=MANIFEST, config=described(), layers=(layer,))
    with pytest.raises(ImportRefusedError, match="not in the registry"):
        of_registry("oci://x", EMPTY_DIGEST, [manifest])


def test_a_missing_digest_and_too_many_files_are_refused():
    with pytest.raises(ImportRefusedError, match="no digest"):
        stated([{"name": "a"}])
    with pytest.raises(ImportRefusedError, match="SHA-256"):
        stated([{"uri": "x"}], digest=SHA512)
    many = of_directory(Origin(form="directory"), "x", [file(f"f{at}") for at in range(20_000)])
    with pytest.raises(ImportRefusedError, match="too many"):
        stated(many)
