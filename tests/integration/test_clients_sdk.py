"""The official Python SDK's client, in every mode it has: first on a bare server, then through the shim."""

from pathlib import Path

import pytest

from tests.rig.agents import governed
from tests.rig.programs import filesystem_server, git_server, make_folder, make_repository
from tests.rig.sdk import SdkClient
from tests.rig.wire import LEGACY, MODERN

AGENT = "sdk_agent"
"""What the client's process looks like: an interpreter that runs tests/rig/sdk_agent.py."""
FILES = [("legacy", LEGACY), ("auto", LEGACY)]
REPOSITORY = [("legacy", LEGACY), (MODERN, MODERN), ("auto", MODERN)]


def branches(client: SdkClient, repository: Path) -> str:
    """Ask the server which branches there are."""
    arguments = {"repo_path": str(repository), "branch_type": "local"}
    return str(client.call("git_branch", arguments)["text"])


@pytest.mark.parametrize(("mode", "version"), FILES)
def test_files_bare(tmp_path: Path, mode: str, version: str) -> None:
    """Without Guard the hidden file is written."""
    inside = make_folder(tmp_path / "work")
    hidden = inside / ".profile"
    with SdkClient(filesystem_server(inside), mode=mode) as client:
        assert client.version == version
        assert {"read_text_file", "write_file"} <= set(client.tools())
        assert "the notes" in client.call("read_text_file", {"path": f"{inside}/notes.txt"})["text"]
        outcome = client.call("write_file", {"path": str(hidden), "content": "echo pwned\n"})
    assert not outcome["result"].get("isError"), outcome
    assert hidden.read_text() == "echo pwned\n"


@pytest.mark.parametrize(("mode", "version"), FILES)
def test_files(tmp_path: Path, mode: str, version: str) -> None:
    """Through the shim the notes are read and the hidden file is not written."""
    inside = make_folder(tmp_path / "work")
    hidden = inside / ".profile"
    command = filesystem_server(inside)
    with governed("shim", tmp_path, "fs", command, workspace=tmp_path / "work") as front:
        with SdkClient(front.server, mode=mode) as client:
            assert client.version == version
            assert {"read_text_file", "write_file"} <= set(client.tools())
            read = client.call("read_text_file", {"path": f"{inside}/notes.txt"})
            written = client.call("write_file", {"path": str(hidden), "content": "echo pwned\n"})
        assert "the notes" in read["text"]
        assert written["result"]["isError"] is True
        assert "Denied by Remit" in written["text"]
        assert "fs-no-hidden-files" in written["text"]
        assert not hidden.exists()
        front.decided(AGENT, ("fs/read_text_file", "allow"), ("fs/write_file", "deny"))


@pytest.mark.parametrize(("mode", "version"), REPOSITORY)
def test_repository_bare(tmp_path: Path, mode: str, version: str) -> None:
    """Without Guard the branch is made and nobody is asked."""
    repository = make_repository(tmp_path / "work" / "repo")
    with SdkClient(git_server(repository), mode=mode) as client:
        assert client.version == version
        made = client.call(
            "git_create_branch", {"repo_path": str(repository), "branch_name": "mine"}
        )
        assert not made["result"].get("isError"), made
        assert made["asked"] == []
        assert "mine" in branches(client, repository)


@pytest.mark.parametrize(("mode", "version"), REPOSITORY)
def test_repository(tmp_path: Path, mode: str, version: str) -> None:
    """Through the shim the history is read, and without a person's yes there is no new branch."""
    repository = make_repository(tmp_path / "work" / "repo")
    command = git_server(repository)
    with governed("shim", tmp_path, "git", command, workspace=tmp_path / "work") as front:
        with SdkClient(front.server, mode=mode) as client:
            assert client.version == version
            assert {"git_log", "git_create_branch"} <= set(client.tools())
            history = client.call("git_log", {"repo_path": str(repository)})
            made = client.call(
                "git_create_branch", {"repo_path": str(repository), "branch_name": "mine"}
            )
            left = client.call("git_log", {"repo_path": str(tmp_path)})
            known = branches(client, repository)
        assert "add three" in history["text"]
        assert len(made["asked"]) == 1
        assert made["result"]["isError"] is True
        assert "Denied by Remit" in made["text"]
        assert "git-branches-need-a-person" in made["text"]
        assert "Denied by Remit" in left["text"]
        assert "git-inside-only" in left["text"]
        assert "mine" not in known
        front.decided(
            AGENT,
            ("git/git_log", "allow"),
            ("git/git_create_branch", "deny"),
            ("git/git_log", "deny"),
        )
