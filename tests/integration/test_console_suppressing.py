"""Answering for a finding at the console, revoking it, and forms that do nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.audit.log import read
from tests.integration.test_console_curating import Stage
from tests.rig.browser import CHROMIUM, chromium
from tests.rig.console import HOSTILE, Person, Raw, fields_of
from tests.rig.registries import hub, person

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
    ),
]
PLACE = "/ui/suppressions"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A Hub with a model that waits because it has no licence, pushed by `wri`."""
    with hub(tmp_path, gate=True) as registry, chromium() as browser:
        yield Stage(tmp_path, registry, browser)


def records(stage: Stage, kind: str) -> list[dict[str, Any]]:
    (log,) = [each for each in (stage.registry.state / "audit").iterdir() if each.is_dir()]
    return [entry.record for entry in read(log) if entry.record["kind"] == kind]


def test_a_curator_answers_for_a_finding_and_takes_it_back(stage: Stage) -> None:
    cur = Person(stage.browser, stage.curator).login()
    page = cur.page
    page.get_by_role("link", name="Suppressions").click()
    assert "Nobody answers for a finding" in cur.text
    assert cur.faults() == []
    cur.open(f"{stage.page}/findings")
    assert cur.faults() == []
    page.get_by_role("link", name="Answer for it of licence.none").click()
    assert page.get_by_label("Repositories").input_value() == "models/rain"
    assert cur.faults() == []
    # Without a reason nothing is made.
    page.get_by_role("button", name="Answer for it").click()
    assert "/new" in page.url
    page.get_by_label("Reason").fill(f"It is ours {HOSTILE}")
    page.get_by_label("Days").fill("7")
    page.get_by_role("button", name="Answer for it").click()
    page.get_by_role("heading", name="Suppressions").wait_for()
    assert "licence.none" in cur.text
    assert "<img src=x" in cur.text
    assert cur.faults() == []
    (said,) = records(stage, "suppression.add")
    assert said["actor"] == {"user": "cur", "peer": "127.0.0.1"}
    stage.becomes(cur, "admitted")
    cur.open(PLACE)
    page.get_by_role("button", name="Revoke licence.none in models/rain").click()
    page.get_by_text("revoked", exact=True).wait_for()
    assert page.get_by_role("button", name="Revoke").count() == 0
    assert cur.faults() == []
    assert len(records(stage, "suppression.revoke")) == 1
    stage.becomes(cur, "review")
    assert not cur.problems
    assert not cur.dialogs


def test_forms_that_do_nothing(stage: Stage) -> None:
    """A form of another page or person, what is no finding, and somebody else's suppression."""
    cur = Raw(stage.curator)
    cur.login()
    finding = {"fingerprint": "a" * 64, "rule": "licence.none", "repositories": "models/rain"}
    query = "&".join(f"{key}={value}" for key, value in finding.items())
    form = fields_of(cur.get(f"{PLACE}/new?{query}"))
    assert {key: form[key] for key in ("fingerprint", "rule")} == {
        "fingerprint": "a" * 64, "rule": "licence.none",
    }  # fmt: skip
    good = {**finding, "csrf": form["csrf"], "reason": "because", "days": "3"}
    new = f"{PLACE}/new"
    assert cur.post(new, good, Origin="http://evil.example").status == 403
    assert cur.post(new, {**good, "csrf": "x" * 43}).status == 403
    for changed in (
        {"reason": " "}, {"reason": "x" * 2001}, {"days": "0"}, {"days": "366"}, {"days": "-1"},
        {"days": "1e2"}, {"days": ""}, {"fingerprint": "a"}, {"fingerprint": ""}, {"rule": "\n"},
        {"repositories": ""}, {"repositories": "../x"},
    ):  # fmt: skip
        assert cur.post(new, {**good, **changed}).status == 400, changed
    for path in (new, f"{new}?fingerprint=x&rule=y", f"{new}?fingerprint={'a' * 64}",
                 f"{PLACE}?after=x"):  # fmt: skip
        assert cur.get(path).status == 400, path
    # A reader, a stranger.
    rea = Raw(person(stage.registry, "rea", "reader", "**"))
    rea.login()
    csrf = fields_of(rea.get("/ui/artifacts"))["csrf"]
    assert b"/ui/suppressions" not in rea.get("/ui/artifacts").body
    assert rea.get(PLACE).status == 403
    assert rea.get(f"{new}?{query}").status == 403
    assert rea.post(new, {**good, "csrf": csrf}).status == 403
    assert Raw(stage.registry).get(PLACE).status == 303
    assert Raw(stage.registry).post(new, good).status == 403
    assert not records(stage, "suppression.add")
    # Somebody else's is revoked by its maker, and by an administrator of everything.
    assert cur.post(new, good).status == 303
    (made,) = records(stage, "suppression.add")
    end = f"{PLACE}/{made['suppression']['id']}/revoke"
    oth = Raw(person(stage.registry, "oth", "curator", "other/*"))
    oth.login()
    theirs = oth.get(PLACE)
    assert end.encode() not in theirs.body
    assert oth.post(end, {"csrf": fields_of(theirs)["csrf"]}).status == 403
    assert cur.get(end).status == 404
    assert cur.post(end, {"csrf": "x" * 43}).status == 403
    assert cur.post(f"{PLACE}/{'0' * 26}/revoke", {"csrf": form["csrf"]}).status == 404
    admin = Raw(stage.registry)
    admin.login()
    mine = {"csrf": fields_of(admin.get(PLACE))["csrf"]}
    assert admin.post(end, mine).status == 303
    assert admin.post(end, mine).status == 409
    assert cur.post(end, {"csrf": form["csrf"]}).status == 409
    assert len(records(stage, "suppression.revoke")) == 1
