import asyncio
import json
from pathlib import Path

import pytest

from remit.guard.config import Secret, ServerConfig
from remit.guard.http import upstream
from remit.guard.http.upstream import HttpUpstream
from remit.guard.mcp.messages import Notification, Request
from remit.guard.mcp.methods import META_VERSION
from tests.unit.guard.http.helpers import until

MODERN, LEGACY = "2026-07-28", "2025-11-25"
SECRET = "s3cr3t-value"


class Origin:
    """A server of HTTP that answers what the test says, after a moment if it says so."""

    def __init__(self, answer):
        self.answer = answer
        self.seen = []

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"

    async def stop(self):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                frame = json.loads(body) if body else None
                self.seen.append((first.split(" ")[0], headers, frame))
                answer = self.answer(first.split(" ")[0], frame)
                if asyncio.iscoroutine(answer):
                    answer = await answer
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def response(status=200, body=b"", kind="application/json", **headers):
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def result(frame, **members):
    return json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": members}).encode()


def call(number=1, **params):
    meta = {META_VERSION: MODERN}
    return Request(number, "tools/call", {"name": "a", "arguments": {}, **params, "_meta": meta})


class Stage:
    """An upstream over an :class:`Origin`."""

    def __init__(self, answer, headers=None):
        self.origin = Origin(answer)
        self.headers = headers or {}
        self.lines, self.gone = [], []

    async def start(self):
        await self.origin.start()
        config = ServerConfig(
            id="s",
            command=(),
            cwd=Path(),
            workspace=Path(),
            url=self.origin.url,
            headers=self.headers,
        )
        self.up = HttpUpstream(config, 10_000, self._resolve, self.lines.append, self.gone.append)
        await self.up.start()

    @staticmethod
    def _resolve(headers):
        return {k: v.prefix + SECRET if isinstance(v, Secret) else v for k, v in headers.items()}

    async def answers(self, count=1):
        await until(lambda: len(self.lines) >= count)
        return [json.loads(line.data) for line in self.lines]

    async def failure(self):
        return (await self.answers())[0]["error"]["message"]


def play(answer, body, headers=None):
    async def all_of_it():
        stage = Stage(answer, headers)
        await stage.start()
        try:
            await body(stage)
        finally:
            await stage.up.stop()
            await stage.origin.stop()

    asyncio.run(asyncio.wait_for(all_of_it(), 10))


def test_a_modern_call_says_in_its_head_what_its_body_says():
    async def body(stage):
        stage.up.send(call(name="né"))
        assert "result" in (await stage.answers())[0]
        method, headers, frame = stage.origin.seen[0]
        assert (method, frame["params"]["name"]) == ("POST", "né")
        assert headers["mcp-protocol-version"] == MODERN
        assert headers["mcp-method"] == "tools/call"
        assert headers["mcp-name"] == "=?base64?bsOp?="
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert "mcp-session-id" not in headers

    secret = {"Authorization": Secret(secret="x", prefix="Bearer ")}
    play(lambda _m, frame: response(body=result(frame)), body, secret)


def test_own_credentials_do_not_come_back():
    async def body(stage):
        stage.up.send(call())
        (line,) = stage.lines if await stage.answers() else []
        assert SECRET.encode() not in line.data
        assert b"you sent [credential]" in line.data

    secret = {"Authorization": Secret(secret="x", prefix="Bearer ")}
    play(lambda _m, frame: response(body=result(frame, t=f"you sent {SECRET}")), body, secret)


OPENING = Request(0, "initialize", {"protocolVersion": LEGACY, "capabilities": {}})
OPENED = Notification("notifications/initialized", {})


def legacy(method, frame):
    if method != "POST":
        return response(405)
    if frame.get("method") == "initialize":
        return response(body=result(frame, protocolVersion=LEGACY), mcp_session_id="S")
    return response(202) if "id" not in frame else response(body=result(frame))


def test_a_legacy_session():
    async def body(stage):
        stage.up.send(OPENING)
        await stage.answers()
        stage.up.send(OPENED)
        stage.up.send(Request(1, "tools/list", {}))
        await stage.answers(2)
        await until(lambda: len(stage.origin.seen) >= 4)
        for _, headers, _ in stage.origin.seen[1:]:
            assert headers["mcp-session-id"] == "S"
            assert headers["mcp-protocol-version"] == LEGACY
        await stage.up.stop()
        assert stage.origin.seen[-1][0] == "DELETE"

    play(legacy, body)


def test_nothing_overtakes_initialized():
    async def slowly(method, frame):
        if frame and frame.get("method") == "notifications/initialized":
            await asyncio.sleep(0.2)
            done.append(True)
        elif frame and frame.get("method") == "tools/list":
            assert done, "the list came first"
        return legacy(method, frame)

    async def body(stage):
        stage.up.send(OPENING)
        await stage.answers()
        stage.up.send(OPENED)
        stage.up.send(Request(1, "tools/list", {}))
        await stage.answers(2)
        assert done

    done = []
    play(slowly, body)


@pytest.mark.parametrize("session", ["a\tb", "x" * 1025, "é"])
def test_a_session_id_that_is_none(session):
    async def body(stage):
        stage.up.send(OPENING)
        assert "failed" in await stage.failure()

    def answer(_method, frame):
        return response(body=result(frame, protocolVersion=LEGACY), mcp_session_id=session)

    play(answer, body)


def test_a_forgotten_session_is_the_end():
    async def body(stage):
        stage.up.send(OPENING)
        await stage.answers()
        stage.up.send(Request(1, "tools/list", {}))
        await until(lambda: stage.gone)
        assert stage.gone == ["has ended the session"]

    def answer(method, frame):
        listing = frame is not None and frame.get("method") == "tools/list"
        return response(404) if listing else legacy(method, frame)

    play(answer, body)


EVENTS = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n"


def test_a_response_that_stays_open_is_left(monkeypatch):
    monkeypatch.setattr(upstream, "LINGER_S", 0.05)

    async def body(stage):
        for number in range(upstream.MAX_CONNECTIONS + 5):
            stage.up.send(call(number))
        await stage.answers(upstream.MAX_CONNECTIONS + 5)

    play(lambda _m, frame: EVENTS + b"data: " + result(frame) + b"\n\n", body)


def error_of(data):
    try:
        return json.loads(data)["error"]["message"]
    except (ValueError, KeyError):
        return ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(302, location="http://127.0.0.1:1/"), "answers 302"),
        (response(202), "answers 202"),
        (response(500, b"oops", "text/plain"), "answers 500"),
        (response(401, b'{"error":{"message":"who\\u001b?"}}'), "answers 401: who"),
        (response(200, b"{}"), "something else"),
        (response(200, b'{"id":"1","result":{}}'), "something else"),
        (response(200, b"x" * 20_000), "too large"),
        (response(200, b"x", content_encoding="gzip"), "encodes"),
        (b"junk\r\n\r\n", "cannot be reached"),
    ],
)
def test_failures_have_a_reason(answer, reason):
    async def body(stage):
        stage.up.send(call())
        (error,) = await until(lambda: [e for line in stage.lines if (e := error_of(line.data))])
        assert reason in error
        assert "\x1b" not in error

    play(lambda _m, _frame: answer, body)


def test_nobody_there():
    async def body(stage):
        await stage.origin.stop()
        stage.up.send(call())
        assert "cannot be reached" in await stage.failure()

    play(lambda _m, _frame: b"", body)


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_a_cancelled_request_is_read_no_further(era):
    async def never(method, frame):
        if frame and frame.get("method") == "tools/call":
            arrived.set()
            await asyncio.sleep(30)
        return legacy(method, frame)

    async def body(stage):
        if era == LEGACY:
            stage.up.send(OPENING)
            await stage.answers()
        stage.up.send(call(7))
        await arrived.wait()
        stage.up.send(Notification("notifications/cancelled", {"requestId": 7}))
        assert 7 not in stage.up._requests
        if era == LEGACY:
            await until(lambda: stage.origin.seen[-1][2]["method"] == "notifications/cancelled")
        told = [
            f for _, _, f in stage.origin.seen if f and f["method"] == "notifications/cancelled"
        ]
        assert len(told) == (era == LEGACY)

    arrived = asyncio.Event()
    play(never, body)


def test_while_it_is_held_nothing_is_read():
    async def body(stage):
        stage.up.hold("client", full=True)
        stage.up.hold("log", full=True)
        stage.up.send(call())
        stage.up.hold("log", full=False)
        await asyncio.sleep(0.1)
        assert stage.lines == []
        stage.up.hold("client", full=False)
        await stage.answers()

    play(lambda _m, frame: response(body=result(frame)), body)


def test_too_much_at_once(monkeypatch):
    monkeypatch.setattr(upstream, "MAX_IN_FLIGHT", 1)

    async def body(stage):
        stage.up.send(call(1))
        stage.up.send(call(2))
        found = {a["id"]: a for a in await stage.answers(2)}
        assert "too many" in found[2]["error"]["message"]
        assert "result" in found[1]

    play(lambda _m, frame: response(body=result(frame)), body)
