"""The inbox in real Chromium with a virtual authenticator, before a real Guard and server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.rig.browser import Reader, chromium
from tests.rig.people import Treasury


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
