"""What a Hub says when its upstream refuses."""

import pytest

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.answers import failure
from remit.artifacts.oci.errors import DeniedError, ProtocolError, UnreachableError
from remit.artifacts.oci.http import Headers
from remit.hub.registry.front.refusals import refusal


def said(status, code="", message="why", **detail):
    body = b""
    if code:
        import json

        body = json.dumps({"errors": [{"code": code, "message": message, **detail}]}).encode()
    return refusal(failure("do it", "up.example", status, Headers(), body), "MANIFEST_INVALID")


@pytest.mark.parametrize(
    ("status", "code", "told", "oci"),
    [
        (400, "MANIFEST_INVALID", 400, "MANIFEST_INVALID"),
        (400, "MANIFEST_BLOB_UNKNOWN", 404, "MANIFEST_BLOB_UNKNOWN"),
        (404, "MANIFEST_BLOB_UNKNOWN", 404, "MANIFEST_BLOB_UNKNOWN"),
        (400, "UNSUPPORTED", 405, "UNSUPPORTED"),
        (405, "", 405, "UNSUPPORTED"),
        (403, "DENIED", 403, "DENIED"),
        (412, "PRECONDITION", 412, "MANIFEST_INVALID"),
        (413, "", 413, "SIZE_INVALID"),
        (416, "", 416, "BLOB_UPLOAD_INVALID"),
        (429, "TOOMANYREQUESTS", 429, "TOOMANYREQUESTS"),
        (500, "UNKNOWN", 503, "UNAVAILABLE"),
        (503, "", 503, "UNAVAILABLE"),
        # Whose credentials are wrong are the Hub's, not the caller's.
        (401, "UNAUTHORIZED", 502, "UNAVAILABLE"),
        (407, "", 502, "UNAVAILABLE"),
        (302, "", 502, "UNAVAILABLE"),
    ],
)
def test_a_refusal_keeps_its_status_and_its_code(status, code, told, oci):
    found = said(status, code)
    assert (found.status, found.oci) == (told, oci)
    assert "up.example" in found.message
    if code:
        assert "why" in found.message
    assert found.code == f"registry.{oci.lower()}"


def test_details_are_passed_on():
    assert said(400, "MANIFEST_BLOB_UNKNOWN", detail={"digest": "d"}).detail == {"digest": "d"}
    assert said(403, "DENIED", detail=["a", 1]).detail == ["a", 1]


def test_somebody_who_asks_too_often_is_told_to_wait():
    assert ("retry-after", "5") in said(429).headers


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("no answer"),
        ProtocolError("nonsense"),
        DigestError("other bytes"),
        ManifestError("no manifest"),
        DeniedError("a redirect to plain HTTP"),
    ],
)
def test_what_is_no_answer_of_a_registry_is_a_bad_gateway(error):
    found = refusal(error)
    assert (found.status, found.oci) == (502, "UNAVAILABLE")
    assert error.message in found.message
