"""People whom a real OpenID provider knows, at the Hub's console in real Chromium."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser

from remit.audit.log import read
from tests.rig.browser import CHROMIUM, chromium
from tests.rig.console import Person, Raw
from tests.rig.daemon import wait_until
from tests.rig.programs import RIG, ROOT, need
from tests.rig.registries import Registry, free_port, hub, person

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A Hub, and the provider that it asks."""
    need(RIG / "npm/node_modules/oidc-provider/package.json")
    place = tmp_path_factory.mktemp("openid")
    port, provider = free_port(), free_port()
    key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
    (place / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    (place / "secret").write_text("remit-secret\n")
    back = f"http://127.0.0.1:{port}/ui/openid/back"
    command = ["node", str(ROOT / "tests/rig/openid.mjs"), str(provider)]
    with (place / "openid.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(place / "jwks.json"), back], stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"listening\n", (place / "openid.log").read_text()
        options = [
            "--workers", "0", "--openid-issuer", f"http://127.0.0.1:{provider}",
            "--openid-client", "remit", "--openid-secret-file", str(place / "secret"),
        ]  # fmt: skip
        with hub(place, gate=True, options=options, port=port) as found:
            yield found
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def identified(browser: Browser, registry: Registry, user: str, to: str = "/ui/queue") -> Person:
    """Somebody who has said at the provider who they are."""
    one = Person(browser, registry)
    one.open(to)
    one.page.get_by_role("link", name="Log in with").click()
    one.page.get_by_placeholder("Enter any login").fill(user)
    one.page.get_by_placeholder("and password").fill("anything")
    one.page.get_by_role("button", name="Sign-in").click()
    one.page.get_by_role("button", name="Continue").click()
    return one


def test_who_has_an_account_is_let_in(browser: Browser, registry: Registry) -> None:
    person(registry, "ann", "reader", "**")
    ann = identified(browser, registry, "ann")
    ann.page.get_by_role("heading", name="Scans").wait_for()
    assert ann.page.get_by_role("link", name="ann").count() == 1
    (log,) = [each for each in (registry.state / "audit").iterdir() if each.is_dir()]
    logins = wait_until(
        lambda: [
            e.record
            for e in read(log)
            if e.record["kind"] == "console.login" and e.record["actor"]["user"] == "ann"
        ]
    )
    assert logins[-1]["how"].startswith("openid http://127.0.0.1:")
    assert not ann.problems


def test_who_has_none_is_not(browser: Browser, registry: Registry) -> None:
    dan = identified(browser, registry, "dan")
    dan.page.get_by_role("alert").wait_for()
    assert "the Hub has no account `dan`" in dan.text
    dan.open("/ui/queue")
    assert "/ui/login" in dan.page.url


def test_answers_that_nobody_asked_for(registry: Registry) -> None:
    raw = Raw(registry)
    for path in ("/ui/openid/back", "/ui/openid/back?code=x&state=y"):
        assert raw.get(path).status == 403
    leaving = raw.get("/ui/openid?to=//evil.example/")
    assert leaving.status == 303
    assert "code_challenge_method=S256" in leaving.headers["location"]
    (cookie,) = [each for each in raw.set_cookies if "away" in each]
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert raw.get("/ui/openid/back?code=x&state=wrong").status == 403
    # The attempt is used up by that.
    assert b"too long ago" in raw.get("/ui/openid/back?code=x&state=wrong").body
