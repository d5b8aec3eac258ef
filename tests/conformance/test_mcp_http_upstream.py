"""Servers over HTTP that misbehave: the client is told why, Guard goes on, credentials stay inside."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conformance.http_stage import ERAS, wait_until
from tests.rig.daemon import Daemon
from tests.rig.governed import REMIT, copy_bundle
from tests.rig.web import HttpClient, HttpServer, free_port
from tests.rig.wire import LEGACY, MODERN

SCRIPT = Path(__file__).with_name("servers") / "hostile_http.py"
CREDENTIAL = "sesame-4711-open"
MAX_GROWTH = 200 << 20


class Hostile:
    """Guard in front of the hostile server."""

    def __init__(self, directory: Path) -> None:
        bundle = copy_bundle("recorder", directory, WORKSPACE=str(directory))
        self.log = directory / "hostile.log"
        port, elsewhere = free_port(), free_port()
        command = [
            sys.executable,
            "-I",
            "-S",
            str(SCRIPT),
            str(port),
            str(elsewhere),
            str(self.log),
        ]
        self.server = HttpServer(command, port)
        state = directory / "state"
        subprocess.run(
            [REMIT, "guard", "secret", "set", "hostile", "--state", str(state)],
            input=CREDENTIAL + "\n", text=True, check=True, capture_output=True,
        )  # fmt: skip
        extra = (
            f'[servers.rec]\nurl = "{self.server.url}"\n'
            'headers = { Authorization = { secret = "hostile", prefix = "Bearer " } }\n'
        )
        options = ["--call-timeout", "3"]
        self.daemon = Daemon(
            directory, {}, bundle, options=options, extra=extra, http="127.0.0.1:0"
        )
        self.url: str = wait_until(lambda: self.daemon.url)
        self.key = self.daemon.key()

    def client(self, era: str) -> HttpClient:
        client = HttpClient(self.url, self.key, modern=era == MODERN)
        client.open()
        return client

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def memory(self) -> int:
        return int(psutil.Process(self.daemon.process.pid).memory_info().rss)

    def clean(self) -> None:
        """Assert that the credential is in no record and in nothing that Guard wrote."""
        assert CREDENTIAL not in json.dumps(self.daemon.records())
        assert CREDENTIAL not in self.daemon.log.read_text()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """One for the module."""
    hostile = Hostile(tmp_path_factory.mktemp("hostile"))
    with hostile.server, hostile.daemon:
        yield hostile


@pytest.fixture(scope="module")
def clients(hostile: Hostile) -> dict[str, HttpClient]:
    """One client of each era."""
    return {era: hostile.client(era) for era in ERAS}


def redirects() -> list[tuple[str, str]]:
    return [
        (f"redirect-{status}-{where}", f"answers {status}")
        for status in (301, 302, 303, 307, 308)
        for where in ("other", "self")
    ]


def statuses() -> list[tuple[str, str]]:
    return [
        (f"status-{status}-{body}", f"answers {status}")
        for status in (400, 401, 403, 500, 503)
        for body in ("empty", "html", "other", "broken", "list")
    ] + [(f"status-{status}-rpc", "no: ") for status in (400, 401, 500)]


WRONG = [
    *redirects(),
    *statuses(),
    ("html", "answers 200"),
    ("accepted", "answers 202"),
    ("nothing", "something else"),
    ("gzip", "encodes"),
    ("cr", "broke off"),
    ("cut", "broke off"),
    ("huge-event", "too large"),
    ("huge-json", "too large"),
    ("endless-lines", "too large"),
    ("endless-line", "too large"),
    ("endless-comments", "within 3 s"),
    ("other-id", "something else"),
    ("other-type", ""),
    ("silent", "cannot be reached"),
    ("slow-head", "within 3 s"),
    ("chunks", ""),
    ("no-http", "cannot be reached"),
    ("long-head", "cannot be reached"),
    ("reset", "cannot be reached"),
]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("kind", "reason"), WRONG, ids=[kind for kind, _ in WRONG])
def test_misbehaviour(
    hostile: Hostile, clients: dict[str, HttpClient], era: str, kind: str, reason: str
) -> None:
    """An error with a reason, nothing of the credential, bounded memory, and the next call works."""
    client = clients[era]
    before = hostile.memory()
    answer = client.call("echo", message=kind)
    assert "error" in answer.frame, answer.frame
    assert reason in answer.frame["error"]["message"]
    assert CREDENTIAL.encode() not in answer.body
    assert hostile.memory() - before < MAX_GROWTH
    assert "did good" in str(client.call("echo", message="good").frame["result"])
    hostile.clean()
    assert not [entry for entry in hostile.entries() if "elsewhere" in entry]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", ["good", "events", "crlf", "stays-open", "bytewise", "two"])
def test_what_is_well_enough(
    hostile: Hostile, clients: dict[str, HttpClient], era: str, kind: str
) -> None:
    """Other ways to say the same are understood; a second answer is not."""
    answer = clients[era].call("echo", message=kind)
    assert f"did {kind}" in str(answer.frame["result"])
    assert "a lie" not in answer.body.decode()


@pytest.mark.parametrize("era", ERAS)
def test_responses_left_open_use_nothing_up(
    hostile: Hostile, clients: dict[str, HttpClient], era: str
) -> None:
    """More of them than Guard has connections to a server."""
    for _ in range(40):
        assert "result" in clients[era].call("echo", message="stays-open").frame


def test_answer_after_a_cut(hostile: Hostile, clients: dict[str, HttpClient]) -> None:
    """What comes for a call that was answered already goes nowhere and is recorded."""
    client = clients[MODERN]
    assert "error" in client.call("echo", message="cut").frame
    answer = client.call("echo", message="late")
    assert "did late" in str(answer.frame["result"])
    assert b"too late" not in answer.body
    assert any(record.get("code") == "mcp.unknown_response" for record in bodies(hostile))


def bodies(hostile: Hostile) -> list[dict[str, Any]]:
    return [record.get("body", record) for record in hostile.daemon.records()]


@pytest.mark.parametrize("name", ["control", "tab", "high", "long"])
def test_session_id_that_is_none(hostile: Hostile, name: str) -> None:
    """A session id that no header may carry opens no session."""
    client = HttpClient(hostile.url, hostile.key)
    params = {
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": name, "version": "1"},
    }  # fmt: skip
    answer = client.request("initialize", params)
    assert "error" in answer.frame, answer.frame
    client.session = answer.headers.get("mcp-session-id", "")
    assert client.call("echo", message="good").status in {400, 404}


def test_server_that_forgets_the_session(hostile: Hostile) -> None:
    """404 from the server ends the session of the client too, which then begins anew."""
    client = hostile.client(LEGACY)
    answer = client.call("echo", message="status-404-empty")
    assert "ended the session" in answer.frame["error"]["message"]
    assert client.call("echo", message="good").status == 404
    assert "did good" in str(hostile.client(LEGACY).call("echo", message="good").frame["result"])


def test_not_found_of_the_modern_era(hostile: Hostile, clients: dict[str, HttpClient]) -> None:
    """There it is an answer like any other."""
    answer = clients[MODERN].call("echo", message="status-404-html")
    assert "answers 404" in answer.frame["error"]["message"]


def test_arguments_in_headers(hostile: Hostile, clients: dict[str, HttpClient]) -> None:
    """`x-mcp-header`: compared with the body on the way in, written from the body on the way out."""
    client = clients[MODERN]
    client.request("tools/list")

    def call(arguments: dict[str, Any], **headers: str) -> Any:
        frame = client.frame("tools/call", {"name": "open_schema", "arguments": arguments})
        given = {**client.fitting(frame), **{f"Mcp-Param-{k}": v for k, v in headers.items()}}
        return client.send("POST", json.dumps(frame).encode(), given)

    good = call({"a": "né\n", "n": 7}, Region="=?base64?bsOpCg==?=", Count="7")
    seen = json.loads(good.frame["result"]["content"][0]["text"])
    assert seen["mcp-param-region"] == "=?base64?bsOpCg==?="
    assert seen["mcp-param-count"] == "7"
    assert call({"a": "x"}, Region="x").status == 200
    assert call({"a": "x", "n": 7}, Region="x", Count="007").status == 200
    for arguments, headers in (
        ({"a": "x"}, {}),
        ({"a": "x"}, {"Region": "X"}),
        ({"a": "x"}, {"Region": "x", "Count": "7"}),
        ({"n": 7}, {"Count": "7.0"}),
        ({"n": 7}, {"Count": "7", "Region": ""}),
        ({}, {"Other": "x"}),
    ):
        answer = call(arguments, **headers)
        assert (answer.status, answer.frame["error"]["code"]) == (400, -32020), (arguments, headers)
