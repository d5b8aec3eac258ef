"""The inbox in real Chromium with a virtual authenticator, before a real Guard and server."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from tests.rig.browser import CHROMIUM, Reader, chromium
from tests.rig.people import Treasury

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each reader has a context of their own."""
    with chromium() as one:
        yield one


@pytest.fixture
def treasury(tmp_path: Path) -> Iterator[Treasury]:
    """A Guard with pages."""
    with Treasury(tmp_path, http="127.0.0.1:0") as stage:
        yield stage


def reader(browser: Browser, treasury: Treasury, user: str, **context: object) -> Reader:
    """Somebody who is enrolled with a passkey, and logged in."""
    done = treasury.invites(user)
    return Reader(browser, treasury.guard, user, **context).enrol(done)


def test_a_held_call_runs_once_a_passkey_signs(browser: Browser, treasury: Treasury) -> None:
    ann = reader(browser, treasury, "ann")
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 500, "ALICE")
        ann.logout()
        ann.login()
        ann.page.get_by_role("link", name="rec/pay").click()
        assert '"to": "ALICE"' in ann.page.locator(".shown").inner_text()
        ann.says("approve", request, "checked with the supplier", "CHG-7")
        answer = wire.response(1)
        assert not answer["result"].get("isError")
        assert treasury.ran("ALICE") == 1
        ann.page.reload()
        assert "used" in ann.page.get_by_role("status").inner_text()
    (yes,) = treasury.records("approval.decision")
    (used,) = treasury.records("approval.consume")
    assert (yes["approver"], yes["reason"], yes["ticket"]) == (
        "ann", "checked with the supplier", "CHG-7",
    )  # fmt: skip
    assert yes["source"].startswith("web:127.0.0.1")
    assert used["attestations"] == [yes["attestation"]]
    (enrolled,) = treasury.records("approver.enrol")
    assert (enrolled["how"], enrolled["user"], enrolled["name"]) == ("passkey", "ann", "Ann Lee")
    assert not ann.problems


def test_a_refusal_reaches_the_agent(browser: Browser, treasury: Treasury) -> None:
    ann = reader(browser, treasury, "ann")
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 500, "BOB")
        ann.says("deny", request, "nobody knows this supplier")
        answer = wire.response(1)
        assert answer["result"]["isError"]
        assert "refused by ann: nobody knows this supplier" in str(answer)
        assert treasury.ran("BOB") == 0
        ann.page.reload()
        assert "denied" in ann.page.get_by_role("status").inner_text()
        assert ann.page.get_by_role("button", name="Approve…").count() == 0
        ann.page.get_by_role("link", name="Past").click()
        assert "you said: deny" in ann.page.locator("main").inner_text()
    assert not ann.problems


@pytest.mark.slow
def test_two_people_and_a_page_that_stays_up_to_date(browser: Browser, treasury: Treasury) -> None:
    ann, ben = (reader(browser, treasury, user) for user in ("ann", "ben"))
    ben.page.goto(ben.base)
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 5000, "CAROL")
        link = ben.page.get_by_role("link", name="rec/pay")
        link.wait_for()
        link.focus()
        ann.says("approve", request)
        ben.page.get_by_text("1 of 2 approved: ann").wait_for()
        assert link.evaluate("node => node === document.activeElement")
        assert treasury.ran("CAROL") == 0
        ben.says("approve", request)
        assert not wire.response(1)["result"].get("isError")
        ann.open(request)
        ann.page.get_by_text("used").first.wait_for()
    assert not ann.problems + ben.problems


def test_with_nothing_but_a_keyboard(browser: Browser, treasury: Treasury) -> None:
    """From the link to the signed approval without a mouse; what has the focus can be seen."""
    ann = Reader(browser, treasury.guard, "ann")
    page = ann.page
    press = page.keyboard.press

    def focus(name: str, key: str = "Tab") -> None:
        shown = "document.activeElement.matches('body') ? '' : document.activeElement.innerText"
        for _ in range(30):
            if name in (page.evaluate(shown) or page.evaluate("document.activeElement.id")):
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                assert page.evaluate(outline) != "none", f"nobody sees that {name} has the focus"
                return
            press(key)
        raise AssertionError(f"{name} cannot be reached")

    def enter(button: str) -> None:
        """Press the button that has the focus, once the page with its script is there."""
        page.get_by_role("button", name=button).wait_for()
        page.wait_for_load_state()
        page.wait_for_function("document.activeElement.matches('button')")
        press("Enter")

    page.goto(treasury.invites("ann"))
    for button in ("Open the invitation", "Make a passkey", "Sign that it is mine"):
        enter(button)
    page.get_by_role("heading", name="Waiting for approval").wait_for()
    with treasury.agent() as wire:
        treasury.waits(wire, 1, 500, "DORA")
        page.get_by_role("link", name="rec/pay").wait_for()
        focus("Skip to content")
        focus("rec/pay")
        press("Enter")
        page.get_by_role("heading", name="What will happen").wait_for()
        focus("reason")
        page.keyboard.type("read it")
        focus("Approve…")
        press("Enter")
        page.get_by_role("button", name="Sign the approval").wait_for()
        page.wait_for_load_state()
        focus("Sign the approval")
        press("Enter")
        assert not wire.response(1)["result"].get("isError")
    assert treasury.ran("DORA") == 1
    assert treasury.records("approval.decision")[0]["reason"] == "read it"
    assert not ann.problems


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({}, id="light", marks=pytest.mark.slow),
        pytest.param(
            {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}},
            id="dark-and-narrow",
        ),
    ],
)
def test_every_page_is_for_everybody(
    browser: Browser, treasury: Treasury, context: dict[str, object]
) -> None:
    """Axe finds nothing serious, nothing is wider than the window, the console is silent."""
    ann = Reader(browser, treasury.guard, "ann", reduced_motion="reduce", **context)
    page = ann.page
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        found[name] = ann.faults()
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found[name].append("it is wider than the window")

    page.goto(treasury.invites("ann"))
    look("invitation")
    page.get_by_role("button", name="Open the invitation").click()
    page.get_by_role("button", name="Make a passkey", disabled=False).wait_for()
    look("enrol")
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("button", name="Sign that it is mine").wait_for()
    look("sign the enrolment")
    page.get_by_role("button", name="Sign that it is mine").click()
    page.get_by_role("heading", name="Waiting for approval").wait_for()
    look("nothing waits")
    with treasury.agent() as wire:
        first = treasury.waits(wire, 1, 500, "A" * 200)
        ann.says("approve", first, "a reason " * 20, "CHG-1")
        wire.response(1)
        second = treasury.waits(wire, 2, 900, "\u202e\u0430lice " + "long " * 40)
        page.goto(ann.base)
        look("inbox")
        ann.open(second)
        look("request")
        shown = page.locator(".shown").inner_text()
        assert "\\u{202e}" in shown
        assert "CYRILLIC SMALL LETTER A" in shown
        assert page.locator("ins").count() == 2
        page.get_by_role("button", name="Deny…").click()
        page.get_by_role("button", name="Sign the refusal").wait_for()
        look("sign")
        ann.says("deny", second)
        page.goto(f"{ann.base}/past")
        look("past")
        page.goto(f"{ann.base}/APR-{'0' * 26}")
        look("error")
        page.goto(ann.base)
        ann.logout()
        look("login")
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert not ann.problems


def test_who_clicks_before_the_script_is_there_waits_for_it(
    browser: Browser, treasury: Treasury
) -> None:
    """A form that the script fills in does not go out empty, however late the script comes."""
    ann = Reader(browser, treasury.guard, "ann")

    def late(route: Route) -> None:
        time.sleep(0.5)
        route.continue_()

    ann.page.route("**/inbox.js", late)
    ann.enrol(treasury.invites("ann"))
    ann.logout()
    ann.page.unroute("**/inbox.js")
    ann.page.route("**/inbox.js", lambda route: route.abort())
    ann.page.goto(f"{ann.base}/login")
    assert ann.page.get_by_role("button", name="Log in with a passkey").is_disabled()


def test_what_is_shown_is_the_text_that_is_signed(browser: Browser, treasury: Treasury) -> None:
    """The words on the page are those whose digest stands in the statement, letter by letter."""
    import hashlib

    ann = reader(browser, treasury, "ann")
    with treasury.agent() as wire:
        hard = "<b>x</b> &amp; \u05d0\u05d1 \u2066y\u2069 {{7*7}} ' \" </pre>"
        request = treasury.waits(wire, 1, 500, hard)
        ann.open(request)
        shown = ann.page.locator(".shown").evaluate("node => node.textContent")
        kept = treasury.guard.ask({"op": "approval", "request": request})["approval"]
        assert shown == kept["shown"]
        digest = hashlib.sha256(shown.encode()).hexdigest()
        ann.page.get_by_role("button", name="Approve…").click()
        assert ann.page.locator(".shown").evaluate("node => node.textContent") == shown
        assert f"sha256:{digest}" in ann.page.locator("dl").inner_text()
        ann.page.get_by_role("button", name="Sign the approval").click()
        assert not wire.response(1)["result"].get("isError")
    assert treasury.ran(hard) == 1
    assert not ann.problems


def test_a_passkey_that_says_no(browser: Browser, treasury: Treasury) -> None:
    """Whoever cancels, or is not recognised, is told so and has signed nothing."""
    ann = reader(browser, treasury, "ann")
    with treasury.agent() as wire:
        request = treasury.waits(wire, 1, 500, "EMIL")
        ann.open(request)
        ann.page.get_by_role("button", name="Approve…").click()
        ann.cdp.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": ann.authenticator, "isUserVerified": False},
        )
        ann.page.get_by_role("button", name="Sign the approval").click()
        ann.page.get_by_role("alert").wait_for()
        assert "was not used" in ann.page.get_by_role("alert").inner_text()
        assert treasury.ran("EMIL") == 0
        ann.cdp.send(
            "WebAuthn.setUserVerified",
            {"authenticatorId": ann.authenticator, "isUserVerified": True},
        )
        ann.page.get_by_role("button", name="Sign the approval").click()
        assert not wire.response(1)["result"].get("isError")
