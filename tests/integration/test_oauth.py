"""Access tokens of a real OpenID provider, over real HTTP, checked by Guard."""

import asyncio
import base64
import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from remit.guard.callers.base import Forbidden, Presented, Unauthenticated
from remit.guard.callers.compose import callers_from
from remit.guard.callers.settings import CallersConfig, OAuthTable
from remit.web.issuer import RETRY_S
from tests.rig.programs import RIG, ROOT, need

RESOURCE = "https://guard.example.com/mcp/git"
OTHER = "https://guard.example.com/mcp/mail"


def make_key(alg, kid):
    members = {"kid": kid, "alg": alg, "use": "sig"}
    if alg in {"RS256", "PS256"}:
        return RSAKey.generate_key(2048, members)
    if alg == "EdDSA":
        return OKPKey.generate_key("Ed25519", members)
    return ECKey.generate_key("P-256", members)


class Provider:
    """The provider as a process; it can be stopped and started again with other keys."""

    def __init__(self, directory, *keys):
        need(RIG / "npm/node_modules/oidc-provider/package.json")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.keys = directory / "jwks.json"
        self.log = directory / "oidc.log"
        self.process = None
        self.start(*keys)

    def start(self, *keys):
        if keys:
            value = {"keys": [key.as_dict(private=True) for key in keys]}
            self.keys.write_text(json.dumps(value))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["node", ROOT / "tests/rig/oidc.mjs", str(self.port), self.keys],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout.readline() == b"listening\n", self.log.read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def token(self, resource=RESOURCE, scope="mcp", **headers):
        """The client credentials flow with a resource indicator (RFC 8707)."""
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        credentials = base64.b64encode(b"builder:builder-secret").decode()
        request = urllib.request.Request(
            f"{self.issuer}/token",
            urllib.parse.urlencode({k: v for k, v in form.items() if v}).encode(),
            {"Authorization": f"Basic {credentials}", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["access_token"]
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(error.read().decode())


class Clock:
    """The machine's, and how far the test has moved it."""

    def __init__(self):
        self.ahead_s = 0

    def now_us(self):
        return time.time_ns() // 1000 + self.ahead_s * 1_000_000

    def monotonic_ns(self):
        return time.monotonic_ns() + self.ahead_s * 1_000_000_000


class Guard:
    def __init__(self, state, provider, **settings):
        self.clock = Clock()
        self.callers = callers_from(
            CallersConfig(oauth=OAuthTable(issuer=provider.issuer, **settings)),
            state,
            clock=self.clock,
        )
        self.loop = asyncio.new_event_loop()

    def ask(self, token, resource=RESOURCE):
        request = Presented(
            authorization=(f"Bearer {token}",),
            resource=resource,
            server=resource.rpartition("/")[2],
        )
        return self.loop.run_until_complete(self.callers.authenticate(request))

    def refused(self, token, resource=RESOURCE, kind=Unauthenticated):
        with pytest.raises(kind) as caught:
            self.ask(token, resource)
        return caught.value.code


@pytest.fixture
def start(tmp_path):
    """Start a provider with keys, and a Guard that trusts it."""
    made = []

    def begin(*keys, **settings):
        provider = Provider(tmp_path, *(keys or (make_key("ES256", "one"),)))
        guard = Guard(tmp_path / "state", provider, **settings)
        made.append((provider, guard))
        return provider, guard

    yield begin
    for provider, guard in made:
        provider.stop()
        guard.loop.close()


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_token_is_accepted_for_its_resource_only(start, alg):
    provider, guard = start(make_key(alg, "one"), required_scopes=("mcp",))
    token = provider.token()
    found = guard.ask(token)
    assert (found.agent.id, found.user, found.how) == ("builder", "builder", "oauth")
    assert found.credential == f"{provider.issuer}#builder"
    assert guard.refused(token, OTHER) == "oauth.audience"
    assert guard.ask(provider.token(OTHER), OTHER).identity == found.identity
    assert guard.refused(provider.token(OTHER)) == "oauth.audience"


def test_scopes(start):
    provider, guard = start(required_scopes=("mcp", "tools"))
    assert guard.refused(provider.token(), kind=Forbidden) == "caller.insufficient_scope"
    assert guard.ask(provider.token(scope="mcp tools")).user == "builder"


def test_a_token_that_is_not_a_jwt_or_was_changed(start):
    provider, guard = start()
    opaque = provider.token(resource="", scope="")
    assert guard.refused(opaque) == "oauth.malformed"
    head, body, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "root"}).encode())
    assert guard.refused(f"{head}.{forged.rstrip(b'=').decode()}.{signature}") == "oauth.signature"


def test_a_token_expires(start):
    provider, guard = start(skew_s=5)
    token = provider.token()
    guard.ask(token)
    guard.clock.ahead_s = 126
    assert guard.refused(token) == "oauth.expired"


def test_a_dpop_token_is_not_a_bearer_token(start):
    provider, guard = start()
    key = ECKey.generate_key("P-256")
    proof = jwt.encode(
        {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)},
        {"jti": "1", "htm": "POST", "htu": f"{provider.issuer}/token", "iat": int(time.time())},
        key,
    )
    assert guard.refused(provider.token(DPoP=proof)) == "oauth.binding"


def test_keys_rotate(start):
    old, new = make_key("ES256", "old"), make_key("ES256", "new")
    provider, guard = start(old)
    first = provider.token()
    guard.ask(first)
    provider.stop()
    provider.start(new, old)
    second = provider.token()
    assert guard.refused(second) == "oauth.signature"  # the issuer was asked only just now
    guard.clock.ahead_s = RETRY_S
    assert guard.ask(second).user == "builder"
    assert guard.ask(first).user == "builder"
    provider.stop()
    provider.start(new)
    guard.clock.ahead_s = RETRY_S + 301
    assert guard.refused(first) == "oauth.signature"


def test_tokens_outlive_the_provider_only_as_long_as_is_configured(start):
    provider, guard = start(max_stale_s=60)
    token = provider.token()
    guard.ask(token)
    provider.stop()
    guard.clock.ahead_s = 58
    assert guard.ask(token).user == "builder"
    guard.clock.ahead_s = 62
    assert guard.refused(token) == "oauth.no_keys"
    provider.start()
    guard.clock.ahead_s = 62 + RETRY_S
    assert guard.ask(token).user == "builder"


def test_a_provider_that_says_it_is_another_one_is_refused(tmp_path, start):
    provider, _ = start()
    alias = provider.issuer.replace("127.0.0.1", "localhost")
    provider.issuer, issuer = alias, provider.issuer
    guard = Guard(tmp_path / "state", provider)
    provider.issuer = issuer
    assert guard.refused(provider.token()) == "oauth.issuer"
    guard.loop.close()
