"""The page of a difference in real Chromium, with no network and by the keyboard."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.rig.browser import AXE, CHROMIUM, chromium
from tests.unit.artifacts.diff.making import files, safetensors

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="NOT TESTED, no chromium here: run scripts/prerequisites.sh chromium"
)
HOSTILE = '<img src="http://127.0.0.1:9/x" onerror="document.title=1"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of many kinds of changes, as the command writes it."""
    root = tmp_path_factory.mktemp("diff")
    weights = np.arange(6, dtype=np.float32)
    tool = {"name": "read", "description": "Reads a file.", "inputSchema": {"type": "object"}}
    evil = {**tool, "description": f"Reads a file. {HOSTILE}"}
    old: dict[str, Any] = {
        "SKILL.md": "# Mail\n\nAsk before you send.\n",
        "model.safetensors": safetensors({"w": weights}),
        "tools.json": json.dumps({"tools": [tool]}),
        "rows.csv": "id,x\n1,a\n2,b\n",
        "graph.h5": b"\0\1",
    }
    new: dict[str, Any] = {
        "SKILL.md": f"# Mail\n\nNever ask before you send. \u202e {HOSTILE}\n",
        "model.safetensors": safetensors({"w": weights + 1}),
        "tools.json": json.dumps({"tools": [evil]}),
        "rows.csv": "id,x\n1,a\n2," + HOSTILE.replace('"', "") + "\n",
        "graph.h5": b"\0\2",
        HOSTILE.replace("/", "_"): "1",
    }
    out = root / "out.html"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from remit.cli.main import main; main()",
            "diff",
            str(files(root / "a", old)),
            str(files(root / "b", new)),
            "--html",
            str(out),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "not looked into" in done.stdout
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_network_and_says_what_changed(
    browser: Browser, written: Path, scheme: Any
) -> None:
    context = browser.new_context(
        offline=True, color_scheme=scheme, viewport={"width": 400, "height": 800}
    )
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(written.as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == "What changed"
    assert page.locator("del", has_text="Ask").count() == 1
    assert page.locator("ins", has_text="Never").count() >= 1
    assert page.get_by_text("graph.h5").count() >= 1
    assert page.get_by_text("6 of 6 values changed").count() == 1
    assert "\\u{202e}" in page.locator("main").inner_text()
    assert page.title().startswith("Difference: ")
    assert page.locator("script, img, iframe, link, form").count() == 0
    page.locator("summary").first.click()
    assert page.locator("details[open]").count() == 1
    assert asked == [written.as_uri()]
    assert problems == []
    # Nothing is wider than a small screen but what scrolls for itself.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_the_page_is_accessible(browser: Browser, written: Path) -> None:
    if not AXE.exists():
        pytest.skip("NOT TESTED, no axe here: run make rig")
    for scheme in ("light", "dark"):
        # The page's own policy forbids scripts, the checker's too.
        context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(written.as_uri())
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run()")
        faults = [
            f"{v['id']}: {[n['html'] for n in v['nodes']][:3]}"
            for v in found["violations"]
            if v["impact"] in {"serious", "critical", "moderate"}
        ]
        assert faults == []
        context.close()
