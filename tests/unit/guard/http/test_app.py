"""The application behind the real listener, on a socket, with callers and rooms that are made up."""

import asyncio
import json
from pathlib import Path

import pytest

from remit.core.event import Agent
from remit.guard.callers.base import Caller, Unauthenticated
from remit.guard.config import HttpConfig
from remit.guard.errors import GuardError
from remit.guard.http import listener
from remit.guard.http.app import App
from remit.guard.http.listener import HttpListener

CALLER = Caller(agent=Agent(id="a"), user="u", how="key", credential="c")


class Callers:
    """Everybody with a key; an issuer is configured."""

    async def authenticate(self, presented):
        if not presented.authorization:
            raise Unauthenticated("no", code="caller.nothing_presented")
        return CALLER

    def metadata(self, resource):
        return {"resource": resource}


class Rooms:
    """One server, which cannot be reached."""

    def __init__(self):
        self.noted = []
        self.is_ready = True
        self.open = self.shared

    def serves(self, server):
        return server == "git"

    async def shared(self, server, caller):
        raise GuardError("it is not there", code="mcp.server_gone")

    def find(self, server, session, caller):
        return None

    def refused(self, server, status, code, caller):
        self.noted.append((server, status, code))

    def ready(self):
        return self.is_ready

    def metrics(self):
        return "one 1\n"


class Stage:
    """A listener and raw connections to it."""

    def __init__(self):
        self.rooms = Rooms()
        self.listener = HttpListener(HttpConfig(listen="127.0.0.1:0"), Path(), 1000)
        self.port = int(self.listener.base.rpartition(":")[2])

    async def connect(self, data):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def raw(self, data):
        reader, writer = await self.connect(data)
        try:
            return await reader.read()
        finally:
            writer.close()

    def head(self, line, *more):
        lines = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *more]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    async def get(self, path, *more):
        data = await self.raw(self.head(f"GET {path}", "Connection: close", *more))
        return int(data.split(b" ")[1]), data.partition(b"\r\n\r\n")[2]


def play(body, body_s=5.0):
    async def all_of_it():
        stage = Stage()
        app = App(stage.rooms, Callers(), stage.listener.rules, stage.listener.base, body_s=body_s)
        await stage.listener.start(app)
        try:
            await body(stage)
        finally:
            await stage.listener.close()

    asyncio.run(asyncio.wait_for(all_of_it(), 20))


POST = ("Content-Type: application/json", "Accept: */*", "Authorization: Bearer x")


def test_metadata_of_servers_that_exist_and_of_no_others():
    async def body(stage):
        root = "/.well-known/oauth-protected-resource"
        status, found = await stage.get(f"{root}/mcp/git")
        assert status == 200
        assert json.loads(found) == {"resource": f"{stage.listener.base}/mcp/git"}
        assert (await stage.get(f"{root}/mcp/git?resource=/mcp/other"))[1] == found
        for path in ("", "/", "/mcp", "/mcp/", "/mcp/none", "/mcp/git/", "/mcp/git/x", "/x",
                     "/mcp/g%69t", "/mcp/.git", "mcp/git", "//mcp/git"):  # fmt: skip
            assert (await stage.get(root + path))[0] == 404, path

    play(body)


def test_probes_and_metrics():
    async def body(stage):
        assert await stage.get("/healthz") == (200, b"ok\n")
        assert await stage.get("/readyz") == (200, b"ok\n")
        assert await stage.get("/metrics?x") == (200, b"one 1\n")
        stage.rooms.is_ready = False
        assert (await stage.get("/readyz"))[0] == 503
        assert (await stage.get("/healthz"))[0] == 200
        assert (await stage.get("/other"))[0] == 404
        assert (await stage.get("/metrics", "Origin: null"))[0] == 403

    play(body)


def test_a_slow_body():
    async def body(stage):
        data = stage.head("POST /mcp/git", "Connection: close", "Content-Length: 100", *POST)
        assert b" 408 " in await stage.raw(data + b"{")
        assert stage.rooms.noted == [("git", 408, "http.slow")]

    play(body, body_s=0.2)


@pytest.mark.parametrize("start", [b"", b"POST /mcp/git HTTP/1.1\r\nHost: x\r\n"])
def test_a_slow_head(start, monkeypatch):
    monkeypatch.setattr(listener, "HEAD_S", 0.2)

    async def body(stage):
        assert b" 408 " in await stage.raw(start)
        data = stage.head("GET /healthz")
        reader, writer = await stage.connect(data)
        await reader.readuntil(b"ok\n")
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert b" 408 " in await reader.read()
        writer.close()

    play(body)


def test_an_answer_before_the_body_ends_frees_the_connection(monkeypatch):
    monkeypatch.setattr(listener, "KEEP_ALIVE_S", 1)

    async def body(stage):
        head = stage.head("POST /mcp/git", "Content-Length: 900", "Content-Type: application/json", "Accept: */*")  # fmt: skip
        reader, writer = await stage.connect(head)
        await reader.readuntil(b"\r\n\r\n")

        async def drip():
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        dripping = asyncio.ensure_future(drip())
        await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        writer.close()

    play(body)


@pytest.mark.parametrize("modern", [True, False])
def test_a_server_that_cannot_be_had(modern):
    async def body(stage):
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
        method = "tools/list" if modern else "initialize"
        params = {"_meta": meta} if modern else {}
        frame = {"jsonrpc": "2.0", "id": "mine", "method": method, "params": params}
        version = ("MCP-Protocol-Version: 2026-07-28", f"Mcp-Method: {method}") if modern else ()
        content = json.dumps(frame).encode()
        head = stage.head("POST /mcp/git", f"Content-Length: {len(content)}", "Connection: close",
                          *POST, *version)  # fmt: skip
        data = await stage.raw(head + content)
        assert b" 503 " in data
        answer = json.loads(data.partition(b"\r\n\r\n")[2])
        assert answer["id"] == "mine"
        assert answer["error"]["message"] == "it is not there"

    play(body)


def test_an_unknown_server_after_the_caller_is_known():
    async def body(stage):
        for extra, status in ((POST, b" 404 "), (POST[:2], b" 401 ")):
            head = stage.head("POST /mcp/none", "Content-Length: 0", "Connection: close", *extra)
            assert status in await stage.raw(head)

    play(body)


def test_without_pages_somebody_is_told_why():
    async def body(stage):
        status, found = await stage.get("/approvals")
        assert status == 404
        assert b"passkeys want a name and TLS" in found

    play(body)


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_nothing_but_http(kind):
    async def body(stage):
        app = App(stage.rooms, Callers(), stage.listener.rules, "")
        with pytest.raises(RuntimeError):
            await app({"type": kind}, None, None)

    play(body)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost:1", "127.0.0.1:x", "127.0.0.1:65536", ""]
)
def test_addresses_that_are_none(address):
    with pytest.raises(GuardError) as caught:
        HttpListener(HttpConfig(listen=address), Path(), 1)
    assert caught.value.code == "http.bad_address"


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"])
def test_no_other_network_without_tls(address):
    with pytest.raises(GuardError) as caught:
        HttpListener(HttpConfig(listen=address), Path(), 1)
    assert caught.value.code == "http.no_tls"
