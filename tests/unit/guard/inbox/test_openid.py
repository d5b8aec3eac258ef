"""Every way in which a provider's answer names nobody."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from remit.audit.clock import SystemClock
from remit.core.errors import RemitError
from remit.guard.config import OpenIdTable
from remit.web.openid import OpenId
from tests.unit.guard.helpers import go

ISSUER = "https://login.example.com/tenant"
BACK = "http://localhost:7448/approvals/openid/back"
KEY = ECKey.generate_key("P-256", {"kid": "k", "alg": "ES256", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "k", "alg": "ES256", "use": "sig"})
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth?tenant=1",
    "token_endpoint": f"{ISSUER}/token",
    "userinfo_endpoint": f"{ISSUER}/me",
    "jwks_uri": f"{ISSUER}/keys",
}


class Provider:
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self, *, key=KEY, header=None, metadata=METADATA, described=None, **claims):
        self.key = key
        self.header = header or {"alg": "ES256", "kid": "k"}
        self.metadata = metadata
        self.described = described
        self.claims = claims
        self.nonce = ""
        self.asked = []

    async def fetch(self, url):
        if url == METADATA["jwks_uri"]:
            return json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
        return json.dumps(self.metadata).encode()

    async def exchange(self, method, url, headers, form):
        self.asked.append((method, url, dict(headers), form))
        if method == "GET":
            return json.dumps(self.described).encode()
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": "remit", "sub": "s1", "exp": now + 60, "iat": now,
            "nonce": self.nonce, "preferred_username": "ann", "name": "Ann Lee", **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not ...}
        text = jwt.encode(self.header, claims, self.key, algorithms=[self.header["alg"]])
        return json.dumps({"id_token": text, "access_token": "at"}).encode()


def told(provider, *, query=None, secret="", settings=None):
    """Who comes back."""

    async def run():
        table = OpenIdTable(issuer=ISSUER, client_id="remit", **(settings or {}))
        openid = OpenId(
            table, lambda: secret, BACK, provider.fetch, provider.exchange, SystemClock()
        )
        place, leaving = await openid.begin("/approvals/past")
        asked = parse_qs(urlsplit(place).query)
        assert asked["tenant"] == ["1"]
        assert asked["state"] == [leaving.state]
        assert leaving.verifier not in place
        provider.nonce = provider.claims.pop("nonce", leaving.nonce)
        given = {"code": "c", "state": leaving.state, **(query or {})}
        return await openid.finish(leaving, given)

    return go(run())


def test_somebody_is_known():
    provider = Provider(acr="mfa")
    found = told(provider, secret="p&q")
    assert (found.user, found.name, found.issuer, found.subject, found.acr) == (
        "ann", "Ann Lee", ISSUER, "s1", "mfa",
    )  # fmt: skip
    ((method, url, headers, form),) = provider.asked
    assert (method, url) == ("POST", METADATA["token_endpoint"])
    assert headers["Authorization"] == "Basic cmVtaXQ6cCUyNnE="
    assert form["redirect_uri"] == BACK
    assert len(form["code_verifier"]) >= 43
    assert "client_id" not in form


def test_a_public_client_names_itself():
    provider = Provider()
    told(provider)
    (_, _, headers, form) = provider.asked[0]
    assert form["client_id"] == "remit"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    "query",
    [
        {"state": "x"}, {"state": ""}, {"code": ""}, {"code": "x" * 5000},
        {"iss": "https://evil.example"},
    ],
)  # fmt: skip
def test_answers_to_something_else(query):
    provider = Provider()
    with pytest.raises(RemitError):
        told(provider, query=query)
    assert not provider.asked


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"iss": ...}, {"aud": "other"}, {"aud": ["other"]},
        {"aud": ["remit", "other"]}, {"aud": ["remit", "other"], "azp": "other"}, {"aud": ...},
        {"azp": "other"}, {"exp": 1}, {"exp": ...}, {"exp": True}, {"exp": "9999999999"},
        {"iat": 1}, {"iat": ...}, {"iat": 9999999999}, {"nonce": "x"}, {"nonce": ...},
        {"nonce": 1}, {"sub": ...}, {"sub": ""}, {"preferred_username": 7},
        {"preferred_username": "a\u202eb"}, {"preferred_username": ""}, {"name": ["Ann"]},
    ],
)  # fmt: skip
def test_claims_that_do_not_hold(claims):
    with pytest.raises(RemitError):
        told(Provider(**claims))


def test_several_audiences_with_the_right_party():
    assert told(Provider(aud=["remit", "other"], azp="remit")).user == "ann"


def test_signatures_of_others():
    secret = OctKey.import_key("k" * 32)
    for provider in (
        Provider(key=OTHER),
        Provider(key=secret, header={"alg": "HS256", "kid": "k"}),
        Provider(header={"alg": "ES256", "kid": "other"}),
    ):
        with pytest.raises(RemitError):
            told(provider)
    with pytest.raises(RemitError):
        told(Provider(), settings={"algorithms": ("RS256",)})


def test_what_the_userinfo_endpoint_says():
    described = {"sub": "s1", "preferred_username": "ben", "name": "Ben Lee"}
    provider = Provider(preferred_username=..., name=..., described=described)
    assert told(provider).user == "ben"
    assert provider.asked[1][2] == {"Authorization": "Bearer at"}
    for bad in ({**described, "sub": "s2"}, {"sub": "s1"}, [], {**described, "name": 1}):
        with pytest.raises(RemitError):
            told(Provider(preferred_username=..., described=bad))


def test_an_address_names_somebody_once_it_was_verified():
    settings = {"user_claim": "email"}
    mail = {"email": "ann@example.com"}
    assert told(Provider(**mail, email_verified=True), settings=settings).user == "ann@example.com"
    for verified in (False, "true", 1, ...):
        with pytest.raises(RemitError):
            told(Provider(**mail, email_verified=verified), settings=settings)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://login.example.com/token"},
        {"token_endpoint": None}, {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 5},
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_used(change):
    with pytest.raises(RemitError):
        told(Provider(metadata={**METADATA, **change}))
