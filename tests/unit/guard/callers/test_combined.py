import os
import sys

import pytest

from remit.guard.callers.base import Forbidden, Unauthenticated
from remit.guard.callers.compose import callers_from
from remit.guard.callers.keys import NewKey
from remit.guard.callers.settings import CallersConfig, MtlsTable, OAuthTable
from remit.guard.errors import GuardError
from remit.guard.store.callers import CallerKeys
from tests.unit.attest.test_certificates import make as certificate
from tests.unit.attest.test_certificates import uri
from tests.unit.guard.callers.helpers import (
    ISSUER,
    NOW_S,
    RESOURCE,
    Clock,
    Net,
    key,
    mint,
    presented,
    run,
)

SPIFFE = "spiffe://example.com/builder"
CERTIFICATE = certificate(names=[uri(SPIFFE)])
OAUTH = OAuthTable(issuer=ISSUER, required_scopes=("mcp",))
MTLS = MtlsTable(trust_domains=("example.com",))


class World:
    def __init__(self, state, **config):
        self.clock = Clock()
        self.clock.wall_us = 1_780_000_000 * 1_000_000  # within the certificate's year
        self.net = Net(key())
        self.key = NewKey.make(os.urandom, 1, agent="ci", user="ada", servers=("git",))
        CallerKeys(state).add(self.key.record)
        self.callers = callers_from(CallersConfig(**config), state, clock=self.clock, get=self.net)

    def ask(self, *authorization, **changes):
        return run(self.callers.authenticate(presented(*authorization, **changes)))

    def refused(self, *authorization, kind=Unauthenticated, **changes):
        with pytest.raises(kind) as caught:
            self.ask(*authorization, **changes)
        return caught.value


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, oauth=OAUTH, mtls=MTLS)


@pytest.fixture
def token():
    return f"Bearer {mint(iat=1, exp=NOW_S + 1)}"


def test_each_credential_is_checked_as_what_it_is(world, token):
    assert world.ask(f"Bearer {world.key.reveal()}").how == "key"
    assert world.ask(token).how == "oauth"
    assert world.ask(certificate=CERTIFICATE).how == "mtls"
    assert world.ask(f"Bearer {world.key.reveal()}", certificate=CERTIFICATE).how == "key"


def test_a_failed_credential_is_final(world):
    """A good certificate, and an Authorization header that does not hold."""
    other = NewKey.make(os.urandom, 1, agent="x", user="y").reveal()
    for authorization in (
        (f"Bearer {other}",),
        (f"Bearer {world.key.reveal()[:-1]}",),
        ("Bearer nonsense",),
        ("Basic YTpi",),
        ("",),
        (f"Bearer {mint(key(which=8))}",),
        (f"Bearer {world.key.reveal()}", f"Bearer {world.key.reveal()}"),
    ):
        world.refused(*authorization, certificate=CERTIFICATE)


def test_a_key_is_never_tried_as_a_token(world):
    assert world.refused("Bearer rmt_a.b.c").code == "caller.key_mistyped"
    assert world.net.asked == []


def test_nothing_presented_is_nobody_on_loopback_too(tmp_path):
    for config in ({}, {"oauth": OAUTH}, {"mtls": MTLS}):
        world = World(tmp_path / str(len(config)) / str(list(config)), **config)
        for resource in (RESOURCE, "http://127.0.0.1:8443/mcp/git", "http://localhost/mcp/git"):
            assert world.refused(resource=resource).code == "caller.nothing_presented"


def test_what_is_not_configured_is_not_accepted(tmp_path, token):
    world = World(tmp_path)
    assert world.ask(f"Bearer {world.key.reveal()}").how == "key"
    assert world.refused(token).code == "caller.key_unknown"
    assert world.refused(certificate=CERTIFICATE).code == "caller.nothing_presented"
    assert world.callers.metadata(RESOURCE) is None
    assert world.net.asked == []


def test_the_answer_says_how_to_authenticate(world, tmp_path):
    where = "https://guard.example.com:8443/.well-known/oauth-protected-resource/mcp/git"
    assert world.refused().www_authenticate == f'Bearer realm="remit", resource_metadata="{where}"'
    assert world.refused("Bearer x").www_authenticate.startswith(
        'Bearer realm="remit", error="invalid_token", error_description="'
    )
    assert where in world.refused("Basic x").www_authenticate
    lacking = world.refused(f"Bearer {mint(iat=1, exp=NOW_S + 1, scope='x')}", kind=Forbidden)
    assert 'error="insufficient_scope"' in lacking.www_authenticate
    assert 'scope="mcp"' in lacking.www_authenticate
    assert world.callers.metadata(RESOURCE)["authorization_servers"] == [ISSUER]
    alone = World(tmp_path / "alone").refused()
    assert alone.www_authenticate == 'Bearer realm="remit"'


def test_a_key_for_another_server_is_forbidden(world):
    error = world.refused(f"Bearer {world.key.reveal()}", kind=Forbidden, server="mail")
    assert error.status == 403


def test_a_defect_lets_nobody_in(world, token, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("remit.guard.callers.oauth.caller_of", broken)
    assert world.refused(token).code == "caller.internal"


def test_settings_are_checked_when_they_are_wired(tmp_path):
    with pytest.raises(GuardError):
        callers_from(CallersConfig(oauth=OAuthTable(issuer="http://x")), tmp_path)


def test_keys_alone_need_no_library_of_oauth_tls_or_certificates():
    import subprocess

    code = (
        "import sys, pathlib\n"
        "from remit.guard.callers.compose import callers_from\n"
        "from remit.guard.callers.settings import CallersConfig\n"
        "callers_from(CallersConfig(), pathlib.Path('/nowhere'))\n"
        "print([m for m in ('aiohttp', 'joserfc', 'cryptography.x509', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"[]", "['ssl']"}  # asyncio takes ssl along
