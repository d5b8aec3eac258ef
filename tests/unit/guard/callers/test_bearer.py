import pytest

from remit.guard.callers.base import Unauthenticated
from remit.guard.callers.bearer import MAX_BYTES, challenge, metadata_url, token_of


def test_no_header_is_no_token():
    assert token_of(()) is None


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER abc"])
def test_the_scheme_is_compared_without_case(value):
    assert token_of((value,)) == "abc"


@pytest.mark.parametrize(
    "values",
    [
        ("Bearer a", "Bearer a"),
        ("Bearer a", ""),
        ("Bearer a, Bearer b",),
        ("Bearer a,Bearer b",),
        ("Bearer a b",),
        ("Bearer  a",),
        (" Bearer a",),
        ("Bearer a ",),
        ("Bearer a\n",),
        ("Bearer a\r\nX: y",),
        ("Bearer a\x00",),
        ("Bearer\ta",),
        ("Bearer ",),
        ("Bearer",),
        ("",),
        ("a",),
        ("Basic YTpi",),
        ("Digest a",),
        ("Bearerabc",),
        ("Bearer é",),
        ("Bearer a=b",),
        ("ʙearer a",),
        ("Bearer " + "a" * MAX_BYTES,),
    ],
)
def test_anything_but_one_bearer_token_is_refused(values):
    with pytest.raises(Unauthenticated) as caught:
        token_of(values)
    assert caught.value.code == "caller.malformed"
    assert caught.value.error == "invalid_request"


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://h:8443/mcp/git", "https://h:8443/.well-known/oauth-protected-resource/mcp/git"),
        ("https://h", "https://h/.well-known/oauth-protected-resource"),
        ("https://h/", "https://h/.well-known/oauth-protected-resource"),
        ("https://h/a?b=c", "https://h/.well-known/oauth-protected-resource/a?b=c"),
        ("ftp://h/a", ""),
        ("nonsense", ""),
        ("http://[", ""),
    ],
)
def test_the_metadata_is_found_as_rfc_9728_says(resource, url):
    assert metadata_url(resource) == url


def test_a_challenge_without_credential_has_no_error():
    refused = Unauthenticated("a key is required", code="x")
    assert challenge(refused, metadata="") == 'Bearer realm="remit"'
    assert challenge(refused, metadata="https://h/m") == (
        'Bearer realm="remit", resource_metadata="https://h/m"'
    )


def test_a_challenge_cannot_be_broken_out_of():
    refused = Unauthenticated('a "b"\r\nX: y \\ é', code="x", error="invalid_token", scope="a b")
    text = challenge(refused, metadata='https://h/"\n')
    assert text == (
        "Bearer realm=\"remit\", error=\"invalid_token\", error_description=\"a 'b'''X: y ' '\", "
        'scope="a b", resource_metadata="https://h/\'\'"'
    )
