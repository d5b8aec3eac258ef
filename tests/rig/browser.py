"""Real Chromium with a virtual authenticator, and whoever sits before it."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.rig.daemon import Daemon
from tests.rig.programs import RIG, need

CHROMIUM = shutil.which("chromium") or ""
AXE = RIG / "npm-browser" / "node_modules" / "axe-core" / "axe.min.js"
_SERIOUS = ("serious", "critical")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """Somebody at a browser of their own, with one authenticator.

    Attributes:
        page: what they look at.
        problems: errors of the console and of scripts, which a content security policy causes.
    """

    def __init__(self, browser: Browser, guard: Daemon, user: str, **context: Any) -> None:
        self.guard = guard
        self.user = user
        self.context: BrowserContext = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.problems: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.cdp = self.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        self.authenticator = self._authenticator()

    def _authenticator(self) -> str:
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return str(made["authenticatorId"])

    def _console(self, message: Any) -> None:
        # A page that says no is one that Chromium reports; what it says is looked at elsewhere.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    @property
    def base(self) -> str:
        """Where the pages are."""
        return str(self.guard.status()["approvals"])

    def enrol(self, url: str) -> Self:
        """Follow an invitation to its end."""
        page = self.page
        page.goto(url)
        page.get_by_role("button", name="Open the invitation").click()
        page.get_by_role("button", name="Make a passkey").click()
        page.get_by_role("button", name="Sign that it is mine").click()
        page.get_by_role("heading", name="Waiting for approval").wait_for()
        return self

    def login(self) -> None:
        """Log in."""
        self.page.goto(f"{self.base}/login")
        self.page.get_by_role("button", name="Log in with a passkey").click()
        self.page.get_by_role("heading", name="Waiting for approval").wait_for()

    def logout(self) -> None:
        """Log out."""
        self.page.get_by_role("button", name="Log out").click()
        self.page.get_by_role("heading", name="Log in").wait_for()

    def open(self, request: str) -> None:
        """Look at a request."""
        self.page.goto(f"{self.base}/{request}")

    def says(self, word: str, request: str, reason: str = "", ticket: str = "") -> None:
        """Approve or deny, and wait for what the page says then."""
        self.open(request)
        self.page.get_by_label("Reason").fill(reason)
        self.page.get_by_label("Ticket").fill(ticket)
        self.page.get_by_role("button", name=f"{word.title()}…").click()
        self.page.get_by_role("button", name="Sign the").click()
        self.page.wait_for_url(re.compile(r"/APR-\w+$"))

    def faults(self) -> list[str]:
        """Return what axe finds on the page that is serious."""
        self.page.evaluate(need(AXE).read_text())
        found = self.page.evaluate("axe.run()")
        return [
            f"{v['id']}: {v['help']}: {[n['html'] for n in v['nodes']][:3]}"
            for v in found["violations"]
            if v["impact"] in _SERIOUS
        ]

    def shot(self, path: Path) -> None:
        """Take a picture of the page."""
        self.page.screenshot(path=str(path), full_page=True)
