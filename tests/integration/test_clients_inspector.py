"""The MCP Inspector's command line, first on bare servers and then under Guard."""

import json
from pathlib import Path

import pytest

from tests.rig.agents import Url, governed, http_files, inspect
from tests.rig.programs import filesystem_server, git_server, make_folder, make_repository

pytestmark = pytest.mark.slow
AGENT = "mcp-inspector"
TOOL_IS_ERROR = 5
# The Inspector says that it can ask a person, and on the command line nobody answers: what needs a
# confirmation ends when the client gives up after a minute. So these tests have none.
BRANCH = "git_create_branch"


def text_of(stdout: str) -> str:
    """Return the text of the one result on stdout."""
    result = json.loads(stdout)["result"]
    return "\n".join(part.get("text", "") for part in result["content"])


def test_files_bare(tmp_path: Path) -> None:
    """Without Guard the hidden file is written."""
    inside = make_folder(tmp_path / "work")
    hidden = inside / ".profile"
    run = inspect(
        filesystem_server(inside),
        "tools/call",
        tmp_path / "client",
        tool="write_file",
        arguments={"path": str(hidden), "content": "echo pwned\n"},
    )
    assert run.code == 0, run
    assert hidden.read_text() == "echo pwned\n"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_bare_http(tmp_path: Path, era: str) -> None:
    """So it is on a server with a URL and a key, and without the key it is not."""
    hidden = make_folder(tmp_path / "work") / ".profile"
    call = {"path": str(hidden), "content": "echo pwned\n"}
    home = tmp_path / "client"
    with http_files() as server:
        keyless = Url(server.url)
        run = inspect(keyless, "tools/call", home, tool="write_file", arguments=call, era=era)
        assert run.code != 0, run
        assert not hidden.exists()
        run = inspect(server, "tools/call", home, tool="write_file", arguments=call, era=era)
        assert run.code == 0, run
    assert hidden.read_text() == "echo pwned\n"


def repositories(directory: Path) -> tuple[list[str], Path, Path]:
    """Make a server's repository with two inside it; only the first of the two is the workspace."""
    whole = make_repository(directory / "whole")
    inner = make_repository(whole / "work" / "repo")
    return git_server(whole), inner, make_repository(whole / "elsewhere")


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_repository_bare(tmp_path: Path, era: str) -> None:
    """Without Guard the branch is made in a repository that is nobody's business."""
    command, _, elsewhere = repositories(tmp_path)
    branch = {"repo_path": str(elsewhere), "branch_name": "mine"}
    run = inspect(
        command, "tools/call", tmp_path / "client", tool=BRANCH, arguments=branch, era=era
    )
    assert run.code == 0, run
    assert (elsewhere / ".git" / "refs" / "heads" / "mine").exists()


@pytest.mark.parametrize("via", ["shim", "http"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_repository(tmp_path: Path, era: str, via: str) -> None:
    """Under Guard the history is read, and there is no branch outside the workspace."""
    command, inner, elsewhere = repositories(tmp_path)
    home = tmp_path / "client"
    workspace = tmp_path / "whole" / "work"
    with governed(via, tmp_path, "git", command, workspace=workspace) as front:
        where = {"repo_path": str(inner)}
        read = inspect(front.server, "tools/call", home, tool="git_log", arguments=where, era=era)
        assert read.code == 0, read
        assert "add three" in text_of(read.stdout)
        branch = {"repo_path": str(elsewhere), "branch_name": "mine"}
        made = inspect(front.server, "tools/call", home, tool=BRANCH, arguments=branch, era=era)
        assert made.code == TOOL_IS_ERROR, made
        assert "Denied by Remit" in text_of(made.stdout)
        assert "git-inside-only" in text_of(made.stdout)
        assert not (elsewhere / ".git" / "refs" / "heads" / "mine").exists()
        front.decided(AGENT, ("git/git_log", "allow"), (f"git/{BRANCH}", "deny"))


@pytest.mark.parametrize("via", ["shim", "http"])
@pytest.mark.parametrize("era", ["legacy", "auto"])
def test_files(tmp_path: Path, era: str, via: str) -> None:
    """Under Guard the notes are read and the hidden file is not written."""
    inside = make_folder(tmp_path / "work")
    hidden = inside / ".profile"
    home = tmp_path / "client"
    command = filesystem_server(inside)
    with governed(via, tmp_path, "fs", command, workspace=tmp_path / "work") as front:
        listed = inspect(front.server, "tools/list", home, era=era)
        assert listed.code == 0, listed
        names = {tool["name"] for tool in json.loads(listed.stdout)["result"]["tools"]}
        assert {"read_text_file", "write_file"} <= names
        assert "create_directory" not in names
        notes = {"path": str(inside / "notes.txt")}
        read = inspect(
            front.server, "tools/call", home, tool="read_text_file", arguments=notes, era=era
        )
        assert read.code == 0, read
        assert "the notes" in text_of(read.stdout)
        profile = {"path": str(hidden), "content": "echo pwned\n"}
        written = inspect(
            front.server, "tools/call", home, tool="write_file", arguments=profile, era=era
        )
        assert written.code == TOOL_IS_ERROR, written
        assert "Denied by Remit" in text_of(written.stdout)
        assert "fs-no-hidden-files" in text_of(written.stdout)
        assert not hidden.exists()
        front.decided(AGENT, ("fs/read_text_file", "allow"), ("fs/write_file", "deny"))
