"""The pages of a Hub: people at a real browser, raw requests, and artifacts to be looked at."""

import html
import http.client
import pickle
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page

from tests.rig.browser import AXE
from tests.rig.hub_users import User
from tests.rig.programs import need
from tests.rig.registries import Registry
from tests.rig.web import Answer

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
SCANNED_S = 90.0
HOSTILE = "<img src=x onerror=alert(1)>\u202ecod.exe\u200b{{7*7}}"
"""A text that acts where it is not shown as text."""


class Person:
    """Somebody at a browser of their own.

    Attributes:
        page: what they look at.
        problems: errors of the console and of scripts, which a content security policy causes.
        dialogs: what scripts said; a page of ours says nothing so.
    """

    def __init__(self, browser: Browser, registry: Registry, **context: Any) -> None:
        self.registry = registry
        self.context: BrowserContext = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.problems: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        # A page that says no is one that Chromium reports; what it says is looked at elsewhere.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, path: str) -> None:
        """Load a page."""
        self.page.goto(f"{self.registry.url}{path}")

    def login(self, to: str = "/") -> "Person":
        """Log in as the registry's user."""
        self.open(to)
        self.page.get_by_label("Account").fill(self.registry.user)
        self.page.get_by_label("Password").fill(self.registry.password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("button", name="Log out").first.wait_for()
        return self

    @property
    def text(self) -> str:
        """What the page says."""
        return self.page.locator("main").inner_text()

    def faults(self) -> list[str]:
        """What axe finds on the page, however slight; and whether it is wider than the window."""
        self.page.evaluate(need(AXE).read_text())
        found = self.page.evaluate("axe.run()")
        faults = [
            f"{v['id']}: {v['help']}: {[n['html'] for n in v['nodes']][:3]}"
            for v in found["violations"]
        ]
        if self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append("it is wider than the window")
        return faults


class Raw:
    """A browser as a stranger would write it; `cookies` are what it keeps."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def send(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | bytes | None = None,
        **headers: str | None,
    ) -> Answer:
        """Send one request; `None` takes a header out, underscores are hyphens."""
        host, _, port = self.registry.host.partition(":")
        usual: dict[str, str | None] = {"Host": self.registry.host}
        if self.cookies:
            usual["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None
        if method == "POST":
            usual |= {
                "Origin": self.registry.url,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            given = {k: v for k, v in usual.items() if v is not None}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            self.set_cookies = response.headers.get_all("set-cookie") or []
            for line in self.set_cookies:
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return Answer(response)
        finally:
            connection.close()

    def get(self, path: str, **headers: str | None) -> Answer:
        """Load a page."""
        return self.send("GET", path, **headers)

    def post(self, path: str, form: Mapping[str, str] | bytes, **headers: str | None) -> Answer:
        """Post a form."""
        return self.send("POST", path, form, **headers)

    def login(self, user: str = "", password: str = "") -> Answer:
        """Log in."""
        form = fields_of(self.get("/ui/login"))
        return self.post(
            "/ui/login",
            {
                **form,
                "name": user or self.registry.user,
                "password": password or self.registry.password,
            },
        )


def fields_of(answer: Answer) -> dict[str, str]:
    """Hidden fields of the forms of a page."""
    return {name: html.unescape(value) for name, value in _HIDDEN.findall(answer.body.decode())}


class _Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("id",)


def kit(place: Path, files: Mapping[str, bytes], kitfile: str) -> Path:
    """A directory to be packed."""
    place.mkdir(parents=True)
    for name, data in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (place / "Kitfile").write_text(f"manifestVersion: '1.0'\n{kitfile}")
    return place


def package(name: str, version: str, more: str, licence: str = "Apache-2.0") -> str:
    """A Kitfile."""
    licensed = f"  license: {licence}\n" if licence else ""
    return f"package:\n  name: {name}\n  version: {version}\n{licensed}{more}"


def publish_all(user: User, registry: Registry, place: Path, *, odd: bool = True) -> dict[str, str]:
    """Push harmless artifacts and one that is not: their digests by name.

    ``calm`` is clean and has the earlier version ``calm-old``; ``evil`` calls a program when it is
    loaded, which nobody does; ``odd`` says hostile things about itself.
    """
    told = "  description: Answers questions about the weather\n"
    docs = "docs:\n- path: README.md\n"
    digests: dict[str, str] = {}

    def push(key: str, reference: str, directory: Path) -> None:
        digests[key] = user.publish(directory, f"{registry.host}/{reference}")

    old = kit(
        place / "calm-old",
        {"README.md": b"# Weather\n\nIt answers in Celsius.\n"},
        package("weather", "1.0.0", told + docs),
    )
    new = kit(
        place / "calm",
        {"README.md": b"# Weather\n\nIt answers in Celsius, or in Kelvin.\n"},
        package("weather", "1.1.0", told + docs),
    )
    evil = kit(
        place / "evil",
        {"weights.pkl": pickle.dumps(_Evil())},
        package("speech", "0.3.0", "model:\n  name: speech\n  path: weights.pkl\n", "MIT"),
    )
    quoted = HOSTILE.replace('"', "'")
    strange = kit(
        place / "odd",
        {
            "README.md": b"# Odd\n",
            f"{HOSTILE.replace('/', '_')}.md": b"# <script>alert(2)</script>\n",
        },
        package("odd", "1", f'  description: "{quoted}"\ndocs:\n- path: .\n', f'"{quoted}"'),
    )
    push("calm-old", "weather/answers:v1.0.0", old)
    push("calm", "weather/answers:v1.1.0", new)
    push("evil", "speech/model:v0.3.0", evil)
    if odd:
        push("odd", "odd/thing:v1", strange)
    return digests


def wait_until_decided(person: Person) -> None:
    """Look at the queue until it is empty, and until what ended was decided on."""
    until = time.monotonic() + SCANNED_S
    while True:
        person.open("/ui/queue")
        queue = person.text
        person.open("/ui/artifacts?state=quarantined")
        if "Nothing waits to be scanned" in queue and "Nothing fits" in person.text:
            return
        assert time.monotonic() < until, queue + person.text
        time.sleep(0.5)


def publish_for_review(user: User, registry: Registry, place: Path) -> str:
    """Push a model without a licence, which the policy leaves to people; its digest."""
    empty = (8).to_bytes(8, "little") + b"{}      "
    files = {"model.safetensors": empty, "README.md": b"# Rain\n"}
    parts = "model:\n  name: rain\n  path: model.safetensors\ndocs:\n- path: README.md\n"
    directory = kit(place, files, package("rain", "1.0.0", parts, ""))
    return user.publish(directory, f"{registry.host}/models/rain:v1")
