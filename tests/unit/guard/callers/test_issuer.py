import asyncio
import json

import pytest

from remit.guard.callers.base import Unauthenticated
from remit.web.fetch import FetchError
from remit.web.issuer import FRESH_S, RETRY_S, discovery_urls
from tests.unit.guard.callers.helpers import ISSUER, JWKS_URI, Net, World, key, mint, public

NEW = "new"


@pytest.fixture
def world():
    with World() as made:
        yield made


def code(world, token=None):
    with pytest.raises(Unauthenticated) as caught:
        world.ask(token or mint(exp=4_000_000_000))
    return caught.value.code


def token(*args, **changes):
    return mint(*args, exp=4_000_000_000, **changes)


def test_keys_are_fetched_once_and_again_after_a_while(world):
    for _ in range(3):
        world.ask(token())
    assert world.net.looks == 1
    world.clock.pass_s(FRESH_S - 1)
    world.ask(token())
    assert world.net.looks == 1
    world.clock.pass_s(1)
    world.ask(token())
    assert world.net.looks == 2


def test_a_rotation_is_seen_at_once(world):
    world.ask(token())
    world.clock.pass_s(RETRY_S)
    new = key(kid=NEW)
    world.net.publish(new)
    assert world.ask(token(new)).user == "ada"
    assert code(world) == "oauth.signature"  # and the old key is gone


def test_a_flood_of_unknown_key_ids_does_not_reach_the_issuer(world):
    world.ask(token())
    for number in range(500):
        assert code(world, token(header={"kid": f"x{number}"})) == "oauth.signature"
    assert world.net.looks == 1
    world.clock.pass_s(RETRY_S)
    for number in range(500):
        assert code(world, token(header={"kid": f"y{number}"})) == "oauth.signature"
    assert world.net.looks == 2
    assert world.ask(token()).user == "ada"


def test_a_flood_does_not_reach_an_issuer_that_is_down_either(world):
    world.net.down = True
    for number in range(200):
        assert code(world, token(header={"kid": f"x{number}"})) == "oauth.no_keys"
    assert len(world.net.asked) == len(discovery_urls(ISSUER))


def test_keys_outlive_the_issuer_only_so_long():
    with World(max_stale_s=600) as world:
        world.ask(token())
        world.net.down = True
        world.clock.pass_s(600)
        world.ask(token())
        world.clock.pass_s(1)
        assert code(world) == "oauth.no_keys"
        assert "does not answer" in world.oauth.problem
        world.net.down = False
        world.clock.pass_s(RETRY_S)
        assert world.ask(token()).user == "ada"
        assert world.oauth.problem == ""


def test_without_staleness_keys_end_with_the_issuer():
    with World(max_stale_s=0) as world:
        world.ask(token())
        world.net.down = True
        world.clock.pass_s(0.001)
        assert code(world) == "oauth.no_keys"


def test_garbage_from_the_issuer_is_as_if_it_were_down(world):
    world.ask(token())
    world.net.pages[JWKS_URI] = {"keys": []}
    world.clock.pass_s(FRESH_S)
    world.ask(token())
    world.clock.pass_s(3600 - FRESH_S + 1)
    assert code(world) == "oauth.no_keys"


def test_one_who_hangs_up_does_not_keep_the_keys_from_others(world):
    """Otherwise a stranger could let the keys go stale with one request every ten seconds."""
    from tests.unit.guard.callers.helpers import presented

    async def main():
        world.net.slow = asyncio.Event()
        asking = asyncio.create_task(world.oauth.authenticate(token(), presented()))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        world.net.slow.set()
        await asyncio.sleep(0.01)
        assert (await world.oauth.authenticate(token(), presented())).user == "ada"

    world.loop.run_until_complete(main())


def test_an_issuer_that_never_answers(world, monkeypatch):
    monkeypatch.setattr("remit.web.issuer.ASK_S", 0.01)
    world.net.slow = asyncio.Event()
    assert code(world) == "oauth.no_keys"
    assert "no answer" in world.oauth.problem


# Discovery


def test_where_metadata_is_looked_for():
    assert discovery_urls("https://h/t") == (
        "https://h/.well-known/oauth-authorization-server/t",
        "https://h/.well-known/openid-configuration/t",
        "https://h/t/.well-known/openid-configuration",
    )
    assert discovery_urls("https://h") == discovery_urls("https://h/")
    assert len(discovery_urls("https://h")) == 2


@pytest.mark.parametrize("url", discovery_urls(ISSUER))
def test_each_place_will_do(url):
    net = Net(key())
    net.pages = {JWKS_URI: net.pages[JWKS_URI], url: {"issuer": ISSUER, "jwks_uri": JWKS_URI}}
    with World(net=net) as world:
        assert world.ask(token()).user == "ada"


@pytest.mark.parametrize(
    "page",
    [
        {"issuer": ISSUER + "/", "jwks_uri": JWKS_URI},
        {"issuer": "https://evil.example", "jwks_uri": JWKS_URI},
        {"jwks_uri": JWKS_URI},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 1},
        {"issuer": ISSUER, "jwks_uri": JWKS_URI.replace("https", "http")},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/jwks"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        [],
        b"{",
        b"\xff",
        json.dumps({"issuer": ISSUER, "jwks_uri": JWKS_URI}).encode()[:-1] + b',"issuer":"x"}',
    ],
)
def test_metadata_that_is_not_the_issuers_is_refused(page):
    net = Net(key())
    net.pages[discovery_urls(ISSUER)[0]] = page
    net.pages["http://127.0.0.1/jwks"] = net.pages[JWKS_URI]
    with World(net=net) as world:
        assert code(world) == "oauth.no_keys"
        assert world.net.looks == 0


def test_a_configured_jwks_uri_needs_no_discovery():
    net = Net(public(key()), jwks_uri="https://h/keys")
    with World(net=net, jwks_uri="https://h/keys") as world:
        world.ask(token())
        assert net.asked == ["https://h/keys"]


def test_the_fetch_error_has_a_code():
    assert FetchError("x").code == "oauth.fetch"
