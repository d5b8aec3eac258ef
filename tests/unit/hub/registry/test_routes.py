"""Which endpoint a path means."""

import contextlib

import pytest

from remit.hub.registry.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    UploadUnknown,
)
from remit.hub.registry.routes import Route, digest_in, route_of

D = "sha256:" + "a" * 64
U = "0" * 64


@pytest.mark.parametrize(
    ("path", "kind", "repository", "value"),
    [
        ("/v2/a/blobs/uploads/", "uploads", "a", ""),
        ("/v2/a/blobs/uploads", "uploads", "a", ""),
        (f"/v2/a/b/blobs/uploads/{U}", "upload", "a/b", U),
        (f"/v2/a/blobs/{D}", "blob", "a", D),
        ("/v2/a/manifests/v1", "manifest", "a", "v1"),
        (f"/v2/a/manifests/{D}", "manifest", "a", D),
        ("/v2/a/tags/list", "tags", "a", ""),
        (f"/v2/a/referrers/{D}", "referrers", "a", D),
        ("/v2/manifests/manifests/manifests", "manifest", "manifests", "manifests"),
        ("/v2/a/blobs/uploads/tags/list", "tags", "a/blobs/uploads", ""),
        ("/v2/blobs/uploads/blobs/uploads/", "uploads", "blobs/uploads", ""),
    ],
)
def test_an_endpoint(path, kind, repository, value):
    assert route_of(path, "GET") == Route(kind=kind, repository=repository, value=value)


@pytest.mark.parametrize(
    "path", ["/", "/v2", "/v2/", "/v2/a", "/v2/a/b", "/v2/a/manifests/", "/v2/a/tags", "/v3/a/tags/list",
             "/v2/a/tags/list/", "/v2/a/manifests/x/y", "v2/a/tags/list", "/v2/tags/list", ""],
)  # fmt: skip
def test_no_endpoint(path):
    assert route_of(path, "GET") is None


@pytest.mark.parametrize(
    "path", ["/v2/A/tags/list", "/v2/a//b/tags/list", "/v2/../tags/list", "/v2//tags/list",
             "/v2/a\n/tags/list", "/v2/a b/tags/list", "/v2/" + "a" * 256 + "/tags/list", "/v2/ä/tags/list"],
)  # fmt: skip
def test_a_name_that_is_none(path):
    with contextlib.suppress(NameInvalid):
        assert route_of(path, "GET") is None


@pytest.mark.parametrize(
    ("path", "method", "error"),
    [
        ("/v2/a/blobs/sha256:x", "GET", DigestInvalid),
        ("/v2/a/referrers/v1", "GET", DigestInvalid),
        ("/v2/a/manifests/sha256:x", "PUT", DigestInvalid),
        ("/v2/a/manifests/sha256:x", "GET", ManifestUnknown),
        ("/v2/a/manifests/.x", "PUT", ManifestInvalid),
        ("/v2/a/manifests/.x", "DELETE", ManifestUnknown),
        ("/v2/a/blobs/uploads/x", "PATCH", UploadUnknown),
        (f"/v2/a/blobs/uploads/{U}0", "PATCH", UploadUnknown),
    ],
)
def test_a_part_that_is_malformed(path, method, error):
    with pytest.raises(error):
        route_of(path, method)


def test_digests():
    assert digest_in(D) == D
    for bad in ("", "latest", D.upper(), D + "0", f" {D}", f"{D}\n"):
        with pytest.raises(DigestInvalid):
            digest_in(bad)
