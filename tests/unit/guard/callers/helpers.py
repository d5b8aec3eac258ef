"""A clock that stands still, an issuer without a network, and tokens of any shape."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from remit.guard.callers.base import Presented
from remit.guard.callers.oauth import OAuthCallers
from remit.guard.callers.settings import OAuthTable
from remit.web.fetch import FetchError

ISSUER = "https://login.example.com/tenant"
JWKS_URI = "https://keys.example.com/jwks"
RESOURCE = "https://guard.example.com:8443/mcp/git"
NOW_S = 1_800_000_000


class Clock:
    def __init__(self):
        self.wall_us = NOW_S * 1_000_000
        self.mono_ns = 7_000_000_000

    def now_us(self):
        return self.wall_us

    def monotonic_ns(self):
        return self.mono_ns

    def pass_s(self, seconds):
        self.wall_us += int(seconds * 1_000_000)
        self.mono_ns += int(seconds * 1_000_000_000)


def key(kind="ES256", kid="k1", which=0):
    """A private key; `which` tells keys of the same id apart."""
    return _key(kind, kid, which)


@cache
def _key(kind, kid, which):
    parameters = {"kid": kid} if kid else {}
    if kind in {"RS256", "PS256"}:
        return RSAKey.generate_key(2048, parameters)
    if kind in {"EdDSA", "Ed25519"}:
        return OKPKey.generate_key("Ed25519", parameters)
    return ECKey.generate_key("P-256", parameters)


def public(private, **members):
    """Its public JWK."""
    value = private.as_dict(private=False)
    return {**value, **members}


class Net:
    """Documents by URL; everything that was asked."""

    def __init__(self, *keys, issuer=ISSUER, jwks_uri=JWKS_URI):
        self.asked = []
        self.down = False
        self.slow = None
        self.pages = {
            f"{issuer}/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": jwks_uri}
        }
        self.jwks_uri = jwks_uri
        self.publish(*keys)

    def publish(self, *jwks):
        self.pages[self.jwks_uri] = {
            "keys": [jwk if isinstance(jwk, dict) else public(jwk) for jwk in jwks]
        }

    @property
    def looks(self):
        return self.asked.count(self.jwks_uri)

    async def __call__(self, url):
        self.asked.append(url)
        if self.slow is not None:
            await self.slow.wait()
        if self.down or url not in self.pages:
            raise FetchError(f"`{url}` does not answer")
        page = self.pages[url]
        return page if isinstance(page, bytes) else json.dumps(page).encode()


def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes):
    """Good claims with changes; `None` leaves one out."""
    value = {
        "iss": ISSUER,
        "sub": "ada",
        "client_id": "builder",
        "aud": RESOURCE,
        "iat": NOW_S - 10,
        "exp": NOW_S + 600,
        "jti": "1",
        "scope": "mcp other",
        **changes,
    }
    return {name: v for name, v in value.items() if v is not None}


def mint(private=None, payload=None, *, alg="ES256", header=None, **changes):
    """A signed token; `payload` may be bytes, `header` a dict of changes or bytes."""
    private = private or key(alg)
    if not isinstance(header, bytes):
        head = {"typ": "at+jwt", "alg": alg, "kid": private.kid, **(header or {})}
        header = json.dumps({n: v for n, v in head.items() if v is not None}).encode()
    payload = claims(**changes) if payload is None else payload
    text = f"{b64(header)}.{b64(payload)}"
    return f"{text}.{b64(JWSRegistry.algorithms[alg].sign(text.encode(), private))}"


def mint_hmac(secret, header=None):
    text = (
        f"{b64({'typ': 'at+jwt', 'alg': 'HS256', 'kid': 'k1', **(header or {})})}.{b64(claims())}"
    )
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256'))}"


def presented(*authorization, **changes):
    return Presented(
        **{"authorization": authorization, "resource": RESOURCE, "server": "git", **changes}
    )


def run(awaitable):
    return asyncio.run(awaitable)


class World:
    """One issuer with its keys, and Guard as its resource server."""

    def __init__(self, *keys, net=None, **settings):
        self.clock = Clock()
        self.net = net or Net(*(keys or (key(),)))
        self.oauth = OAuthCallers(
            OAuthTable(**{"issuer": ISSUER, **settings}), self.net, self.clock
        )
        self.loop = asyncio.new_event_loop()

    def ask(self, token, **changes):
        return self.loop.run_until_complete(
            self.oauth.authenticate(token, presented(f"Bearer {token}", **changes))
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.close()
