"""Real agents whose calls a person approves in a real browser with a passkey."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rig.agents import CLAUDE, CODEX, Client
from tests.rig.browser import CHROMIUM, Reader, chromium
from tests.rig.people import Treasury

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
)
AGENTS = [pytest.param(CLAUDE, id="claude-code"), pytest.param(CODEX, id="codex")]


@pytest.mark.slow
@pytest.mark.parametrize("client", AGENTS)
def test_approved_and_denied_in_a_browser(tmp_path: Path, client: Client) -> None:
    """The inbox shows the call while the agent waits; the agent goes on with what a person said."""
    pay = client.tool("rec", "pay")
    script = [(pay, {"amount": 500, "to": "ALICE"}), (pay, {"amount": 900, "to": "BOB"})]
    with (
        Treasury(tmp_path, http="127.0.0.1:0") as treasury,
        client.model(script) as model,
        chromium() as browser,
        ThreadPoolExecutor() as pool,
    ):
        ann = Reader(browser, treasury.guard, "ann").enrol(treasury.invites("ann"))
        servers = {"rec": treasury.guard.shim("rec")}
        run = pool.submit(client.run, model, servers, tmp_path / "agent")
        for word, to in (("approve", "ALICE"), ("deny", "BOB")):
            # Nobody loads the page again: the list shows what comes.
            ann.page.goto(ann.base)
            link = ann.page.get_by_role("link", name="rec/pay")
            link.wait_for(timeout=60_000)
            request = str(link.get_attribute("id"))
            ann.open(request)
            assert f'"to": "{to}"' in ann.page.locator(".shown").inner_text()
            assert f"Agent:     {client.agent}" in ann.page.locator(".shown").inner_text()
            ann.says(word, request, f"{word} {to}")
        done = run.result(90)
        assert done.code == 0, done
        assert model.called == [pay] * 2, (model.shown, model.unknown)
        assert "pay ran" in model.shown[0]
        assert "refused by ann: deny BOB" in model.shown[1]
        assert [treasury.ran(to) for to in ("ALICE", "BOB")] == [1, 0]
        assert not ann.problems
