"""Approvers whom a real OpenID provider knows, in real Chromium."""

import getpass
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser

from tests.rig.browser import CHROMIUM, Reader, chromium
from tests.rig.inbox import Visitor, text_of
from tests.rig.people import Treasury
from tests.rig.programs import RIG, ROOT, need

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each reader has a context of their own."""
    with chromium() as one:
        yield one


@pytest.fixture
def treasury(tmp_path: Path) -> Iterator[Treasury]:
    """A Guard with pages, and the provider that it asks."""
    need(RIG / "npm/node_modules/oidc-provider/package.json")
    port, provider = free_port(), free_port()
    key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    back = f"http://localhost:{port}/approvals/openid/back"
    command = ["node", str(ROOT / "tests/rig/openid.mjs"), str(provider)]
    with (tmp_path / "openid.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(tmp_path / "jwks.json"), back], stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"listening\n", (tmp_path / "openid.log").read_text()
        extra = (
            f'[approvals.openid]\nissuer = "http://127.0.0.1:{provider}"\nclient_id = "remit"\n'
            'client_secret = "remit-secret"\n'
        )
        with Treasury(tmp_path, http=f"127.0.0.1:{port}", extra=extra) as stage:
            yield stage
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def identified(browser: Browser, treasury: Treasury, user: str) -> Reader:
    """Somebody at the provider's form, who has said who they are."""
    reader = Reader(browser, treasury.guard, user)
    page = reader.page
    page.goto(f"{reader.base}/login")
    page.get_by_role("link", name="Log in or enrol with").click()
    page.get_by_placeholder("Enter any login").fill(user)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    return reader


def enrolled(browser: Browser, treasury: Treasury, user: str) -> Reader:
    """Somebody who has made a passkey after that."""
    reader = identified(browser, treasury, user)
    reader.page.get_by_role("button", name="Make a passkey").click()
    reader.page.get_by_role("button", name="Sign that it is mine").click()
    reader.page.get_by_role("heading", name="Waiting for approval").wait_for()
    return reader


def test_a_quorum_of_people_whom_a_provider_knows(browser: Browser, treasury: Treasury) -> None:
    """Two of them approve; who is not in the team, or no longer, does not count."""
    ann, ben, dan = (enrolled(browser, treasury, user) for user in ("ann", "ben", "dan"))
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 5000, "ALICE")
        ann.says("approve", request, "seen")
        dan.open(request)
        assert "there is no request" in dan.page.locator("main").inner_text().lower()
        assert treasury.ran("ALICE") == 0
        ben.says("approve", request)
        assert not wire.response(1)["result"].get("isError")
        assert treasury.ran("ALICE") == 1
    people = {r["user"]: r for r in treasury.records("approver.enrol")}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ ann", people["ann"]["by"])
    assert people["ann"]["name"] == "Ann Lee"
    assert [r["approver"] for r in treasury.records("approval.decision")] == ["ann", "ben"]
    assert not ann.problems + ben.problems


def test_who_comes_back_is_let_in_and_signs(browser: Browser, treasury: Treasury) -> None:
    """A second visit by the provider logs in; the passkey signs all the same."""
    ann = enrolled(browser, treasury, "ann")
    ann.logout()
    page = ann.page
    page.get_by_role("link", name="Log in or enrol with").click()
    # The provider asks again for every program of this machine.
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Waiting for approval").wait_for()
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 500, "BOB")
        ann.says("approve", request)
        assert not wire.response(1)["result"].get("isError")
    assert not ann.problems


def test_the_requester_is_refused_and_so_is_who_left_the_group(
    browser: Browser, treasury: Treasury
) -> None:
    """Rights are those of the bundle in force when the approval is used."""
    own = getpass.getuser()
    people = treasury.guard.bundle / "entities" / "people.toml"
    people.write_text(people.read_text() + f'[users.{own}]\nteams = ["treasury"]\n')
    head = treasury.guard.bundle / "bundle.toml"
    head.write_text(head.read_text().replace("serial = 1", "serial = 2"))
    assert treasury.guard.ask({"op": "reload"})["ok"]
    requester, ann = (enrolled(browser, treasury, user) for user in (own, "ann"))
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 5000, "CARL")
        requester.open(request)
        assert requester.page.get_by_role("button", name="Approve…").count() == 0
        ann.says("approve", request)
        people.write_text(
            people.read_text().replace(
                '[users.ann]\nteams = ["treasury"]', "[users.ann]\nteams = []"
            )
        )
        head.write_text(head.read_text().replace("serial = 2", "serial = 3"))
        assert treasury.guard.ask({"op": "reload"})["ok"]
        treasury.pays(wire, 2, 5000, "CARL")
        again = treasury.waits(wire, 3, 5001, "CARL")
        ann.open(again)
        assert "there is no request" in ann.page.locator("main").inner_text().lower()
        assert treasury.ran("CARL") == 0


def test_answers_that_were_not_asked_for(browser: Browser, treasury: Treasury) -> None:
    """Another browser, another state, a code that was used, an error of the provider."""
    visitor = Visitor(
        f"http://127.0.0.1:{urlsplit(Reader(browser, treasury.guard, 'x').base).port}"
    )
    assert visitor.get("/openid/back?code=x&state=y").status == 403
    leaving = visitor.get("/openid?to=/approvals/past")
    assert leaving.status == 303
    query = parse_qs(urlsplit(leaving.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{visitor.origin}/approvals/openid/back"]
    state = query["state"][0]
    assert "SameSite=Lax" in visitor.set_cookies[0]
    for bad in (
        "code=x&state=other",
        f"code=x&state={state}",
        f"error=access_denied&state={state}",
    ):
        answer = visitor.get(f"/openid/back?{bad}")
        assert answer.status in {403, 400, 502}, text_of(answer)
        # One answer for each attempt, whatever it was.
        assert visitor.get(f"/openid/back?code=x&state={state}").status == 403
        leaving = visitor.get("/openid")
        state = parse_qs(urlsplit(leaving.headers["location"]).query)["state"][0]
    other = Visitor(f"http://127.0.0.1:{visitor.port}")
    assert other.get(f"/openid/back?code=x&state={state}").status == 403
    refused = [r["code"] for r in treasury.records("approver.refused")]
    assert "openid.state" in refused
    assert re.search("openid|oauth", " ".join(refused))
