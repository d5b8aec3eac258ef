"""One registry: what it is told, what is followed, what is sent again."""

import asyncio
import json

import pytest

from remit.artifacts.oci.auth import Credentials, repository_scope
from remit.artifacts.oci.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnreachableError,
)
from remit.artifacts.oci.http import read
from remit.artifacts.oci.session import Call
from tests.rig.scripted import Said, session

KNOWN = Credentials(user="ann", password="s3cret")
SCOPES = (repository_scope("a/b", "pull"),)
BEARER = 'Bearer realm="https://auth.example/token",service="r"'
BLOB = Call(method="GET", target="/v2/a/b/blobs/x", what="get x", scopes=SCOPES, redirect=True)
MANIFEST = Call(method="GET", target="/v2/a/b/manifests/v1", what="get v1", scopes=SCOPES)


def send(found, call=MANIFEST):
    async def work():
        async with found.send(call) as answer:
            return answer.status, await read(answer, 1000)

    return asyncio.run(work())


def test_a_redirect_of_a_blob_is_followed_without_the_secret():
    def answer(request):
        if "registry.example" in request.url:
            if "Authorization" not in dict(request.headers):
                return Said(401, www_authenticate="Basic realm=x")
            return Said(307, location="https://storage.example/x?signature=1")
        return Said(200, b"content")

    found, transport = session(answer, credentials=KNOWN)
    assert send(found, BLOB) == (200, b"content")
    assert transport.sent("Authorization") == ["", KNOWN.basic, ""]


def test_a_storage_that_asks_who_it_is_is_not_answered():
    def answer(request):
        if "registry.example" in request.url:
            return Said(307, location="https://storage.example/x")
        return Said(401, www_authenticate="Basic realm=x")

    found, transport = session(answer, credentials=KNOWN)
    with pytest.raises(UnauthorizedError):
        send(found, BLOB)
    assert transport.sent("Authorization") == ["", ""]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"])
def test_only_downloads_of_blobs_are_redirected(method):
    found, transport = session(lambda _: Said(307, location="https://evil.example/"))
    with pytest.raises(ProtocolError):
        send(found, Call(method=method, target="/v2/a/b/manifests/v1", what="x"))
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "location", ["http://storage.example/", "http://registry.example/x", "", "ftp://x/"]
)
def test_redirects_that_are_not_followed(location):
    found, transport = session(lambda _: Said(307, location=location))
    with pytest.raises((DeniedError, ProtocolError)):
        send(found, BLOB)
    assert len(transport.requests) == 1


def test_redirects_without_end():
    found, transport = session(lambda _: Said(307, location="/again"))
    with pytest.raises(ProtocolError, match="without end"):
        send(found, BLOB)
    assert len(transport.requests) == 5


def test_a_token_is_fetched_once_and_kept():
    def answer(request):
        if "auth.example" in request.url:
            return Said(200, b'{"token":"t","expires_in":300}')
        if dict(request.headers).get("Authorization") == "Bearer t":
            return Said(200, b"ok")
        return Said(401, www_authenticate=BEARER)

    found, transport = session(answer, credentials=KNOWN)
    send(found)
    send(found)
    assert transport.sent("Authorization") == ["", KNOWN.basic, "Bearer t", "Bearer t"]


def test_a_token_that_expired_is_fetched_anew():
    tokens = iter(range(100))

    def answer(request):
        if "auth.example" in request.url:
            return Said(200, json.dumps({"token": f"t{next(tokens)}", "expires_in": 60}).encode())
        if "Authorization" in dict(request.headers):
            return Said(200, b"ok")
        return Said(401, www_authenticate=BEARER)

    found, transport = session(answer, credentials=KNOWN)
    send(found)
    transport.time += 61
    send(found)
    assert transport.sent("Authorization")[-1] == "Bearer t1"


def test_a_registry_that_is_never_content_is_given_up():
    def answer(request):
        return (
            Said(200, b'{"token":"t"}')
            if "auth" in request.url
            else Said(401, www_authenticate=BEARER)
        )

    found, transport = session(answer, credentials=KNOWN)
    with pytest.raises(UnauthorizedError):
        send(found)
    assert len(transport.requests) == 5


def test_a_realm_that_refuses():
    def answer(request):
        return Said(401) if "auth" in request.url else Said(401, www_authenticate=BEARER)

    found, _ = session(answer, credentials=KNOWN)
    with pytest.raises(UnauthorizedError, match="does not accept"):
        send(found)


def test_a_token_that_does_not_reach_far_enough_is_exchanged():
    tokens = iter(["small", "large"])

    def answer(request):
        if "auth" in request.url:
            return Said(200, json.dumps({"token": next(tokens)}).encode())
        proof = dict(request.headers).get("Authorization", "")
        if proof == "Bearer large":
            return Said(200, b"ok")
        return Said(403 if proof else 401, www_authenticate=BEARER)

    found, _ = session(answer, credentials=KNOWN)
    assert send(found) == (200, b"ok")


def test_a_denial_with_a_reason_stays_one():
    body = b'{"errors":[{"code":"DENIED","message":"not scanned"}]}'
    found, transport = session(lambda _: Said(403, body))
    with pytest.raises(DeniedError, match="not scanned"):
        send(found)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_busy_is_asked_again_later(status):
    answers = iter([Said(status), Said(status, retry_after="7"), Said(200, b"ok")])
    found, transport = session(lambda _: next(answers))
    assert send(found) == (200, b"ok")
    assert transport.slept == [0.5, 7]


def test_busy_for_ever_is_unreachable():
    found, transport = session(lambda _: Said(503))
    with pytest.raises(UnreachableError):
        send(found)
    assert len(transport.requests) == 5


def test_nobody_waits_for_an_hour():
    found, transport = session(lambda _: Said(429, retry_after="3600"))
    with pytest.raises(UnreachableError) as caught:
        send(found)
    assert "3600 s" in caught.value.hint
    assert transport.slept == []


def test_what_may_have_happened_is_not_repeated():
    found, transport = session(lambda _: UnreachableError("cut"))
    with pytest.raises(UnreachableError):
        send(found, Call(method="PATCH", target="/x", what="x", repeat=False))
    assert len(transport.requests) == 1


def test_a_cut_connection_is_tried_again():
    answers = iter([UnreachableError("cut"), Said(200, b"ok")])
    found, _ = session(lambda _: next(answers))
    assert send(found) == (200, b"ok")


@pytest.mark.parametrize("status", [400, 404, 405, 413, 418])
def test_other_refusals_are_not_repeated(status):
    found, transport = session(lambda _: Said(status))
    with pytest.raises(RegistryError):
        send(found)
    assert len(transport.requests) == 1


def test_errors_without_end_are_cut_off():
    found, _ = session(lambda _: Said(404, b"x" * 10_000_000))
    with pytest.raises(NotFoundError):
        send(found)


def test_warnings_are_said_once():
    said = []
    found, _ = session(lambda _: Said(200, warning='299 - "old"'), warn=said.append)
    send(found)
    send(found)
    assert said == ["old"]


def test_places_of_uploads_at_other_hosts_get_no_secret():
    def answer(request):
        if "registry.example" in request.url and "Authorization" not in dict(request.headers):
            return Said(401, www_authenticate="Basic realm=x")
        return Said(200)

    found, transport = session(answer, credentials=KNOWN)
    send(found)
    send(found, Call(method="PUT", target="https://uploads.example/1", what="x"))
    assert transport.sent("Authorization") == ["", KNOWN.basic, ""]
    with pytest.raises(DeniedError):
        send(found, Call(method="PUT", target="http://registry.example/1", what="x"))
