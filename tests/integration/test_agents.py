"""Real agents, first on a bare server and then under Guard.

The bare runs are the measure: the same script of the same model does write the file there.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rig.agents import CLAUDE, CODEX, COPILOT, GEMINI, OPENCODE, Client, governed, http_files
from tests.rig.programs import filesystem_server, make_folder

AGENTS = [
    pytest.param(CLAUDE, id="claude-code"),
    pytest.param(CODEX, id="codex"),
    pytest.param(COPILOT, id="copilot", marks=pytest.mark.slow),
    pytest.param(GEMINI, id="gemini", marks=pytest.mark.slow),
    pytest.param(OPENCODE, id="opencode", marks=pytest.mark.slow),
]
SCRIPTED = "All done."


def can_trace() -> bool:
    """Whether this machine lets one process watch another."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    command = [strace, "-f", "-e", "trace=none", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("client", AGENTS)
def test_bare(tmp_path: Path, client: Client) -> None:
    """Without Guard the agent reads the notes and overwrites the hidden file."""
    inside = make_folder(tmp_path / "work")
    read, write = client.tool("fs", "read_text_file"), client.tool("fs", "write_file")
    script = [
        (read, {"path": str(inside / "notes.txt")}),
        (write, {"path": str(inside / ".profile"), "content": "echo pwned\n"}),
    ]
    with client.model(script) as model:
        run = client.run(model, {"fs": filesystem_server(inside)}, tmp_path / "agent", work=inside)
    assert run.code == 0, run
    assert SCRIPTED in run.stdout
    assert {read, write} <= set(model.offered)
    assert model.called == [read, write], (model.shown, model.unknown)
    assert "the notes" in model.shown[0]
    assert (inside / ".profile").read_text() == "echo pwned\n"


@pytest.mark.slow
@pytest.mark.parametrize("client", AGENTS)
def test_bare_http(tmp_path: Path, client: Client) -> None:
    """So it does on a server that it is given as a URL and a key."""
    inside = make_folder(tmp_path / "work")
    read, write = client.tool("fs", "read_text_file"), client.tool("fs", "write_file")
    script = [
        (read, {"path": str(inside / "notes.txt")}),
        (write, {"path": str(inside / ".profile"), "content": "echo pwned\n"}),
    ]
    with http_files() as server, client.model(script) as model:
        run = client.run(model, {"fs": server}, tmp_path / "agent", work=inside)
    assert run.code == 0, run
    assert model.called == [read, write], (model.shown, model.unknown)
    assert "the notes" in model.shown[0]
    assert (inside / ".profile").read_text() == "echo pwned\n"


@pytest.mark.parametrize("via", ["exec", "shim", "http"])
@pytest.mark.parametrize("client", AGENTS)
def test_governed(tmp_path: Path, client: Client, via: str) -> None:
    """Under Guard the agent reads the notes; the writing is refused and the model is told why."""
    inside = make_folder(tmp_path / "work")
    read, write = client.tool("fs", "read_text_file"), client.tool("fs", "write_file")
    script = [
        (read, {"path": str(inside / "notes.txt")}),
        (write, {"path": str(inside / ".profile"), "content": "echo pwned\n"}),
        (read, {"path": str(tmp_path / "work" / "outside" / ".." / ".." / "secret")}),
    ]
    command = filesystem_server(inside)
    with (
        governed(via, tmp_path, "fs", command, workspace=tmp_path / "work") as front,
        client.model(script) as model,
    ):
        run = client.run(model, {"fs": front.server}, tmp_path / "agent", work=inside)
    assert run.code == 0, run
    assert SCRIPTED in run.stdout
    assert {read, write} <= set(model.offered)
    assert client.tool("fs", "create_directory") not in model.offered
    assert model.called == [read, write, read], (model.shown, model.unknown)
    assert "the notes" in model.shown[0]
    assert "Denied by Remit" in model.shown[1]
    assert "fs-no-hidden-files" in model.shown[1]
    assert "Denied by Remit" in model.shown[2]
    assert "fs-inside-only" in model.shown[2]
    assert not (inside / ".profile").exists()
    expected = [
        ("fs/read_text_file", "allow"),
        ("fs/write_file", "deny"),
        ("fs/read_text_file", "deny"),
    ]
    # Codex ends with SIGKILL for the servers that it started, and a Guard that is one of them takes
    # along what it had to write within the next 50 ms. What has effects was written before that.
    front.decided(client.agent, *(expected[:2] if via == "exec" else expected))


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="LOUD: strace may not trace here, nothing was watched")
@pytest.mark.parametrize("client", AGENTS)
def test_reaches_nobody_else(tmp_path: Path, client: Client) -> None:
    """What the rig runs connects to its model and to nothing beyond this machine."""
    trace = tmp_path / "trace"
    watch = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    inside = make_folder(tmp_path / "work")
    read = client.tool("fs", "read_text_file")
    with client.model([(read, {"path": str(inside / "notes.txt")})]) as model:
        run = client.run(
            model, {"fs": filesystem_server(inside)}, tmp_path / "agent", work=inside, under=watch
        )
    assert run.code == 0, run
    assert model.called == [read]
    named = [line for line in trace.read_text().splitlines() if "sa_family=AF_INET" in line]
    assert named
    assert [line for line in named if '"127.0.0.1"' not in line and '"::1"' not in line] == []
