"""Real MCP servers under Guard, called by the official SDK client in both protocol eras."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.governed import copy_bundle, exec_command, records, remit
from tests.rig.programs import (
    count_rows,
    everything_server,
    filesystem_server,
    git_server,
    make_database,
    make_folder,
    make_repository,
    sqlite_server,
)
from tests.rig.sdk import SdkClient
from tests.rig.wire import LEGACY, MODERN


class World:
    """A workspace with a repository, a database and a folder, and a bundle that knows it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = make_repository(directory / "work" / "repo")
        self.database = make_database(directory / "work" / "data.db")
        self.folder = make_folder(directory / "work" / "files")
        self.outside = make_repository(directory / "elsewhere")
        self.state = directory / "state"
        self.bundle = copy_bundle("real", directory, WORKSPACE=str(directory / "work"))

    def client(self, server: str, mode: str = "auto", **options: object) -> SdkClient:
        """Connect the SDK client to a governed server."""
        command = {
            "git": lambda: git_server(self.repository),
            "db": lambda: sqlite_server(self.database),
            "fs": lambda: filesystem_server(self.folder),
            "every": everything_server,
        }[server]()
        state = self.state / server
        governed = exec_command(server, command, self.bundle, state)
        return SdkClient(governed, mode=mode, cwd=self.directory, **options)  # type: ignore[arg-type]

    def decided(self, server: str, action: str, effect: str) -> bool:
        """Whether the audit log has such a decision; it may be some milliseconds late."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for record in records(self.state / server):
                if record["kind"] == "tool.decision" and record["action"]["name"] == action:
                    found = record["decision"]["effect"] == effect
                    if found:
                        return True
            time.sleep(0.02)
        return False


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One world for the module."""
    return World(tmp_path_factory.mktemp("world"))


Connect = Callable[..., SdkClient]


@pytest.fixture
def connect(world: World) -> Iterator[Connect]:
    """Connect clients that end with the test."""
    clients: list[SdkClient] = []

    def start(server: str, mode: str = "auto", **options: object) -> SdkClient:
        clients.append(world.client(server, mode, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", LEGACY), (MODERN, MODERN), ("auto", MODERN)]
)
def test_git(world: World, connect: Connect, mode: str, version: str) -> None:
    """Reads inside the workspace pass, in the era that client and server agreed on."""
    client = connect("git", mode)
    assert client.version == version
    tools = client.tools()
    assert "git_log" in tools
    assert "git_reset" not in tools
    repository = str(world.repository)
    assert "add three" in client.call("git_log", {"repo_path": repository})["text"]
    for name, arguments in [
        ("git_log", {"repo_path": str(world.outside)}),
        ("git_log", {"repo_path": f"{repository}/../../elsewhere"}),
        ("git_reset", {"repo_path": repository}),
        ("git_commit", {"repo_path": repository, "message": "x"}),
    ]:
        outcome = client.call(name, arguments)
        assert outcome["result"]["isError"] is True, outcome
        assert "Denied by Remit" in outcome["text"]
    assert world.decided("git", "git/git_log", "allow")
    assert world.decided("git", "git/git_reset", "deny")


def test_sqlite(world: World, connect: Connect) -> None:
    """SELECT passes, whatever is not only a SELECT does not, and the rows are still there."""
    client = connect("db")
    assert client.version == LEGACY
    ask = client.call
    assert "ada" in ask("read_query", {"query": "SELECT name FROM users ORDER BY id"})["text"]
    assert (
        "5"
        in ask("read_query", {"query": "SELECT count(*) AS c FROM (SELECT 1 FROM users)"})["text"]
    )
    insert = "INSERT INTO orders (user_id, total) VALUES (3, 7.5)"
    assert ask("write_query", {"query": insert})["result"]["isError"] is False
    assert count_rows(world.database, "orders") == 3
    for query in (
        "DELETE FROM users",
        "SELECT 1; DELETE FROM users",
        "WITH d AS (SELECT 1) DELETE FROM users",
        "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone",
        "/* SELECT */ DROP TABLE users",
        "SELECT 1 -- \n; DROP TABLE users",
        "PRAGMA writable_schema = 1",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "REPLACE INTO users (id, name) VALUES (1, 'x')",
        "EXPLAIN DELETE FROM users",
        "VACUUM INTO '/tmp/copy.db'",
        "selec 1",
        "",
    ):
        outcome = ask("read_query", {"query": query})
        assert outcome["result"]["isError"] is True, (query, outcome)
        assert "Denied by Remit" in outcome["text"], (query, outcome)
    # `mcp-server-sqlite` runs all of these when nothing stands in front of it.
    for query in (
        "DELETE FROM users",
        "WITH old AS (SELECT id FROM users) DELETE FROM users WHERE id IN old",
        "UPDATE users SET name = 'x'",
        "REPLACE INTO orders (id, total) VALUES (1, 0)",
        "INSERT INTO users (name) VALUES ('mallory')",
        "DROP TABLE orders",
    ):
        outcome = ask("write_query", {"query": query})
        assert "Denied by Remit" in outcome["text"], (query, outcome)
    assert count_rows(world.database, "orders") == 3
    assert count_rows(world.database) == 5


def test_filesystem(world: World, connect: Connect) -> None:
    """Files of the workspace only, however the path is spelt."""
    client = connect("fs")
    inside = world.folder
    assert "the notes" in client.call("read_text_file", {"path": str(inside / "notes.txt")})["text"]
    assert "[DIR] sub" in client.call("list_directory", {"path": str(inside)})["text"]
    target = inside / "new.txt"
    outcome = client.call("write_file", {"path": str(target), "content": "new\n"})
    assert outcome["result"]["isError"] is False
    assert target.read_text() == "new\n"
    for path in (
        "/etc/passwd",
        f"{inside}/../../../elsewhere/one.txt",
        "~/.ssh/id_rsa",
        f"{inside}/%2e%2e/%2e%2e/%2e%2e/elsewhere/one.txt",
        f"{world.directory}/work/../elsewhere/one.txt",
        str(Path("/proc/self", "root", "etc", "passwd")),
        f"file://{world.outside}/one.txt",
        f"{inside}\\..\\..\\..\\elsewhere\\one.txt",
        f"{inside}/notes.txt\x00.png",
    ):
        outcome = client.call("read_text_file", {"path": path})
        assert outcome["result"]["isError"] is True, (path, outcome)
        assert "Denied by Remit" in outcome["text"], (path, outcome)
    hidden = inside / ".profile"
    assert client.call("write_file", {"path": str(hidden), "content": "x"})["result"]["isError"]
    assert not hidden.exists()
    mixed = {"paths": [str(inside / "notes.txt"), "/etc/hostname"]}
    assert "Denied by Remit" in client.call("read_multiple_files", mixed)["text"]
    moved = {"source": str(inside / "notes.txt"), "destination": str(world.outside / "n.txt")}
    assert "Denied by Remit" in client.call("move_file", moved)["text"]
    assert (inside / "notes.txt").exists()


def test_link_that_leads_out(world: World, connect: Connect) -> None:
    """A link inside the workspace that points out of it is out."""
    (world.folder / "out").symlink_to(world.outside)
    client = connect("fs")
    outcome = client.call("read_text_file", {"path": str(world.folder / "out" / "one.txt")})
    assert "Denied by Remit" in outcome["text"]


def test_everything(connect: Connect) -> None:
    """Numbers are judged as numbers; resources and prompts need their own permission."""
    client = connect("every")
    assert client.call("echo", {"message": "hello"})["text"] == "Echo: hello"
    assert "5" in client.call("get-sum", {"a": 2, "b": 3})["text"]
    assert "4.5" in client.call("get-sum", {"a": 1.5, "b": 3})["text"]
    for first in (1001, 1000.0001, 1e3 + 1, 1e30):
        outcome = client.call("get-sum", {"a": first, "b": 1})
        assert outcome["result"]["isError"] is True, (first, outcome)
    assert "get-env" not in client.tools()
    assert client.call("get-env")["result"]["isError"] is True
    assert "error" in client.do(
        {"do": "read", "uri": "demo://resource/static/document/features.md"}
    )
    assert "error" in client.do({"do": "prompt", "name": "simple-prompt"})
    assert client.call("echo", {"message": "still here"})["text"] == "Echo: still here"


def test_server_asks_the_user(connect: Connect) -> None:
    """The elicitation of a real server reaches the real client through Guard, and its answer back."""
    client = connect("every", "legacy")
    client.answer_with({"action": "decline"})
    outcome = client.call("trigger-elicitation-request")
    assert len(outcome["asked"]) == 1, outcome
    assert "decline" in outcome["text"].lower()


@pytest.mark.parametrize("mode", ["legacy", MODERN])
@pytest.mark.parametrize(
    ("answer", "made"),
    [
        ({"action": "accept", "content": {"confirm": True}}, True),
        ({"action": "accept", "content": {"confirm": False}}, False),
        ({"action": "decline"}, False),
        ({"action": "cancel"}, False),
    ],
)
def test_confirmation(
    world: World, connect: Connect, mode: str, answer: dict[str, object], made: bool
) -> None:
    """The person at the client is asked by Guard; only an explicit yes makes the branch."""
    name = f"branch-{mode}-{answer['action']}-{made}"
    client = connect("git", mode)
    client.answer_with(answer)
    arguments = {"repo_path": str(world.repository), "branch_name": name}
    outcome = client.call("git_create_branch", arguments)
    assert len(outcome["asked"]) == 1, outcome
    assert name in outcome["asked"][0]["message"]
    branches = client.call(
        "git_branch", {"repo_path": str(world.repository), "branch_type": "local"}
    )
    assert (name in branches["text"]) is made, outcome
    if not made:
        assert outcome.get("error") or outcome["result"]["isError"] is True


def test_audit_log_verifies(world: World) -> None:
    """What the calls above wrote verifies with the command line."""
    with world.client("git") as client:
        client.call("git_log", {"repo_path": str(world.repository)})
    state = str(world.state / "git")
    done = remit("audit", "verify", "--state", state)
    assert done.returncode == 0, done.stdout + done.stderr
    found = remit("audit", "search", "-n", "10000", "-o", "jsonl", "--state", state)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == len(records(world.state / "git"))
