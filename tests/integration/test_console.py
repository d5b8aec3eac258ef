"""The Hub's console in real Chromium, over a real Hub with its gate, filled by real pushes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from remit.audit.log import read
from tests.rig.browser import CHROMIUM, chromium
from tests.rig.console import Person, publish_all, wait_until_decided
from tests.rig.daemon import wait_until
from tests.rig.hub_users import User
from tests.rig.registries import Registry, hub, person

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
)
TABS = ("", "/files", "/findings", "/evidence", "/materials", "/changes", "/graph", "/history")


@dataclass(frozen=True)
class Stage:
    """A Hub with artifacts.

    Attributes:
        registry: as its administrator sees it.
        reader, curator: others who have an account; the reader sees `weather/*` alone.
        digests: of what was pushed, by name.
        browser: for everybody.
    """

    registry: Registry
    reader: Registry
    curator: Registry
    digests: dict[str, str]
    browser: Browser

    def admin(self, **context: Any) -> Person:
        """The administrator, logged in."""
        return Person(self.browser, self.registry, **context).login()

    def place(self, name: str) -> str:
        """The path of an artifact's page."""
        repository = {"evil": "speech/model", "odd": "odd/thing"}.get(name, "weather/answers")
        return f"/ui/artifacts/{repository}@{self.digests[name]}"

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Records of the Hub's log."""
        (log,) = [each for each in (self.registry.state / "audit").iterdir() if each.is_dir()]
        return [entry.record for entry in read(log) if entry.record["kind"] == kind]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One Hub for all tests that only look."""
    place: Path = tmp_path_factory.mktemp("console")
    with hub(place, gate=True) as registry, chromium() as browser:
        user = User(place / "ann")
        user.login(registry)
        digests = publish_all(user, registry, place / "kits")
        reader = person(registry, "rea", "reader", "weather/*")
        curator = person(registry, "cur", "curator", "**")
        found = Stage(registry, reader, curator, digests, browser)
        wait_until_decided(found.admin())
        yield found


def test_a_stranger_sees_the_login_and_nothing_else(stage: Stage) -> None:
    stranger = Person(stage.browser, stage.registry)
    for path in (
        "/",
        "/ui",
        "/ui/",
        "/ui/queue",
        "/ui/quarantine",
        "/ui/account",
        stage.place("calm"),
    ):
        stranger.open(path)
        assert stranger.page.url.startswith(f"{stage.registry.url}/ui/login"), path
        assert stranger.page.get_by_role("navigation").count() == 0
        assert "weather" not in stranger.text
    # After logging in they are where they wanted to be.
    stranger.login(stage.place("calm"))
    assert stranger.page.url.endswith(stage.place("calm"))
    assert not stranger.problems


def test_logging_in_and_out_are_records(stage: Stage) -> None:
    before = len(stage.records("console.login"))
    left = len(stage.records("console.logout"))
    admin = stage.admin()
    admin.open("/ui/account")
    assert "**" in admin.text
    admin.page.get_by_role("button", name="Log out here").click()
    admin.page.get_by_role("heading", name="Log in").wait_for()
    admin.open("/ui/queue")
    assert "/ui/login" in admin.page.url
    # What is only noted is on disk a moment after the answer; records keep their order.
    wait_until(lambda: len(stage.records("console.logout")) > left)
    records = stage.records("console.login")
    assert len(records) == before + 1
    assert records[-1]["actor"] == {"user": "admin", "peer": "127.0.0.1"}
    assert records[-1]["how"] == "password"
    assert stage.records("console.logout")[-1]["actor"]["user"] == "admin"
    assert not admin.problems


def test_a_wrong_password_is_told_and_recorded(stage: Stage) -> None:
    stranger = Person(stage.browser, stage.registry)
    stranger.open("/ui/login")
    stranger.page.get_by_label("Account").fill("nobody-here")
    stranger.page.get_by_label("Password").fill("wrong")
    stranger.page.get_by_role("button", name="Log in").click()
    stranger.page.get_by_role("alert").wait_for()
    assert "the user name or the password is wrong" in stranger.text
    assert stranger.page.get_by_label("Account").input_value() == "nobody-here"
    wait_until(
        lambda: "nobody-here" in [each["actor"]["user"] for each in stage.records("console.refuse")]
    )


def test_searching(stage: Stage) -> None:
    admin = stage.admin()
    page = admin.page
    links = page.locator("tbody th a")
    assert links.count() >= 4
    page.get_by_label("Search").fill("weather v1.0.0")
    page.get_by_role("button", name="Search").click()
    assert links.all_inner_texts() == ["weather/answers:v1.0.0"]
    page.get_by_label("Search").fill("")
    page.get_by_label("State").select_option("refused")
    page.get_by_role("button", name="Search").click()
    assert links.all_inner_texts() == ["speech/model:v0.3.0"]
    page.get_by_label("Kind").select_option("dataset")
    page.get_by_role("button", name="Search").click()
    assert "Nothing fits" in admin.text
    admin.open("/ui/artifacts?kind=nothing")
    assert "no such kind" in admin.text
    admin.open("/ui/artifacts?cursor=%00")
    assert "That was not done" in admin.text
    assert not admin.problems


def test_an_artifact_that_is_admitted(stage: Stage) -> None:
    admin = stage.admin()
    page = admin.page
    page.get_by_role("link", name="weather/answers:v1.1.0").click()
    assert page.get_by_role("heading", level=1).inner_text() == "weather/answers:v1.1.0"
    head = page.locator(".head").inner_text()
    assert "admitted" in head
    assert "Apache-2.0" in head
    page.get_by_text("Show it as JSON").click()
    raw = page.locator("pre").inner_text()
    assert json.loads(raw)["config"]["mediaType"].startswith("application/vnd.kitops")
    page.get_by_role("link", name="Files", exact=True).click()
    assert "README.md" in admin.text
    page.get_by_role("link", name="Changes").click()
    page.locator("ins").first.wait_for()
    assert "+ It answers in Celsius, or in Kelvin." in page.locator("ins").last.inner_text()
    page.get_by_role("link", name="weather/answers:v1.0.0").click()
    page.get_by_role("link", name="Changes").click()
    assert "the first of its kind" in admin.text
    page.get_by_role("link", name="History").click()
    kinds = page.locator("tbody td code").all_inner_texts()
    assert {"registry.push", "scan.done", "artifact.admit", "registry.pull"} <= set(kinds)
    shown = {"digest": stage.digests["calm"], "what": "console"}.items()
    wait_until(
        lambda: any(shown <= r["artifact"].items() for r in stage.records("registry.pull")),
        "no record of what was shown",
    )
    assert not admin.problems


def test_an_artifact_that_is_refused(stage: Stage) -> None:
    admin = stage.admin()
    admin.open(f"{stage.place('evil')}/findings")
    assert "refused" in admin.page.locator(".head").inner_text()
    critical = admin.page.locator("section", has=admin.page.locator("#s-critical"))
    assert "posix.system" in critical.inner_text()
    assert "weights.pkl" in critical.inner_text()
    assert not admin.problems


def test_a_reader_sees_what_the_registry_lets_them_see(stage: Stage) -> None:
    rea = Person(stage.browser, stage.reader).login()
    assert set(rea.page.locator("tbody th a").all_inner_texts()) == {
        "weather/answers:v1.1.0",
        "weather/answers:v1.0.0",
    }
    assert rea.page.get_by_role("link", name="Quarantine").count() == 0
    for tab in TABS:
        rea.open(f"{stage.place('evil')}{tab}")
        assert "no such artifact" in rea.text, tab
        assert "speech" not in rea.text
    rea.open("/ui/queue")
    assert "speech" not in rea.text
    assert "weather" in rea.text
    rea.open(f"{stage.place('calm')}/history")
    assert "registry.push" in rea.text
    assert "registry.pull" not in rea.text
    assert "127.0.0.1" not in rea.text
    rea.open(f"{stage.place('calm')}/decide")
    assert "you decide on nothing here" in rea.text


def test_content_in_quarantine_is_for_curators(stage: Stage, tmp_path: Path) -> None:
    """Whoever may pull sees why, and not what is in it."""
    seer = person(stage.registry, "see", "reader", "speech/*")
    see = Person(stage.browser, seer).login()
    see.open(stage.place("evil"))
    assert "shown to curators" in see.text
    assert see.page.locator("pre").count() == 0
    see.open(f"{stage.place('evil')}/files")
    assert "weights.pkl" not in see.page.locator(".table").all_inner_texts()
    assert "shown to curators" in see.text
    see.open(f"{stage.place('evil')}/findings")
    assert "posix.system" in see.text
    cur = Person(stage.browser, stage.curator).login()
    cur.open(stage.place("evil"))
    assert cur.page.locator("pre").count() == 1
    shown = wait_until(
        lambda: [r for r in stage.records("registry.pull") if r["actor"]["user"] == "cur"]
    )
    assert shown[-1]["quarantined"] is True


def test_what_artifacts_say_is_text(stage: Stage) -> None:
    """Names, annotations, licences and findings of an artifact are shown and never act."""
    admin = stage.admin()
    for tab in TABS:
        admin.open(f"{stage.place('odd')}{tab}")
        admin.page.wait_for_timeout(100)
        assert admin.page.locator("main img, main script").count() == 0, tab
        source = admin.page.content()
        assert "\u202e" not in source
        assert "\u200b" not in source
    admin.open(stage.place("odd"))
    shown = admin.page.locator("main").inner_text()
    assert "<img src=x onerror=alert(1)>\\u{202e}cod.exe\\u{200b}{{7*7}}" in shown
    admin.open(f"{stage.place('odd')}/files")
    assert "\\u{202e}" in admin.text
    for query in ('"><script>alert(3)</script>', "{{7*7}}", "%00", "\u202e"):
        admin.page.goto(f"{stage.registry.url}/ui/artifacts")
        admin.page.get_by_label("Search").fill(query)
        admin.page.get_by_role("button", name="Search").click()
        assert admin.page.locator("main script").count() == 0
    assert admin.dialogs == []
    assert not admin.problems


@pytest.mark.timeout(400)
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
def test_every_page_is_for_everybody(stage: Stage, context: dict[str, Any]) -> None:
    """Axe finds nothing, nothing is wider than the window, the console is silent."""
    found: dict[str, list[str]] = {}
    stranger = Person(stage.browser, stage.registry, reduced_motion="reduce", **context)
    stranger.open("/ui/login")
    found["login"] = stranger.faults()
    stranger.open("/ui/nothing")
    found["error"] = stranger.faults()
    admin = stranger.login()
    for path in (
        "/ui/artifacts",
        "/ui/artifacts?q=nothing",
        "/ui/queue",
        "/ui/quarantine",
        "/ui/account",
    ):
        admin.open(path)
        found[path] = admin.faults()
    evil, odd = ("/files", "/findings"), ("", "/files")
    for name, tabs in (("calm", TABS), ("evil", evil), ("odd", odd)):
        for tab in tabs:
            admin.open(f"{stage.place(name)}{tab}")
            if name == "calm" and tab == "":
                admin.page.get_by_text("Show it as JSON").click()
            found[f"{name}{tab}"] = admin.faults()
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert not admin.problems


def test_with_nothing_but_a_keyboard(stage: Stage) -> None:
    """From the login to an artifact's findings; what has the focus can be seen."""
    person = Person(stage.browser, stage.registry)
    page = person.page
    press = page.keyboard.press

    def focus(name: str) -> None:
        shown = "document.activeElement.matches('body') ? '' : document.activeElement.innerText"
        for _ in range(60):
            if name == page.evaluate(shown).strip():
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                assert page.evaluate(outline) != "none", f"nobody sees that {name} has the focus"
                return
            press("Tab")
        raise AssertionError(f"{name} cannot be reached")

    person.open("/ui/login")
    page.wait_for_function("document.activeElement.id === 'name'")
    page.keyboard.type(stage.registry.user)
    press("Tab")
    page.keyboard.type(stage.registry.password)
    press("Enter")
    page.get_by_role("heading", name="Artifacts").wait_for()
    focus("Skip to content")
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    focus("speech/model:v0.3.0")
    press("Enter")
    page.get_by_role("heading", name="speech/model:v0.3.0").wait_for()
    focus("Findings")
    press("Enter")
    page.get_by_role("heading", name="Findings").wait_for()
    focus("Log out")
    press("Enter")
    page.get_by_role("heading", name="Log in").wait_for()
    assert not person.problems


def test_without_javascript(stage: Stage) -> None:
    """Everything is there without a script, and the queue loads itself again."""
    admin = stage.admin(java_script_enabled=False)
    admin.open("/ui/queue")
    assert "weather/answers" in admin.text
    assert admin.page.locator('meta[http-equiv="refresh"]').count() == 1
    admin.open("/ui/artifacts")
    admin.page.get_by_label("Search").fill("weather")
    admin.page.get_by_role("button", name="Search").click()
    admin.page.get_by_role("link", name="weather/answers:v1.1.0").click()
    for name in ("Files", "Findings", "Evidence", "Materials", "Changes", "Used by", "History"):
        admin.page.get_by_role("link", name=name, exact=True).click()
        assert admin.page.locator(".tabs [aria-current]").inner_text() == name
    admin.page.get_by_role("button", name="Log out").click()
    admin.page.get_by_role("heading", name="Log in").wait_for()


def test_the_queue_keeps_itself_up_to_date(stage: Stage, tmp_path: Path) -> None:
    """A scan appears on a page that nobody loads again, and the focus stays where it was."""
    from tests.rig.console import kit, package

    admin = stage.admin()
    admin.open("/ui/queue")
    first = admin.page.locator("tbody a").first
    name = first.inner_text()
    first.focus()
    user = User(tmp_path / "bob")
    user.login(stage.registry)
    made = kit(
        tmp_path / "late",
        {"README.md": b"# Late\n"},
        package("late", "1", "docs:\n- path: README.md\n"),
    )
    user.publish(made, f"{stage.registry.host}/late/comer:v1")
    admin.page.get_by_role("link", name="late/comer:v1").first.wait_for(timeout=30_000)
    focused = admin.page.evaluate("document.activeElement.innerText")
    assert focused == name
    assert re.search(r"htmx", admin.page.content())
    assert not admin.problems


def test_a_page_whose_visit_ended_leads_to_the_login(stage: Stage) -> None:
    """The queue that asks by itself keeps no visit alive, and shows nothing after it."""
    admin = stage.admin()
    admin.open("/ui/queue")
    admin.context.clear_cookies()
    admin.page.get_by_role("heading", name="Log in").wait_for()
    assert "weather" not in admin.page.content()
    assert not admin.problems
