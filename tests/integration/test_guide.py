"""The getting-started guide does what it says: its commands are run, in order, in one directory."""

import os
import re
import subprocess
from pathlib import Path

from tests.rig.governed import REMIT, records
from tests.rig.programs import RIG, ROOT, git_server, make_repository
from tests.rig.sdk import SdkClient

GUIDE = ROOT / "docs" / "guide" / "getting-started.md"


def test_getting_started(tmp_path: Path) -> None:
    """Every `sh` block of the guide runs; the server is then governed as the guide says."""
    repository = make_repository(tmp_path / "repo")
    path = f"{ROOT}/.venv/bin:{RIG}/py-modern/bin:{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "HOME": str(tmp_path),
        "REMIT_STATE": str(tmp_path / "state"),
    }
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    said = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        said.append(done.stdout)
    assert any("one test says otherwise now" in text for text in said)

    assert git_server(repository)
    command = [REMIT, "mcp", "exec", "--config", str(tmp_path / "remit.toml"), "git"]
    with SdkClient(
        ["/usr/bin/env", f"PATH={path}", f"REMIT_STATE={tmp_path / 'state'}", *command]
    ) as client:
        tools = client.tools()
        assert {"git_log", "git_commit"} <= set(tools)
        assert "git_add" not in tools
        assert "add three" in client.call("git_log", {"repo_path": str(repository)})["text"]
        (repository / "one.txt").write_text("changed\n")
        subprocess.run(["git", "add", "one.txt"], cwd=repository, check=True)
        commit = {"repo_path": str(repository), "message": "By an agent"}
        client.answer_with({"action": "decline"})
        outcome = client.call("git_commit", commit)
        assert len(outcome["asked"]) == 1
        assert "A person confirms commits" in outcome["asked"][0]["message"]
        assert "By an agent" not in client.call("git_log", {"repo_path": str(repository)})["text"]
    assert any(record["kind"] == "tool.decision" for record in records(tmp_path / "state"))
