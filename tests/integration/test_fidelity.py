"""A permitted call through Guard gives exactly what the bare server gives."""

from pathlib import Path
from typing import Any

import pytest

from tests.rig.governed import copy_bundle, exec_command
from tests.rig.programs import (
    everything_server,
    filesystem_server,
    git_server,
    make_database,
    make_folder,
    make_repository,
    sqlite_server,
)
from tests.rig.wire import LEGACY, MODERN, Wire

POLICY = """
@id("everything")
permit (principal, action in [Remit::Action::"tool.call", Remit::Action::"mcp", Remit::Action::"content"], resource)
unless { context.user == Remit::User::"nobody-at-all" };
"""


def bundle(directory: Path) -> Path:
    """Write a bundle that permits whatever is asked."""
    made = copy_bundle("real", directory, WORKSPACE=str(directory))
    for policy in (made / "tool").glob("*.cedar"):
        policy.unlink()
    (made / "facts.toml").unlink()
    (made / "tool" / "all.cedar").write_text(POLICY)
    return made


def strip(value: Any) -> Any:
    """Drop what Guard takes out on purpose: capabilities that it cannot police."""
    return {key: item for key, item in value.items() if key not in {"capabilities", "_meta"}}


def definitions(response: Any) -> dict[str, Any]:
    """Return the tools of a list by name."""
    return {tool["name"]: tool for tool in response["result"]["tools"]}


def compare(
    tmp_path: Path, server: str, command: list[str], era: str, requests: list[tuple[str, Any]]
) -> None:
    """Ask the bare and the governed server the same, and compare the answers."""
    modern = era == MODERN
    governed = exec_command(server, command, bundle(tmp_path), tmp_path / "state" / server)
    with Wire(command, cwd=tmp_path) as bare, Wire(governed, cwd=tmp_path) as guard:
        assert strip(guard.open(era)) == strip(bare.open(era))
        for method, params in requests:
            one = bare.request(method, params, modern=modern, deadline_s=30)
            two = guard.request(method, params, modern=modern, deadline_s=30)
            one.pop("id")
            two.pop("id")
            if method == "tools/list":
                # Guard answers lists of tools itself: the same definitions, in its own order.
                one, two = definitions(one), definitions(two)
            assert two == one, (method, params)
        assert not guard.garbage


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_git(tmp_path: Path, era: str) -> None:
    """mcp-server-git in both eras."""
    repository = str(make_repository(tmp_path / "repo"))
    calls = [
        ("git_log", {"repo_path": repository, "max_count": 2}),
        ("git_status", {"repo_path": repository}),
        ("git_show", {"repo_path": repository, "revision": "HEAD~1"}),
        ("git_show", {"repo_path": repository, "revision": "nothing"}),
        ("git_branch", {"repo_path": repository, "branch_type": "all"}),
    ]
    requests = [("tools/list", {}), ("prompts/list", {}), ("resources/list", {})]
    requests += [("tools/call", {"name": name, "arguments": given}) for name, given in calls]
    compare(tmp_path, "git", git_server(Path(repository)), era, requests)


def test_everything(tmp_path: Path) -> None:
    """Images, annotations, structured content, links, resources and prompts of server-everything."""
    calls: list[tuple[str, Any]] = [
        ("echo", {"message": "h\u00e9llo \U0001f600 \u2028"}),
        ("get-sum", {"a": 0.1, "b": 12345678901}),
        ("get-tiny-image", {}),
        ("get-annotated-message", {"messageType": "debug", "includeImage": True}),
        ("get-structured-content", {"location": "New York"}),
        ("get-resource-links", {"count": 3}),
        ("get-resource-reference", {"resourceType": "Text", "resourceId": 1}),
    ]
    requests: list[tuple[str, Any]] = [
        ("tools/list", {}),
        ("prompts/list", {}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("prompts/get", {"name": "simple-prompt"}),
        ("prompts/get", {"name": "args-prompt", "arguments": {"city": "Rome"}}),
        ("resources/read", {"uri": "demo://resource/static/document/features.md"}),
        ("resources/read", {"uri": "demo://nothing"}),
    ]
    requests += [("tools/call", {"name": name, "arguments": given}) for name, given in calls]
    compare(tmp_path, "every", everything_server(), LEGACY, requests)


def test_filesystem(tmp_path: Path) -> None:
    """server-filesystem, errors too."""
    inside = make_folder(tmp_path / "files")
    paths = [inside / "notes.txt", inside / "nothing", inside, Path("/etc/passwd")]
    requests: list[tuple[str, Any]] = [("tools/list", {})]
    for name in ("read_text_file", "list_directory", "get_file_info", "directory_tree"):
        requests += [
            ("tools/call", {"name": name, "arguments": {"path": str(path)}}) for path in paths
        ]
    compare(tmp_path, "fs", filesystem_server(inside), LEGACY, requests)


def test_sqlite(tmp_path: Path) -> None:
    """mcp-server-sqlite, with SQL errors."""
    database = make_database(tmp_path / "a.db")
    requests: list[tuple[str, Any]] = [("tools/list", {}), ("prompts/list", {})]
    for query in ("SELECT * FROM users", "SELECT nothing", "SELECT 1.0, 1e100, NULL, 'x'"):
        requests.append(("tools/call", {"name": "read_query", "arguments": {"query": query}}))
    requests.append(("tools/call", {"name": "list_tables", "arguments": {}}))
    compare(tmp_path, "db", sqlite_server(database), LEGACY, requests)
