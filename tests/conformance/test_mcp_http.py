"""What the HTTP listener promises, tried on a real Guard; the evidence is the server's own log.

A request that is refused never reaches the server, its status says why, and Guard serves the next
one. Sessions, streams and answers belong to the caller whose key began them.
"""

import base64
import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.http_stage import ERAS, Stage, inject, read_all, wait_until
from tests.rig.web import HttpClient
from tests.rig.wire import LEGACY, MODERN, modern_meta

MISMATCH = -32020
VERSION = "io.modelcontextprotocol/protocolVersion"
CALL = {"name": "echo", "arguments": {"message": "x"}}
ROOTS = {"roots": {}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One Guard for the module: what breaks it breaks all that follows."""
    stage = Stage(tmp_path_factory.mktemp("http"))
    with stage.daemon:
        yield stage


@pytest.fixture(scope="module")
def clients(stage: Stage) -> dict[str, HttpClient]:
    """One client of each era."""
    return {era: stage.client(era) for era in ERAS}


def sentinel(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return f"=?base64?{base64.b64encode(raw).decode()}?="


# --- header and body --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"MCP_Protocol_Version": None},
        {"MCP_Protocol_Version": LEGACY},
        {"MCP_Protocol_Version": "2099-01-01"},
        {"MCP_Protocol_Version": f"{MODERN}, {MODERN}"},
        {"MCP_Protocol_Version": sentinel(MODERN)},
        {"Mcp_Method": None},
        {"Mcp_Method": "tools/list"},
        {"Mcp_Method": "Tools/Call"},
        {"Mcp_Method": sentinel("tools/call")},
        {"Mcp_Name": None},
        {"Mcp_Name": ""},
        {"Mcp_Name": "forbidden"},
        {"Mcp_Name": "Echo"},
        {"Mcp_Name": "echo, echo"},
        {"Mcp_Name": sentinel("forbidden")},
        {"Mcp_Name": sentinel("echo").replace("base64", "BASE64")},
        {"Mcp_Name": sentinel(b"ech\xff")},
        {"Mcp_Name": "=?base64?ZWNobw?="},
        {"Mcp_Name": "=?base64?ZWNobx==?="},
        {"Mcp_Name": "=?base64?ZWNo bw==?="},
        {"Mcp_Name": "=?base64?ZWNobw==?=x"},
        {"Mcp_Param_Message": "x"},
    ],
    ids=str,
)
def test_modern_headers_must_agree(
    stage: Stage, clients: dict[str, HttpClient], headers: dict[str, str | None]
) -> None:
    """A header that says something else than the body, or nothing: 400, -32020, its own id."""
    client, mark = clients[MODERN], stage.mark()
    frame = stage.echo(client, mark)
    answer = stage.post(client, frame, **headers)
    assert answer.status == 400, answer.body
    assert answer.frame["error"]["code"] == MISMATCH
    assert answer.frame["id"] == frame["id"]
    assert not stage.reached(mark)
    stage.works(client)


@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp_Method": "tools/list"},
        {"Mcp_Name": "forbidden"},
        {"Mcp_Name": sentinel("echo").upper()},
    ],
    ids=str,
)
def test_legacy_headers_may_be_missing_and_may_not_lie(
    stage: Stage, clients: dict[str, HttpClient], headers: dict[str, str | None]
) -> None:
    """In the legacy era they are not required; if they are there, they are compared."""
    client, mark = clients[LEGACY], stage.mark()
    answer = stage.post(client, stage.echo(client, mark), **headers)
    assert (answer.status, answer.frame["error"]["code"]) == (400, MISMATCH)
    assert not stage.reached(mark)
    stage.works(client)


@pytest.mark.parametrize("name", ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Param-A"])
@pytest.mark.parametrize("era", ERAS)
def test_repeated_header(stage: Stage, clients: dict[str, HttpClient], era: str, name: str) -> None:
    """Of two values none is chosen, not even of two that are equal."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    said = {"MCP-Protocol-Version": era, "Mcp-Method": "tools/call", "Mcp-Name": "echo"}
    pairs = [(k, v) for k, v in client.fitting(frame).items() if k != name]
    pairs += [(name, said.get(name, "x")), (name.lower(), said.get(name, "x"))]
    answer = client.send("POST", json.dumps(frame).encode(), pairs)
    assert (answer.status, answer.frame["error"]["code"]) == (400, MISMATCH)
    assert not stage.reached(mark)


@pytest.mark.parametrize("name", ["echo", sentinel("echo"), " echo\t"])
def test_headers_that_agree(stage: Stage, clients: dict[str, HttpClient], name: str) -> None:
    """Plain, encoded, or with white space around it, it is the same name."""
    client, mark = clients[MODERN], stage.mark()
    answer = stage.post(client, stage.echo(client, mark), Mcp_Name=name)
    assert mark in str(answer.frame["result"])


@pytest.mark.parametrize("version", [LEGACY, None, "2099-01-01"])
def test_modern_body_with_another_header_is_not_taken_for_legacy(
    stage: Stage, clients: dict[str, HttpClient], version: str | None
) -> None:
    """Nor is it with the session of a legacy client, which servers were seen to accept."""
    client, mark = clients[LEGACY], stage.mark()
    frame = stage.echo(client, mark)
    frame["params"]["_meta"] = modern_meta()
    answer = stage.post(client, frame, MCP_Protocol_Version=version)
    assert (answer.status, answer.frame["error"]["code"]) == (400, MISMATCH)
    assert not stage.reached(mark)


def test_modern_header_with_a_legacy_body(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """The envelope is missing: -32602; a notification or an answer has no place in this era."""
    client, mark = clients[LEGACY], stage.mark()
    answer = stage.post(client, stage.echo(client, mark), MCP_Protocol_Version=MODERN)
    assert (answer.status, answer.frame["error"]["code"]) == (400, -32602)
    for frame in (
        {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"x": mark}},
        {"jsonrpc": "2.0", "id": 1, "result": {"x": mark}},
    ):
        headers = {**client.headers(), "MCP-Protocol-Version": MODERN}
        answer = client.send("POST", json.dumps(frame).encode(), headers)
        assert answer.status == 400
    assert not stage.reached(mark)


def test_unknown_version(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """Header and body agree on a version that nobody speaks: 400, -32022."""
    client, mark = clients[MODERN], stage.mark()
    frame = stage.echo(client, mark)
    frame["params"]["_meta"] = {**modern_meta(), VERSION: "2099-01-01"}
    answer = stage.post(client, frame, MCP_Protocol_Version="2099-01-01")
    assert (answer.status, answer.frame["error"]["code"]) == (400, -32022)
    legacy = clients[LEGACY]
    answer = stage.post(legacy, stage.echo(legacy, mark), MCP_Protocol_Version="1999-01-01")
    assert (answer.status, answer.frame["error"]["code"]) == (400, -32022)
    answer = stage.post(legacy, stage.echo(legacy, mark), MCP_Protocol_Version="2025-06-18")
    assert (answer.status, answer.frame["error"]["code"]) == (400, MISMATCH)
    assert not stage.reached(mark)


# --- the head ---------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Content_Type": None}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/jsonx"}, 415),
        ({"Content_Type": "application/json; charset=utf-16"}, 415),
        ({"Content_Type": "application/json; charset=utf-8; charset=utf-7"}, 415),
        ({"Content_Type": "application/json, text/plain"}, 415),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Content_Encoding": "identity, gzip"}, 415),
        ({"Accept": None}, 406),
        ({"Accept": "application/json"}, 406),
        ({"Accept": "text/html"}, 406),
        ({"Content_Length": "99999999"}, 413),
        ({"X_Filler": "x" * 20_000}, 431),
        ({"X_Filler": "caf\u00e9"}, 400),
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer rmk_forged"}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
    ],
    ids=str,
)
def test_head_is_refused(
    stage: Stage,
    clients: dict[str, HttpClient],
    era: str,
    headers: dict[str, str | None],
    status: int,
) -> None:
    """Nothing of such a request is believed and nothing of it reaches the server."""
    client, mark = clients[era], stage.mark()
    answer = stage.post(client, stage.echo(client, mark), **headers)
    assert answer.status == status, answer.body
    assert "error" in answer.frame
    assert not stage.reached(mark)
    stage.works(client)


@pytest.mark.parametrize("path", ["/mcp/rec", "/metrics", "/.well-known/oauth-protected-resource"])
def test_foreign_pages_get_nothing(stage: Stage, path: str) -> None:
    """Host and Origin are checked before anything else, for what needs no key too."""
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Origin": "null"}, 403),
    ):
        client = HttpClient(stage.url, "none")
        answer = client.send("GET", None, headers, path=path)
        assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "APPLICATION/JSON"},
        {"Content_Type": 'application/json; charset="UTF-8"'},
        {"Accept": "*/*"},
        {"Accept": "TEXT/event-stream;q=0.5, application/json;q=1"},
        {"Origin": "http://127.0.0.1:{port}"},
        {"Host": "LOCALHOST:{port}"},
        {"Content_Encoding": "identity"},
    ],
    ids=str,
)
@pytest.mark.parametrize("era", ERAS)
def test_head_is_accepted(
    stage: Stage, clients: dict[str, HttpClient], era: str, headers: dict[str, str]
) -> None:
    """Other spellings of the same head are no attack."""
    client, mark = clients[era], stage.mark()
    given = {k: v.replace("{port}", str(stage.address[1])) for k, v in headers.items()}
    answer = stage.post(client, stage.echo(client, mark), **given)
    assert answer.status == 200, answer.body
    assert stage.reached(mark)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-32"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: b"",
        lambda text: b" ",
        lambda text: text.encode() + text.encode(),
        lambda text: f"[{text}]".encode(),
    ],
    ids=["utf-16", "utf-16-le", "utf-32", "bom", "empty", "blank", "two", "batch"],
)
def test_body_is_refused(
    stage: Stage, clients: dict[str, HttpClient], era: str, encode: object
) -> None:
    """A body is one JSON object in UTF-8."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = encode(json.dumps(frame))  # type: ignore[operator]
    answer = client.send("POST", body, client.fitting(frame))
    assert answer.status == 400, answer.body
    assert "error" in answer.frame
    assert not stage.reached(mark)


# --- framing, on raw sockets ------------------------------------------------------------------


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/mcp/rec?server=other", 200),
        ("/mcp/rec?/../other", 200),
        ("//mcp/rec", 404),
        ("/mcp//rec", 404),
        ("/mcp/rec/", 404),
        ("/mcp/./rec", 404),
        ("/x/../mcp/rec", 404),
        ("/mcp/../mcp/rec", 404),
        ("/mcp/%72ec", 404),
        ("/mcp/rec%00", 404),
        ("/mcp/rec;x=1", 404),
        ("/MCP/rec", 404),
        ("/mcp/REC", 404),
        ("/mcp/other", 404),
        ("http://{host}/mcp/rec", 404),
        ("http://evil.example/mcp/rec", 404),
        ("*", 404),
        ("mcp/rec", 400),
        ("/mcp/rec#x", 404),
    ],
)
def test_path(
    stage: Stage, clients: dict[str, HttpClient], era: str, path: str, status: int
) -> None:
    """A path has one spelling; a query leads nowhere else."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    target = path.replace("{host}", f"{stage.address[0]}:{stage.address[1]}")
    head = stage.head(client, frame, f"Content-Length: {len(body)}", "Connection: close")
    head = head.replace(b"POST /mcp/rec ", f"POST {target} ".encode(), 1)
    answer = stage.raw(head + b"\r\n" + body)
    assert status_of(answer) == status, answer
    assert stage.reached(mark) == (status == 200)
    stage.works(client)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "extra",
    [
        ("Content-Length: {n}", "Content-Length: {n}"),
        ("Content-Length: {n}", "Content-Length: 1"),
        ("Content-Length: +{n}",),
        ("Content-Length: 0x10",),
        ("Content-Length: -1",),
        ("Content-Length: {n}, {n}",),
        ("Content-Length : {n}",),
        ("Content-Length: {n}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: {n}"),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: identity",),
        ("Content-Length: {n}", "Host: evil.example"),
        ("Content-Length: {n}", "Authorization: Bearer other"),
        ("Content-Length: {n}", "Content-Type: application/json"),
        ("Content-Length: {n}", "X-A: 1\r\n folded: yes"),
        ("Content-Length: {n}", "X-A: a\0b"),
        ("Content-Length: {n}", "X-A: a\rMcp-Name: forbidden"),
        ("Content-Length: {n}", "No colon"),
    ],
    ids=str,
)
def test_ambiguous_framing(
    stage: Stage, clients: dict[str, HttpClient], era: str, extra: tuple[str, ...]
) -> None:
    """A request that two readers may cut in two ways is cut in none."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    lines = [line.replace("{n}", str(len(body))) for line in (*extra, "Connection: close")]
    answer = stage.raw(stage.head(client, frame, *lines) + b"\r\n" + body)
    assert status_of(answer) in {400, 401, 415}, answer
    assert not stage.reached(mark)
    stage.works(client)


def chunks(body: bytes, size: int, trailer: bytes = b"") -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("era", ERAS)
def test_chunked_body(stage: Stage, clients: dict[str, HttpClient], era: str) -> None:
    """Chunks are put together; broken ones are refused; they are bounded like other bodies."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    head = stage.head(client, frame, "Transfer-Encoding: chunked", "Connection: close") + b"\r\n"
    assert status_of(stage.raw(head + chunks(body, 7))) == 200
    assert stage.reached(mark)
    for broken in (b"zz\r\nxx\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5;\r\nab"):
        assert status_of(stage.raw(head + broken)) in {0, 400}
    huge = stage.raw(head + chunks(b" " * (5 << 20), 1 << 16))
    assert status_of(huge) == 413
    stage.works(client)


@pytest.mark.parametrize("era", ERAS)
def test_trailers_are_no_headers(stage: Stage, clients: dict[str, HttpClient], era: str) -> None:
    """What comes behind the body neither authenticates nor names anything."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    key = client.headers()["Authorization"]
    head = stage.head(
        client, frame, "Transfer-Encoding: chunked", "Connection: close", Authorization=0
    )
    trailer = f"Authorization: {key}\r\n".encode()
    assert status_of(stage.raw(head + b"\r\n" + chunks(body, 1000, trailer))) == 401
    assert not stage.reached(mark)
    head = stage.head(client, frame, "Transfer-Encoding: chunked", "Connection: close")
    trailer = b"Host: evil.example\r\n" + b"X-A: b\r\n" * 500
    assert status_of(stage.raw(head + b"\r\n" + chunks(body, 1000, trailer))) == 200


@pytest.mark.parametrize("era", ERAS)
def test_pipelined_requests(stage: Stage, clients: dict[str, HttpClient], era: str) -> None:
    """Requests on one connection are answered in their order, each judged for itself."""
    client = clients[era]
    data, marks = b"", [stage.mark() for _ in range(6)]
    for number, mark in enumerate(marks):
        frame = stage.echo(client, mark)
        if number == 3:
            frame["params"]["name"] = "forbidden"
        body = json.dumps(frame).encode()
        close = ["Connection: close"] if number == 5 else []
        data += stage.head(client, frame, f"Content-Length: {len(body)}", *close) + b"\r\n" + body
    answers = stage.raw(data)
    assert answers.count(b"HTTP/1.1 200") == 6
    places = [answers.find(mark.encode()) for n, mark in enumerate(marks) if n != 3]
    assert -1 not in places
    assert places == sorted(places)
    assert not stage.reached(marks[3])


@pytest.mark.parametrize("era", ERAS)
def test_body_that_looks_like_a_request(
    stage: Stage, clients: dict[str, HttpClient], era: str
) -> None:
    """A refused body is not taken for the next request on its connection."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    inner_body = json.dumps(frame).encode()
    inner = stage.head(client, frame, f"Content-Length: {len(inner_body)}") + b"\r\n" + inner_body
    outer = stage.head(
        client, frame, f"Content-Length: {len(inner)}", "Connection: close", Authorization=0
    )
    answer = stage.raw(outer + b"\r\n" + inner)
    assert answer.count(b"HTTP/1.1") == 1
    assert status_of(answer) == 401
    assert not stage.reached(mark)


@pytest.mark.parametrize("era", ERAS)
def test_old_http(stage: Stage, clients: dict[str, HttpClient], era: str) -> None:
    """HTTP/1.0 is answered and the connection closed, chunks it has none; others are not served."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    head = stage.head(client, frame, f"Content-Length: {len(body)}") + b"\r\n"
    assert status_of(stage.raw(head.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + body)) == 200
    for version in (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTCPCP/1.0"):
        unseen = stage.mark()
        changed = head.replace(b"HTTP/1.1", version, 1).rstrip() + b"\r\nConnection: close\r\n\r\n"
        answer = stage.raw(changed + body.replace(mark.encode(), unseen.encode()))
        assert status_of(answer) in {400, 505}, (version, answer)
        assert not stage.reached(unseen)
    other = stage.echo(client, stage.mark())
    head = stage.head(client, other, "Transfer-Encoding: chunked").replace(b"1.1", b"1.0", 1)
    answer = stage.raw(head + b"\r\n" + chunks(json.dumps(other).encode(), 1000))
    assert status_of(answer) == 400
    assert not stage.reached(other["params"]["arguments"]["message"])
    assert status_of(stage.raw(b"GET /\r\n\r\n")) in {400, 505}


@pytest.mark.parametrize(
    "bomb",
    [
        b"GET /mcp/rec HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
        b"GET /mcp/rec HTTP/1.1\r\nA: " + b"b" * 2_000_000,
        b"GET /" + b"a" * 2_000_000,
        b"G" * 2_000_000,
    ],
    ids=["many", "long", "path", "method"],
)
def test_head_without_end(stage: Stage, clients: dict[str, HttpClient], bomb: bytes) -> None:
    """A head is bounded before it is whole, and before anything is recorded of it."""

    def refusals() -> int:
        records = stage.daemon.records()
        return sum(record["kind"] == "http.refused" for record in records)

    before = refusals()
    assert status_of(stage.raw(bomb)) in {0, 400, 431}
    assert refusals() == before
    stage.works(clients[LEGACY])


def test_many_headers(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """A whole head with too many of them: 431."""
    client = clients[LEGACY]
    head = stage.head(client, stage.echo(client, "x"), *["A: b"] * 150, "Connection: close")
    assert status_of(stage.raw(head + b"\r\n")) == 431


@pytest.mark.parametrize("era", ERAS)
def test_client_that_leaves(stage: Stage, clients: dict[str, HttpClient], era: str) -> None:
    """Half a head, half a body, or no ear for the answer: Guard goes on; half a call never runs."""
    client, mark = clients[era], stage.mark()
    frame = stage.echo(client, mark)
    body = json.dumps(frame).encode()
    head = stage.head(client, frame, f"Content-Length: {len(body)}") + b"\r\n"
    for data in (head[:50], head, head + body[:-1]):
        with socket.create_connection(stage.address, 5) as connection:
            connection.sendall(data)
    for _ in range(12):
        call = {"name": "big", "arguments": {"bytes": 3_000_000}}
        with socket.create_connection(stage.address, 5) as connection:
            frame = client.frame("tools/call", call)
            body = json.dumps(frame).encode()
            head = stage.head(client, frame, f"Content-Length: {len(body)}") + b"\r\n"
            connection.sendall(head + body)
    stage.works(client)
    assert not stage.reached(mark)


# --- methods and sessions ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_modern_era_has_no_sessions(
    stage: Stage, clients: dict[str, HttpClient], method: str
) -> None:
    """405 with what is allowed; a session header means nothing and none is ever given."""
    client = clients[MODERN]
    headers = client.headers(MCP_Protocol_Version=MODERN, Accept="text/event-stream")
    answer = client.send(method, None, headers)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    answer = stage.post(client, stage.echo(client, "x"), Mcp_Session_Id="whatever")
    assert answer.status == 200
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods(stage: Stage, clients: dict[str, HttpClient], method: str) -> None:
    """Only three methods exist."""
    assert clients[LEGACY].send(method, None).status == 405


@pytest.mark.parametrize("session", ["forged", "", "x" * 1000, "own+"])
def test_unknown_session(stage: Stage, clients: dict[str, HttpClient], session: str) -> None:
    """An invented session is not there, whatever is asked of it; without one it is a bad request."""
    client, mark = clients[LEGACY], stage.mark()
    session = client.session + "x" if session == "own+" else session
    status = 404 if session else 400
    given = {"Mcp_Session_Id": session or None}
    assert stage.post(client, stage.echo(client, mark), **given).status == status
    headers = client.headers(**given)
    assert client.send("DELETE", None, headers).status == status
    headers = client.headers(Accept="text/event-stream", **given)
    assert client.send("GET", None, headers).status == status
    assert not stage.reached(mark)


def test_initialize_inside_a_session(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """A session is opened once."""
    client = clients[LEGACY]
    params = {"protocolVersion": LEGACY, "capabilities": {}}
    assert client.request("initialize", params).status == 400
    stage.works(client)


def test_calls_before_initialize(stage: Stage) -> None:
    """Without a session there is nobody to ask."""
    mark = stage.mark()
    client = HttpClient(stage.url, stage.keys["ann"])
    assert stage.post(client, stage.echo(client, mark)).status == 400
    assert not stage.reached(mark)


def pids(stage: Stage) -> list[int]:
    return [entry["pid"] for entry in stage.entries() if "pid" in entry]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_delete_ends_session_and_server(stage: Stage) -> None:
    """After DELETE the session is unknown, its process gone, and a call under way is told."""
    client, mark = stage.client(LEGACY), stage.mark()
    pid = pids(stage)[-1]
    assert alive(pid)
    hanging = client.frame("tools/call", {"name": "hang", "arguments": {"message": mark}})
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(stage.post, client, hanging)
        wait_until(lambda: stage.reached(mark), "the call did not come")
        assert client.send("DELETE").status == 204
        assert "ended" in answer.result().frame["error"]["message"]
    assert client.call("echo", message="x").status == 404
    assert client.send("DELETE").status == 404
    wait_until(lambda: not alive(pid), "the server still runs")


def test_server_that_ends(stage: Stage) -> None:
    """The call that killed it is answered with the reason; then the session is not there."""
    client = stage.client(LEGACY)
    answer = client.call("crash", code=3)
    assert answer.status == 200
    assert "error" in answer.frame
    assert client.call("echo", message="x").status == 404
    modern = stage.client(MODERN)
    assert "error" in modern.call("crash", code=3).frame
    stage.works(modern)


def test_callers_have_nothing_in_common(stage: Stage) -> None:
    """Session, stream, event ids, cancel and end: nothing of one caller is another's."""
    ann, eve = stage.client(LEGACY, capabilities=ROOTS), stage.client(LEGACY, "eve")
    mine, ann_session = eve.session, ann.session
    ask = ann.frame("tools/call", {"name": "ask", "arguments": {"method": "roots/list"}})
    with stage.begin(ann, ask) as response:
        question = response.next()
        eve.session = ann_session
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}
        cancel = {
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": ask["id"]},
        }  # fmt: skip
        for frame in (answer, cancel, stage.echo(eve, "eve")):
            body = json.dumps(frame).encode()
            assert eve.send("POST", body, eve.headers()).status == 404
        for more in ({}, {"Last-Event-ID": response.last_id}):
            headers = {**eve.headers(Accept="text/event-stream"), **more}
            assert eve.send("GET", None, headers).status == 404
        assert eve.send("DELETE").status == 404
        eve.session = mine
        headers = eve.headers(Accept="text/event-stream", Last_Event_ID=response.last_id)
        assert eve.send("GET", None, headers).status == 400
        assert ann.send("POST", json.dumps(answer).encode()).status == 202
        assert "client said" in str(response.next())
    stage.works(ann)


def test_request_state_is_the_callers(stage: Stage) -> None:
    """A question of the modern era is answered by who was asked."""
    ann, eve = stage.client(MODERN), stage.client(MODERN, "eve")
    call = {"name": "ask_late", "arguments": {"question": stage.mark()}}
    first = ann.request("tools/call", call).frame["result"]
    assert first["resultType"] == "input_required"
    said = {"action": "accept", "content": {"ok": True}}
    again = {
        **call,
        "requestState": first["requestState"],
        "inputResponses": dict.fromkeys(first["inputRequests"], said),
    }
    stolen = eve.request("tools/call", again)
    assert "error" in stolen.frame, stolen.frame
    assert stolen.status == 400
    answer = ann.request("tools/call", again).frame
    assert "opaque-1" in str(answer["result"])
    assert "error" in ann.request("tools/call", again).frame, "a state is used once"


def test_strangers_cost_little(stage: Stage) -> None:
    """401 says how to come in; no body is read, and of many some are recorded."""
    before = sum(r["kind"] == "http.refused" for r in stage.daemon.records())
    client, mark = HttpClient(stage.url, "nothing"), stage.mark()
    for _ in range(150):
        answer = stage.post(client, stage.echo(client, mark))
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    head = stage.head(client, stage.echo(client, mark), "Content-Length: 3000000")
    with socket.create_connection(stage.address, 10) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert status_of(read_all(connection)) == 401
    found = stage.daemon.records()
    assert mark not in json.dumps(found)
    refused = sum(r["kind"] == "http.refused" for r in found) - before
    # Sixty a minute, and a minute may have begun meanwhile.
    assert refused <= 2 * 60
    assert "401" in client.send("GET", None, {}, path="/metrics").body.decode()


def test_metadata_is_of_configured_servers_only(stage: Stage) -> None:
    """Without OAuth there is none at all; test_app.py has the rest."""
    for path in ("/mcp/rec", "/mcp/none", "", "/mcp/rec?x"):
        known = "/.well-known/oauth-protected-resource" + path
        assert HttpClient(stage.url, "k").send("GET", None, {}, path=known).status == 404


# --- requests and their answers ---------------------------------------------------------------


def test_lists_are_private(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """What one caller may see no cache gives to another."""
    result = clients[MODERN].request("tools/list").frame["result"]
    assert result["cacheScope"] == "private"


def test_one_connection_for_many_modern_calls(stage: Stage) -> None:
    """All modern calls of one caller share one server process, also if they come at once."""
    stage.works(stage.client(MODERN))
    before = len(pids(stage))
    with ThreadPoolExecutor(8) as pool:
        modern = [HttpClient(stage.url, stage.keys["ann"], modern=True) for _ in range(8)]
        answers = list(
            pool.map(lambda n: modern[n % 8].call("echo", message=f"n{n}").status, range(80))
        )
    assert set(answers) == {200}
    assert len(pids(stage)) == before


def test_first_calls_at_once_open_one_connection(tmp_path: object) -> None:
    """Twenty first requests of one caller: one process, no `initialize`."""
    stage = Stage(tmp_path)  # type: ignore[arg-type]
    with stage.daemon, ThreadPoolExecutor(20) as pool:
        modern = [HttpClient(stage.url, stage.keys["ann"], modern=True) for _ in range(20)]
        answers = list(pool.map(lambda c: c.call("echo", message="first").status, modern))
        assert set(answers) == {200}
        assert len(pids(stage)) == 1
        assert '\\"initialize\\"' not in stage.log.read_text()


def test_same_id_in_flight_legacy(stage: Stage) -> None:
    """The second one is refused, and the first one keeps its answer."""
    client, mark = stage.client(LEGACY), stage.mark()
    slow = client.frame("tools/call", {"name": "slow", "arguments": {"ms": 700}}, 7)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(stage.post, client, slow)
        wait_until(lambda: any(e.get("arguments") == {"ms": 700} for e in stage.entries()))
        second = stage.post(client, {**stage.echo(client, mark), "id": 7})
        assert "error" in second.frame
        assert "slow ran" in str(first.result().frame["result"])
    assert not stage.reached(mark)
    assert mark not in str(stage.post(client, {**stage.echo(client, "later"), "id": 7}).frame)


def test_same_ids_of_two_modern_clients(stage: Stage) -> None:
    """Clients of one caller may count alike: each gets its own answer, progress and token."""
    ms = 1500
    ones = [HttpClient(stage.url, stage.keys["ann"], modern=True) for _ in range(2)]
    token = "same"
    marks = [stage.mark(), stage.mark()]
    frames = []
    for client, mark in zip(ones, marks, strict=True):
        meta = {"progressToken": token, "example.com/mark": mark}
        params = {"name": "slow", "arguments": {"ms": ms}, "_meta": meta}
        frames.append(client.frame("tools/call", params, 1))
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(stage.begin, c, f) for c, f in zip(ones, frames, strict=True)]
        wait_until(lambda: all(stage.frames(mark) for mark in marks))
        seen = [stage.frames(mark)[0] for mark in marks]
        inner = [frame["params"]["_meta"]["progressToken"] for frame in seen]
        assert len({frame["id"] for frame in seen}) == len(set(inner)) == 2
        notes = [
            {
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": each, "x": {"for": n}, "progress": n + 1, "y": {}},
            }
            for n, each in enumerate(inner)
        ]  # fmt: skip
        stray = {**notes[0], "params": {"progressToken": token, "progress": 9, "y": {}}}
        assert "result" in ones[0].call("raw", json=inject(stray, *notes)).frame
        for number, response in enumerate(waiting):
            with response.result() as events:
                progress, answer = events.rest()
                assert progress["params"]["progressToken"] == token
                assert progress["params"]["progress"] == number + 1
                assert answer["id"] == 1
                assert "slow ran" in str(answer["result"])


def test_progress_goes_to_its_own_response(stage: Stage) -> None:
    """Legacy: of two responses that are open, the token decides; a token of nobody is dropped."""
    client = stage.client(LEGACY)
    frames = [
        client.frame(
            "tools/call",
            {"name": "slow", "arguments": {"ms": 1200 + n}, "_meta": {"progressToken": f"t{n}"}},
        )
        for n in range(2)
    ]
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(stage.begin, client, frame) for frame in frames]
        wait_until(lambda: sum(1200 <= e.get("arguments", {}).get("ms", 0) < 1202 for e in stage.entries()) == 2)  # fmt: skip
        notes = [
            {
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": 5, "y": {}},
            }
            for token in ("t0", "nobody", "t1")
        ]  # fmt: skip
        assert "result" in client.call("raw", json=inject(*notes)).frame
        for number, response in enumerate(waiting):
            with response.result() as events:
                progress, answer = events.rest()
                assert progress["params"]["progressToken"] == f"t{number}"
                assert answer["id"] == frames[number]["id"]


def test_server_asks_on_the_response(stage: Stage) -> None:
    """A question comes with the response of its call; its answer is posted; it is answered once."""
    client = stage.client(LEGACY, capabilities=ROOTS)
    ask = client.frame("tools/call", {"name": "ask", "arguments": {"method": "roots/list"}})
    mark = stage.mark()
    with stage.begin(client, ask) as response:
        question = response.next()
        assert question["method"] == "roots/list"
        result = {"roots": [{"uri": "file:///x", "name": mark}]}
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": result}
        body = json.dumps(answer).encode()
        assert client.send("POST", body).status == 202
        assert mark in str(response.next()["result"])
        assert response.next() is None
        again = client.send("POST", body)
        assert again.status == 400
        assert "error" in again.frame
    assert len([e for e in stage.entries() if mark in str(e.get("answer"))]) == 1


@pytest.mark.parametrize(
    "frame",
    [
        {"jsonrpc": "2.0", "id": 991, "result": {"roots": []}},
        {"jsonrpc": "2.0", "id": "0", "result": {}},
        {"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": "m"}},
    ],
    ids=str,
)
def test_answer_to_nothing(
    stage: Stage, clients: dict[str, HttpClient], frame: dict[str, object]
) -> None:
    """Nobody asked."""
    client = clients[LEGACY]
    answer = client.send("POST", json.dumps(frame).encode())
    assert answer.status == 400
    assert answer.frame["id"] is None
    stage.works(client)


def test_server_speaks_on_the_general_stream(stage: Stage) -> None:
    """What belongs to no request waits for a listener and comes by GET, once."""
    client = stage.client(LEGACY, capabilities=ROOTS)
    note = {
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "info", "data": {"n": 1}},
    }  # fmt: skip
    question = {"jsonrpc": "2.0", "id": 77, "method": "roots/list", "params": {"_meta": {}}}
    assert "result" in client.call("raw", json=inject(note, question)).frame
    with stage.listen(client) as general:
        assert general.headers["content-type"] == "text/event-stream"
        assert general.next()["params"]["data"] == {"n": 1}
        asked = general.next()
        assert asked["method"] == "roots/list"
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}
        assert client.send("POST", json.dumps(answer).encode()).status == 202
        wait_until(lambda: any(e.get("answer", {}).get("id") == 77 for e in stage.entries()))
        headers = client.headers(Accept="text/event-stream")
        assert client.send("GET", None, headers).status == 409
        stage.works(client)


def cancel(client: HttpClient, number: object) -> int:
    frame = {
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number},
    }  # fmt: skip
    return client.send("POST", json.dumps(frame).encode()).status


def test_cancel_legacy(stage: Stage) -> None:
    """The response ends without an answer, the server is told, its late answer goes nowhere."""
    client = stage.client(LEGACY)
    slow = client.frame("tools/call", {"name": "slow", "arguments": {"ms": 803}}, "slow-803")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(stage.begin, client, slow)
        wait_until(lambda: any(e.get("arguments") == {"ms": 803} for e in stage.entries()))
        assert cancel(client, "slow-803") == 202
        with waiting.result() as response:
            assert response.rest() == []
    assert any(
        "cancelled" in e.get("frame", "") and "slow-803" in e["frame"] for e in stage.entries()
    )
    with stage.listen(client) as general:
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": {}}}  # fmt: skip
        time.sleep(0.9)  # the late answer must have had its chance
        client.call("raw", json=inject(note))
        assert general.next()["method"] == "notifications/message"
    stage.works(client)


def test_cancel_modern(stage: Stage, clients: dict[str, HttpClient]) -> None:
    """Closing the connection is the cancel: the server is told, for this request alone."""
    client, mark = clients[MODERN], stage.mark()
    hang = client.frame("tools/call", {"name": "hang", "arguments": {"message": mark}})
    body = json.dumps(hang).encode()
    head = stage.head(client, hang, f"Content-Length: {len(body)}") + b"\r\n"
    with socket.create_connection(stage.address, 10) as connection:
        connection.sendall(head + body)
        inner = wait_until(lambda: stage.frames(mark))[0]["id"]
    wait_until(
        lambda: any(
            "notifications/cancelled" in e.get("frame", "") and f'"{inner}"' in e["frame"]
            for e in stage.entries()
        ),
        "the server was not told",
    )
    stage.works(client)


def test_disconnect_is_no_cancel_legacy(stage: Stage) -> None:
    """A legacy client that is cut off has cancelled nothing."""
    client = stage.client(LEGACY)
    slow = client.frame("tools/call", {"name": "slow", "arguments": {"ms": 404}}, "slow-404")
    body = json.dumps(slow).encode()
    head = stage.head(client, slow, f"Content-Length: {len(body)}") + b"\r\n"
    with socket.create_connection(stage.address, 10) as connection:
        connection.sendall(head + body)
        wait_until(lambda: any(e.get("arguments") == {"ms": 404} for e in stage.entries()))
    stage.works(client)
    assert not any("cancelled" in e.get("frame", "") and "slow-404" in e["frame"] for e in stage.entries())  # fmt: skip


# --- resumption -------------------------------------------------------------------------------


def test_resume_a_response(stage: Stage) -> None:
    """Cut off behind a question, the client comes back and gets the rest: all of it, once."""
    client = stage.client(LEGACY, capabilities=ROOTS)
    ask = client.frame("tools/call", {"name": "ask", "arguments": {"method": "roots/list"}})
    response = stage.begin(client, ask)
    question = response.next()
    last = response.last_id
    response.close()
    answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}
    assert client.send("POST", json.dumps(answer).encode()).status == 202
    for _ in range(2):
        with stage.listen(client, **{"Last-Event-ID": last}) as resumed:
            (frame,) = resumed.rest()
            assert frame["id"] == ask["id"]
            end = resumed.last_id
    with stage.listen(client, **{"Last-Event-ID": end}) as resumed:
        assert resumed.rest() == []
    stage.works(client)


def test_resume_in_the_middle(stage: Stage) -> None:
    """Of many events the ones behind the last seen come again, in order, without a gap."""
    client = stage.client(LEGACY)
    noise = client.frame("tools/call", {"name": "noise", "arguments": {"count": 300}})
    seen = []
    with stage.begin(client, noise) as response:
        for _ in range(100):
            seen.append(response.next()["params"]["data"])
        last = response.last_id
    with stage.listen(client, **{"Last-Event-ID": last}) as resumed:
        *notes, answer = resumed.rest()
    assert seen + [note["params"]["data"] for note in notes] == list(range(300))
    assert "noise ran" in str(answer["result"])


def test_resume_takes_over(stage: Stage) -> None:
    """A connection that looks alive does not keep its client out; it gets nothing more."""
    client = stage.client(LEGACY, capabilities=ROOTS)
    ask = client.frame("tools/call", {"name": "ask", "arguments": {"method": "roots/list"}})
    with stage.begin(client, ask) as dead:
        question = dead.next()
        with stage.listen(client, **{"Last-Event-ID": dead.last_id}) as resumed:
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}
            assert client.send("POST", json.dumps(answer).encode()).status == 202
            assert [frame["id"] for frame in resumed.rest()] == [ask["id"]]
        assert dead.rest() == []


@pytest.mark.parametrize("last", ["", "x", "1", "9999:1", "1:-1", "1:1e3", "1:999999", ":", "١:١"])
def test_invented_event_id(stage: Stage, clients: dict[str, HttpClient], last: str) -> None:
    """Nothing is said again from where nothing was said."""
    client = clients[LEGACY]
    headers = client.headers(Accept="text/event-stream", Last_Event_ID=last)
    headers = {k: v.encode().decode("latin-1") for k, v in headers.items()}
    assert client.send("GET", None, headers).status == 400
    stage.works(client)


def test_slow_reader_holds_up_only_itself(stage: Stage) -> None:
    """A client that does not read makes its own server wait; another session goes on."""
    slow, other = stage.client(LEGACY), stage.client(LEGACY, "eve")
    frame = slow.frame("tools/call", {"name": "noise", "arguments": {"count": 100_000}})
    body = json.dumps(frame).encode()
    head = stage.head(slow, frame, f"Content-Length: {len(body)}") + b"\r\n"
    with socket.create_connection(stage.address, 10) as connection:
        connection.sendall(head + body)
        wait_until(lambda: any(e.get("arguments") == {"count": 100_000} for e in stage.entries()))
        for _ in range(20):
            stage.works(other)
    stage.works(other)
