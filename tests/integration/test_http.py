"""Streamable HTTP with the official SDK's client and real servers, over stdio and over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.daemon import Daemon
from tests.rig.governed import copy_bundle
from tests.rig.programs import (
    everything_server,
    filesystem_server,
    git_server,
    make_folder,
    make_repository,
)
from tests.rig.sdk import SdkClient
from tests.rig.web import HttpClient, everything_http, modern_server
from tests.rig.wire import LEGACY, MODERN


class World:
    """A Guard with an HTTP listener over real servers."""

    def __init__(self, directory: Path) -> None:
        self.repository = make_repository(directory / "work" / "repo")
        self.folder = make_folder(directory / "work" / "files")
        bundle = copy_bundle("real", directory, WORKSPACE=str(directory / "work"))
        (bundle / "tool" / "notes.cedar").write_text(
            '@id("notes") permit (principal == Remit::Agent::"tester",'
            ' action in [Remit::Action::"notes/echo", Remit::Action::"notes/count"], resource);\n'
            '@id("every-http") permit (principal, action in [Remit::Action::"web/echo",'
            ' Remit::Action::"web/trigger-elicitation-request"], resource);\n'
        )
        self.log = directory / "notes.log"
        self.notes = modern_server(self.log)
        self.web = everything_http()
        extra = (
            f'[servers.notes]\nurl = "{self.notes.url}"\n'
            'headers = { Authorization = { secret = "notes", prefix = "Bearer " } }\n'
            f'[servers.web]\nurl = "{self.web.url}"\n'
        )
        servers = {
            "git": git_server(self.repository),
            "fs": filesystem_server(self.folder),
            "every": everything_server(),
        }
        state = directory / "state"
        import subprocess

        from tests.rig.governed import REMIT

        subprocess.run(
            [REMIT, "guard", "secret", "set", "notes", "--state", str(state)],
            input="upstream-token\n", text=True, check=True, capture_output=True,
        )  # fmt: skip
        self.daemon = Daemon(directory, servers, bundle, extra=extra, http="127.0.0.1:0")
        self.key = self.daemon.key()

    def client(
        self, server: str, mode: str = "auto", key: str = "", **options: object
    ) -> SdkClient:
        """Connect the SDK's client."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        url = f"{self.daemon.url}/mcp/{server}"
        return SdkClient(url=url, headers=headers, mode=mode, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """End everything."""
        self.daemon.stop()
        self.notes.stop()
        self.web.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the module."""
    world = World(tmp_path_factory.mktemp("http"))
    yield world
    world.close()


MODES = ["legacy", MODERN, "auto"]


@pytest.mark.parametrize("mode", MODES)
def test_stdio_server(world: World, mode: str) -> None:
    """mcp-server-git behind HTTP: a read passes, a call outside of the repository does not."""
    with world.client("git", mode) as client:
        assert client.version == (LEGACY if mode == "legacy" else MODERN)
        assert "git_log" in client.tools()
        done = client.call("git_log", {"repo_path": str(world.repository)})
        assert "Commit 3" in done["text"]
        denied = client.call("git_log", {"repo_path": "/"})
        assert "Denied by Remit" in denied["text"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_stdio_server_of_the_legacy_era(world: World, mode: str) -> None:
    """server-filesystem knows only the legacy era: auto falls back."""
    with world.client("fs", mode) as client:
        assert client.version == LEGACY
        done = client.call("read_text_file", {"path": str(world.folder / "notes.txt")})
        assert "the notes" in done["text"]
        denied = client.call("write_file", {"path": str(world.folder / ".x"), "content": "x"})
        assert "fs-no-hidden-files" in denied["text"]
        assert not (world.folder / ".x").exists()


@pytest.mark.parametrize("mode", MODES)
def test_http_server_of_both_eras(world: World, mode: str) -> None:
    """The SDK's MCPServer: allowed, denied, progress; Guard's credential, never the caller's."""
    before = len(world.log.read_text().splitlines()) if world.log.exists() else 0
    with world.client("notes", mode) as client:
        assert client.version == (LEGACY if mode == "legacy" else MODERN)
        assert set(client.tools()) == {"echo", "count"}
        assert client.call("echo", {"message": f"hello {mode}"})["text"] == f"hello {mode}"
        assert "counted" in client.call("count", {"to": 3})["text"]
        assert "Denied by Remit" in client.call("forbidden", {"message": "x"})["text"]
    lines = [json.loads(line) for line in world.log.read_text().splitlines()[before:]]
    assert {"ran": "echo", "message": f"hello {mode}"} in lines
    assert not [line for line in lines if line["ran"] == "forbidden"]
    requests = [line for line in lines if line["ran"] == "request"]
    assert {line["authorization"] for line in requests} == {"Bearer upstream-token"}
    if mode == MODERN:
        assert any(line["mcp-name"] == "echo" for line in requests)


def test_http_server_of_the_legacy_era(world: World) -> None:
    """server-everything over HTTP has sessions and asks the client through its stream."""
    with world.client("web", "legacy") as client:
        assert client.call("echo", {"message": "hi"})["text"].endswith("hi")
        client.answer_with({"action": "accept", "content": {"name": "Ann"}})
        outcome = client.call("trigger-elicitation-request")
        assert outcome["asked"], outcome


def test_stdio_server_that_asks_the_client(world: World) -> None:
    """A question of a stdio server reaches the client over HTTP and its answer comes back."""
    with world.client("every", "legacy") as client:
        client.answer_with({"action": "accept", "content": {"name": "Ann"}})
        outcome = client.call("trigger-elicitation-request")
        assert outcome["asked"], outcome
        assert "accept" in outcome["text"] or "Ann" in outcome["text"], outcome


def test_policy_sees_the_caller(world: World) -> None:
    """Another agent's key is another principal."""
    with world.client("notes", "legacy", key=world.daemon.key("stranger", "bob")) as client:
        assert not client.tools()
        assert "Denied by Remit" in client.call("echo", {"message": "x"})["text"]
    actors = [r["actor"] for r in world.daemon.records() if r["kind"] == "tool.decision"]
    assert {"agent": "stranger", "user": "bob"}.items() <= actors[-1].items()


def test_a_session_of_one_caller_is_worthless_to_another(world: World) -> None:
    """Neither the session nor its end are another caller's."""
    one = HttpClient(world.daemon.url, world.key, "notes")
    one.open()
    other = HttpClient(world.daemon.url, world.daemon.key("other", "eve"), "notes")
    other.session = one.session
    assert other.call("echo", message="x").status == 404
    assert other.send("DELETE").status == 404
    assert other.send("GET", None, other.headers(Accept="text/event-stream")).status == 404
    assert one.call("echo", message="still mine").status == 200
    assert one.send("DELETE").status == 204
    assert one.call("echo", message="x").status == 404


def test_upstream_restart(world: World) -> None:
    """A server that was restarted is reached again; while it is away calls are answered."""
    client = HttpClient(world.daemon.url, world.key, "notes", modern=True)
    assert "echo" in str(client.call("echo", message="one echo").frame)
    world.notes.stop()
    answer = client.call("echo", message="two").frame
    assert "error" in answer
    assert "cannot be reached" in answer["error"]["message"]
    world.notes.start()
    assert "three echo" in str(client.call("echo", message="three echo").frame)


def test_exec_in_front_of_an_http_server(world: World, tmp_path: Path) -> None:
    """`remit mcp exec` governs a server that is a URL."""
    from tests.rig.governed import REMIT

    command = [REMIT, "mcp", "exec", "--config", str(world.daemon.config)]
    command += ["--bundle", str(world.daemon.bundle), "--state", str(tmp_path / "state"), "web"]
    with SdkClient(command, mode="legacy") as client:
        assert client.call("echo", {"message": "hi"})["text"].endswith("hi")
        assert "Denied by Remit" in client.call("get-sum", {"a": 1, "b": 2})["text"]
