"""Who is told which secret."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from remit.artifacts.oci.auth import Auth, Credentials, merge_scopes, repository_scope
from remit.artifacts.oci.errors import DeniedError, ProtocolError, UnauthorizedError
from remit.artifacts.oci.urls import Origin

PULL = (repository_scope("a/b", "pull"),)
KNOWN = Credentials(user="ann", password="s3cret")
HOME = "https://registry.example"
BEARER = 'Bearer realm="https://auth.example/token",service="registry.example"'


def made(origin=HOME, known=KNOWN, **more):
    return Auth(Origin.of(origin), known, **more)


def secrets_in(request):
    """Everything of a request in which a secret could be."""
    return f"{request.url} {request.headers} {request.body!r}"


def test_nothing_is_sent_before_it_is_asked_for():
    assert made().authorization(f"{HOME}/v2/", PULL, 0) == ""


def test_basic_goes_to_its_origin_only():
    auth = made()
    assert auth.challenged(["Basic realm=x"], PULL) is None
    assert base64.b64decode(auth.authorization(f"{HOME}/v2/", PULL, 0)[6:]) == b"ann:s3cret"
    for url in (
        "https://storage.example/x", "http://registry.example/x", "https://registry.example:444/",
        "https://registry.example.evil/", "https://evil/registry.example",
    ):  # fmt: skip
        assert auth.authorization(url, PULL, 0) == ""


def test_a_token_goes_to_its_origin_for_its_scopes_until_it_expires():
    auth = made()
    auth.granted(PULL, b'{"token":"t","expires_in":300}', now=1000)
    assert auth.authorization(f"{HOME}/v2/", PULL, 1000) == "Bearer t"
    assert auth.authorization(f"{HOME}/v2/", (repository_scope("a/b", "push"),), 1000) == ""
    assert auth.authorization("https://auth.example/", PULL, 1000) == ""
    assert auth.authorization(f"{HOME}/v2/", PULL, 1295) == ""


def test_no_secret_over_plain_http_to_another_machine():
    auth = made("http://registry.example")
    with pytest.raises(DeniedError, match="plain HTTP"):
        auth.challenged(["Basic realm=x"], PULL)
    with pytest.raises(DeniedError, match="plain HTTP"):
        auth.challenged(['Bearer realm="http://registry.example/token"'], PULL)
    assert auth.authorization("http://registry.example/v2/", PULL, 0) == ""


def test_plain_http_to_this_machine_and_where_it_is_allowed():
    assert made("http://127.0.0.1:5000").challenged(["Basic realm=x"], PULL) is None
    assert made("http://a.internal", plain_http=True).challenged(["Basic realm=x"], PULL) is None


@pytest.mark.parametrize(
    "realm",
    [
        "http://registry.example/token", "http://127.0.0.1/token", "http://evil.example/token",
    ],
)  # fmt: skip
def test_https_is_not_left_for_a_token(realm):
    for known in (KNOWN, None):
        with pytest.raises(DeniedError):
            made(known=known).challenged([f'Bearer realm="{realm}"'], PULL)


def test_a_registry_of_this_machine_sends_no_secret_to_another_over_http():
    with pytest.raises(DeniedError):
        made("http://localhost:5000").challenged(['Bearer realm="http://evil.example/t"'], PULL)


@pytest.mark.parametrize("realm", ["token", "/token", "ftp://a/", "https://u:p@a/", ""])
def test_a_realm_that_is_no_url(realm):
    with pytest.raises((ProtocolError, UnauthorizedError)):
        made().challenged([f'Bearer realm="{realm}"'], PULL)


def test_the_request_for_a_token():
    request = made().challenged([BEARER + ',scope="repository:a/b:push"'], PULL)
    parts = urlsplit(request.url)
    assert (request.method, parts.netloc, parts.path) == ("GET", "auth.example", "/token")
    assert parse_qs(parts.query) == {
        "service": ["registry.example"],
        "scope": ["repository:a/b:pull,push"],
        "account": ["ann"],
    }
    assert dict(request.headers)["Authorization"] == KNOWN.basic
    assert "s3cret" not in request.url


def test_a_realm_that_has_a_query_keeps_it():
    request = made().challenged(['Bearer realm="https://a/token?x=1",service=s'], PULL)
    assert parse_qs(urlsplit(request.url).query)["x"] == ["1"]
    assert parse_qs(urlsplit(request.url).query)["service"] == ["s"]


def test_nobody_asks_without_a_secret():
    request = made(known=None).challenged([BEARER], PULL)
    assert "Authorization" not in dict(request.headers)
    assert "account" not in request.url


def test_an_identity_token_is_posted():
    request = made(known=Credentials(identity_token="refresh")).challenged([BEARER], PULL)
    assert (request.method, request.url) == ("POST", "https://auth.example/token")
    form = parse_qs(request.body.decode())
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["refresh"]
    assert form["scope"] == ["repository:a/b:pull"]


def test_where_get_is_not_allowed_the_password_is_posted():
    auth = made()
    request = auth.challenged([BEARER], PULL)
    assert auth.again(request, 401) is None
    other = auth.again(request, 405)
    assert (other.method, other.url) == ("POST", "https://auth.example/token")
    form = parse_qs(other.body.decode())
    assert (form["username"], form["password"]) == (["ann"], ["s3cret"])
    assert form["scope"] == ["repository:a/b:pull"]
    assert auth.again(other, 405) is None


def test_bearer_before_basic_and_nothing_else():
    assert made().challenged(["Basic realm=x", BEARER], PULL).method == "GET"
    with pytest.raises(UnauthorizedError, match="negotiate"):
        made().challenged(["Negotiate abc="], PULL)
    with pytest.raises(UnauthorizedError):
        made().challenged([], PULL)


def test_without_credentials_the_hint_says_how_to_log_in():
    with pytest.raises(UnauthorizedError) as found:
        made(known=None).challenged(["Basic realm=x"], PULL)
    assert "remit login registry.example" in found.value.hint


def test_a_password_that_is_refused_is_not_sent_again():
    auth = made()
    auth.challenged(["Basic realm=x"], PULL)
    with pytest.raises(UnauthorizedError, match="does not accept") as found:
        auth.challenged(["Basic realm=x"], PULL)
    assert "s3cret" not in found.value.diagnostics()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'"t"', b'{"token":""}', b'{"token":1}', b'{"token":"a b"}',
        b'{"token":"a\\r\\nX: y"}', b'{"token":"\\u00e4"}', b'{"token":"a","token":"b"}',
        b"<html>", b"{" * 100, b'{"token":"' + b"x" * 70000 + b'"}',
    ],
)  # fmt: skip
def test_answers_without_a_token(body):
    auth = made()
    with pytest.raises(ProtocolError):
        auth.granted(PULL, body, now=0)
    assert auth.authorization(f"{HOME}/v2/", PULL, 0) == ""


@pytest.mark.parametrize("life", ["-1", "0", '"60"', "null", "1e3", "true"])
def test_a_strange_life_is_no_life_for_ever(life):
    auth = made()
    auth.granted(PULL, b'{"access_token":"t","expires_in":%s}' % life.encode(), now=0)
    assert auth.authorization(f"{HOME}/v2/", PULL, 2000) == ""


def test_scopes_are_merged():
    assert merge_scopes(["repository:b:pull", "repository:a:push,pull", "repository:b:push"]) == (
        "repository:a:pull,push",
        "repository:b:pull,push",
    )
    assert merge_scopes(["registry:catalog:*", "x"]) == ("registry:catalog:*", "x")
    with pytest.raises(ProtocolError):
        merge_scopes(['repository:"a":pull'])


def test_credentials_do_not_print_themselves():
    secret = Credentials(user="ann", password="s3cret", identity_token="t0ken")
    for text in (repr(secret), str(secret), f"{secret}"):
        assert "s3cret" not in text
        assert "t0ken" not in text
