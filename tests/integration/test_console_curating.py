"""Curators at the console: what waits, the form, what a word does, and words that do nothing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from remit.audit.log import read
from tests.rig.browser import CHROMIUM, chromium
from tests.rig.console import (
    Person,
    Raw,
    fields_of,
    publish_all,
    publish_for_review,
    wait_until_decided,
)
from tests.rig.hub_users import User
from tests.rig.registries import Registry, hub, person

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
    ),
]


class Stage:
    """A Hub with a model that waits for people, pushed by `wri`, who also curates `own/*`."""

    def __init__(self, place: Path, registry: Registry, browser: Browser) -> None:
        self.registry, self.browser, self.place = registry, browser, place
        self.writer = person(registry, "wri", "curator", "**")
        self.curator = person(registry, "cur", "curator", "models/*")
        self.user = User(place / "wri")
        self.user.login(self.writer)
        self.digest = publish_for_review(self.user, registry, place / "rain")
        self.page = f"/ui/artifacts/models/rain@{self.digest}"
        wait_until_decided(Person(browser, registry).login())

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Records of the Hub's log about the model."""
        (log,) = [each for each in (self.registry.state / "audit").iterdir() if each.is_dir()]
        return [
            entry.record
            for entry in read(log)
            if entry.record["kind"] == kind and entry.record["artifact"]["digest"] == self.digest
        ]

    def becomes(self, who: Person, state: str) -> None:
        """Wait for a state on the model's page."""
        for _ in range(60):
            who.open(self.page)
            if state in who.page.locator(".head .badges").inner_text():
                return
            time.sleep(0.5)
        raise AssertionError(who.text)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A Hub of its own, because its artifact changes."""
    with hub(tmp_path, gate=True) as registry, chromium() as browser:
        yield Stage(tmp_path, registry, browser)


def test_a_curator_admits_and_takes_it_back(stage: Stage) -> None:
    cur = Person(stage.browser, stage.curator).login()
    page = cur.page
    page.get_by_role("link", name="Quarantine").click()
    assert page.locator(".cards li").count() == 1
    assert "no licence" in cur.text
    assert cur.faults() == []
    page.get_by_role("link", name="Decide on models/rain").click()
    shown = page.locator(".shown").inner_text()
    assert f'"digest": "{stage.digest}"' in shown
    assert "licence.none" in shown
    assert cur.faults() == []
    # Without a reason there is no decision.
    page.get_by_role("button", name="Admit").click()
    assert page.url.endswith("/decide")
    page.get_by_label("Reason").fill("It is ours; the licence follows.")
    page.get_by_label("Ticket").fill("ML-7")
    page.get_by_role("button", name="Admit").click()
    page.get_by_role("heading", name="models/rain:v1").wait_for()
    stage.becomes(cur, "admitted")
    assert "cur said admit" in cur.text
    assert "It is ours; the licence follows." in cur.text
    (said,) = stage.records("artifact.decide")
    assert said["actor"] == {"user": "cur", "peer": "127.0.0.1"}
    assert said["decision"]["effect"] == "admit"
    assert stage.records("artifact.admit")
    cur.open("/ui/quarantine")
    assert "Nothing waits for you" in cur.text
    # What is attached is verified with the Hub's own keys.
    cur.open(f"{stage.page}/evidence")
    badges = page.locator(".piece .badge").all_inner_texts()
    assert len(badges) > 10
    assert set(badges) == {"verified"}
    assert "vsa" in page.locator(".piece summary").first.inner_text()
    assert "PASSED" in page.locator(".piece summary").first.inner_text()
    assert cur.faults() == []
    cur.open(f"{stage.page}/materials")
    assert "model.safetensors" in cur.text
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download as CycloneDX JSON").click()
    assert b'"bomFormat":"CycloneDX"' in Path(taken.value.path()).read_bytes()
    # And back.
    cur.open(f"{stage.page}/decide")
    page.get_by_label("Reason").fill("It is not ours after all.")
    page.get_by_role("button", name="Refuse").click()
    stage.becomes(cur, "withdrawn")
    assert stage.records("artifact.withdraw")
    assert not cur.problems


def test_words_that_decide_nothing(stage: Stage) -> None:
    """A page of before, a form of another, somebody else's artifact, one's own: nothing changes."""
    page = f"{stage.page}/decide"
    cur = Raw(stage.curator)
    cur.login()
    form = fields_of(cur.get(page))
    assert set(form) == {"csrf", "mark"}
    good = {**form, "word": "admit", "reason": "because"}
    assert cur.post(page, good, Origin="http://evil.example").status == 403
    assert cur.post(page, {**good, "csrf": "x" * 43}).status == 403
    assert cur.post(page, {**good, "mark": "sha256:" + "0" * 64}).status == 409
    assert cur.post(page, {**good, "reason": "  "}).status == 400
    assert cur.post(page, {**good, "reason": "x" * 2001}).status == 400
    assert cur.post(page, {**good, "word": "shrug"}).status == 403
    assert cur.post(page, {k: v for k, v in good.items() if k != "word"}).status == 403
    assert cur.get(f"{page}?word=admit&reason=x&mark={form['mark']}").status == 200
    # Who pushed it cannot admit it, and is not offered to.
    wri = Raw(stage.writer)
    wri.login()
    mine = wri.get(page)
    assert b'value="admit"' not in mine.body
    assert b'value="refuse"' in mine.body
    theirs = {**fields_of(mine), "word": "admit", "reason": "trust me"}
    assert wri.post(page, theirs).status == 403
    # A reader decides nothing, and a stranger is asked who they are.
    rea = Raw(person(stage.registry, "rea", "reader", "**"))
    rea.login()
    csrf = fields_of(rea.get("/ui/artifacts"))
    assert rea.post(page, {**good, **csrf}).status == 403
    assert Raw(stage.registry).post(page, good).status == 403
    # A curator of other repositories sees nothing of it.
    oth = Raw(person(stage.registry, "oth", "curator", "other/*"))
    oth.login()
    assert oth.get(page).status == 404
    assert b"models/rain" not in oth.get("/ui/quarantine").body
    assert not stage.records("artifact.decide")
    # A decision counts for what was shown: once it is used, the page of before decides nothing.
    assert cur.post(page, good).status == 303
    stage.becomes(Person(stage.browser, stage.curator).login(), "admitted")
    assert cur.post(page, {**good, "word": "refuse"}).status == 409
    assert len(stage.records("artifact.decide")) == 1


def test_a_finding_that_the_policy_refuses_stays_refused(stage: Stage) -> None:
    """A word of a curator admits nothing that the policy does not leave to people."""
    digests = publish_all(stage.user, stage.registry, stage.place / "kits")
    admin = Person(stage.browser, stage.registry).login()
    wait_until_decided(admin)
    path = f"/ui/artifacts/speech/model@{digests['evil']}"
    admin.open(f"{path}/decide")
    assert "The policy refuses it" in admin.text
    admin.page.get_by_label("Reason").fill("it looks fine to me")
    admin.page.get_by_role("button", name="Admit").click()
    time.sleep(3)
    admin.open(path)
    assert "refused" in admin.page.locator(".head .badges").inner_text()
