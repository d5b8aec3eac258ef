"""The network: what fails there is one error, and what a body fails with stays what it was."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.errors import UnreachableError
from remit.artifacts.oci.http import Request, Stream, read
from remit.artifacts.oci.transport import AiohttpTransport
from remit.artifacts.oci.transport.network import _proxy


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            # The client went away in the middle of its body; nobody waits for an answer.
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with HTTPServer(("127.0.0.1", 0), Echo) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()


def put(url, body):
    async def work():
        async with (
            AiohttpTransport() as transport,
            transport.send(Request(method="PUT", url=url, body=body)) as answer,
        ):
            return await read(answer, 1 << 20)

    return asyncio.run(work())


def stream(pieces, length, error=None):
    async def opened():
        for piece in pieces:
            yield piece
        if error is not None:
            raise error

    return Stream(length, opened)


def test_bodies(server):
    assert put(server, b"") == b""
    assert put(server, b"whole") == b"whole"
    assert put(server, stream([b"in ", b"pieces"], 9)) == b"in pieces"


@pytest.mark.parametrize("error", [DigestError("x"), UnreachableError("source"), OSError("disk")])
def test_what_a_body_fails_with_stays_what_it_was(server, error):
    with pytest.raises(type(error)) as found:
        put(server, stream([b"a"], 100, error))
    assert found.value is error


def test_what_is_not_there():
    with pytest.raises(UnreachableError, match="Connection refused"):
        put("http://127.0.0.1:1/", b"")


def test_the_first_failure_ends_the_others():
    done = []

    async def work():
        async with AiohttpTransport() as transport:

            async def good():
                await asyncio.sleep(30)
                done.append(1)

            async def bad():
                await asyncio.sleep(0)
                raise DigestError("bad")

            await transport.each([good, bad, good, good], 2)

    with pytest.raises(DigestError, match="bad"):
        asyncio.run(work())
    assert done == []


def test_so_many_at_a_time():
    running = [0, 0]

    async def work():
        async with AiohttpTransport() as transport:

            async def one():
                running[0] += 1
                running[1] = max(running)
                await asyncio.sleep(0.001)
                running[0] -= 1

            await transport.each([one] * 20, 3)

    asyncio.run(work())
    assert running == [0, 3]


def test_proxies(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    assert _proxy("https://registry.example/v2/") == "http://proxy.example:3128"
    assert _proxy("https://a.internal.example/v2/") is None
    for loopback in ("https://127.0.0.1:5000/", "https://[::1]/", "https://localhost/"):
        assert _proxy(loopback) is None
