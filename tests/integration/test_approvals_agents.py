"""Real agents with scripted models whose calls wait for people."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rig.agents import CLAUDE, CODEX, OPENCODE, Client
from tests.rig.daemon import wait_until
from tests.rig.people import Person, Treasury

AGENTS = [pytest.param(CLAUDE, id="claude-code"), pytest.param(CODEX, id="codex")]


def decides(treasury: Treasury, person: Person, to: str, word: str, after_s: float = 0.0) -> str:
    """Wait for the request to pay somebody, and say a word on it."""

    def asked() -> str:
        for one in treasury.listed():
            if (
                one["state"] == "pending"
                and f'"to": "{to}"' in person.run("show", one["id"]).stdout
            ):
                return str(one["id"])
        return ""

    request = wait_until(asked, f"nobody was asked about {to}", 80)
    time.sleep(after_s)
    done = person.says(word, request, "--reason", f"{word} {to}")
    assert done.returncode == 0, done.stderr
    return str(request)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("client", AGENTS)
def test_approved_denied_and_too_late(tmp_path: Path, client: Client) -> None:
    """What is approved runs; what is refused, or nobody looked at, never reaches the server."""
    pay = client.tool("rec", "pay")
    script = [
        (pay, {"amount": 500, "to": "ALICE"}),
        (pay, {"amount": 500, "to": "BOB"}),
        (pay, {"amount": 66, "to": "CAROL"}),
    ]
    with Treasury(tmp_path) as treasury, client.model(script) as model:
        ann = treasury.person("ann")
        with ThreadPoolExecutor() as pool:
            words = [
                pool.submit(decides, treasury, ann, "ALICE", "approve"),
                pool.submit(decides, treasury, ann, "BOB", "deny"),
            ]
            run = client.run(
                model, {"rec": treasury.guard.shim("rec")}, tmp_path / "agent", timeout_s=200
            )
            assert [word.result(150) for word in words]
        assert run.code == 0, run
        assert model.called == [pay] * 3, (model.shown, model.unknown)
        assert "pay ran" in model.shown[0]
        assert "refused by ann: deny BOB" in model.shown[1]
        assert "expired" in model.shown[2]
        assert [treasury.ran(to) for to in ("ALICE", "BOB", "CAROL")] == [1, 0, 0]
        (request, *_) = treasury.records("approval.request")
        assert request["actor"]["agent"] == client.agent


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("client", "hold_s"),
    [
        pytest.param(CLAUDE, 4, id="claude-code"),
        # It gives up after 60 s; Guard knows that and answers before.
        pytest.param(OPENCODE, 600, id="opencode", marks=pytest.mark.slow),
    ],
)
def test_a_client_that_gives_up_is_told_before(tmp_path: Path, client: Client, hold_s: int) -> None:
    """The first call is answered as pending, the same call again succeeds."""
    pay = client.tool("rec", "pay")
    call = (pay, {"amount": 500, "to": "ALICE"})
    with (
        Treasury(tmp_path, "--hold-timeout", str(hold_s)) as treasury,
        client.model([call, call]) as model,
    ):
        ann = treasury.person("ann")
        with ThreadPoolExecutor() as pool:
            word = pool.submit(decides, treasury, ann, "ALICE", "approve", min(hold_s, 50) + 1)
            run = client.run(
                model, {"rec": treasury.guard.shim("rec")}, tmp_path / "agent", timeout_s=200
            )
            request = word.result(150)
        assert run.code == 0, run
        assert model.called == [pay, pay], (model.shown, model.unknown)
        assert "Not done yet" in model.shown[0]
        assert request in model.shown[0]
        assert "pay ran" in model.shown[1]
        assert treasury.ran("ALICE") == 1
