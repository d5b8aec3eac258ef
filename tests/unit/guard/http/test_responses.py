import asyncio

import pytest

from remit.guard.http import responses
from remit.guard.http.responses import Responder, refuse, respond
from remit.guard.http.streams import Stream
from remit.guard.mcp.messages import Refused
from tests.unit.guard.http.helpers import until

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{}}'
NOTE = b'{"jsonrpc":"2.0","method":"m"}'


def fault(code):
    return b'{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"m"}}' % code


class Wire:
    """What the server of HTTP sees, and a client that leaves when told."""

    def __init__(self):
        self.sent = []
        self.left = asyncio.Event()
        self.stream = Stream("s", lambda _by: None, keep=True)
        self.responder = Responder(self.send, self.receive)

    async def send(self, message):
        self.sent.append(message)

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def body(self):
        return b"".join(m["body"] for m in self.sent[1:])

    @property
    def ended(self):
        return not self.sent[-1].get("more_body", False)


def play(body):
    asyncio.run(asyncio.wait_for(body(), 5))


@pytest.mark.parametrize("modern", [True, False])
def test_an_answer_alone_is_json(modern):
    async def body():
        wire = Wire()
        wire.stream.put(RESULT, last=True)
        await wire.responder.answer(wire.stream, modern=modern, headers={"x": "y"})
        assert (wire.status, wire.body, wire.ended) == (200, RESULT, True)
        assert wire.headers["content-type"] == "application/json"
        assert wire.headers["cache-control"] == "no-store"
        assert wire.headers["x"] == "y"
        assert wire.responder.succeeded
        assert not wire.responder.resumable
        assert wire.stream.reader is None

    play(body)


@pytest.mark.parametrize(
    ("code", "status"),
    [(-32700, 400), (-32601, 404), (-32020, 400), (-32603, 200), (-31001, 200), (7, 200)],
)
def test_status_of_errors(code, status):
    async def body():
        for modern in (True, False):
            wire = Wire()
            wire.stream.put(fault(code), last=True)
            await wire.responder.answer(wire.stream, modern=modern)
            assert wire.status == (status if modern else 200)
            assert not wire.responder.succeeded

    play(body)


@pytest.mark.parametrize("modern", [True, False])
def test_more_than_an_answer_is_a_stream(modern):
    async def body():
        wire = Wire()
        wire.stream.put(NOTE)
        wire.stream.put(RESULT, last=True)
        await wire.responder.answer(wire.stream, modern=modern)
        assert wire.headers["content-type"] == "text/event-stream"
        assert wire.body.count(b"\n\n") == 2
        assert (b"id: s:1\n" in wire.body) is not modern
        assert wire.responder.resumable is not modern
        assert wire.responder.succeeded
        assert wire.ended

    play(body)


def test_silence_begins_the_response(monkeypatch):
    monkeypatch.setattr(responses, "PATIENCE_S", 0.01)
    monkeypatch.setattr(responses, "KEEP_ALIVE_S", 0.01)

    async def body():
        wire = Wire()
        answering = asyncio.ensure_future(wire.responder.answer(wire.stream))
        await until(lambda: len(wire.sent) >= 3)
        assert wire.body.startswith(b": still here\n\n")
        wire.stream.put(RESULT, last=True)
        await answering
        assert RESULT in wire.body

    play(body)


def test_cancelled_is_an_empty_stream():
    async def body():
        wire = Wire()
        answering = asyncio.ensure_future(wire.responder.answer(wire.stream))
        await asyncio.sleep(0)
        wire.stream.end()
        await answering
        assert (wire.status, wire.body, wire.ended) == (200, b"", True)
        assert not wire.responder.succeeded

    play(body)


def test_a_client_that_left_gets_nothing():
    async def body():
        wire = Wire()
        answering = asyncio.ensure_future(wire.responder.answer(wire.stream))
        await asyncio.sleep(0)
        wire.left.set()
        await answering
        assert wire.sent == []
        assert wire.stream.reader is None

    play(body)


def test_a_client_that_leaves_in_the_middle_can_come_back():
    async def body():
        wire = Wire()
        wire.stream.put(NOTE)
        answering = asyncio.ensure_future(wire.responder.answer(wire.stream))
        await until(lambda: len(wire.sent) >= 2)
        wire.left.set()
        await answering
        assert not wire.ended
        wire.stream.put(RESULT, last=True)
        back = Wire()
        assert wire.stream.rewind(1)
        await back.responder.events(wire.stream, resumable=True)
        assert back.body == b": still here\n\nid: s:2\nevent: message\ndata: " + RESULT + b"\n\n"

    play(body)


def test_whoever_is_taken_over_ends():
    async def body():
        old, new = Wire(), Wire()
        old.stream.put(NOTE)
        first = asyncio.ensure_future(old.responder.answer(old.stream))
        await until(lambda: len(old.sent) >= 2)
        second = asyncio.ensure_future(new.responder.events(old.stream, resumable=True))
        await first
        assert old.ended
        old.stream.put(RESULT, last=True)
        await second
        assert RESULT in new.body
        assert RESULT not in old.body

    play(body)


def test_refusal():
    async def body():
        wire = Wire()
        error = Refused("no\x1b[2J")
        await refuse(wire.send, 401, error, -32600, {"www-authenticate": "Bearer"}, 7)
        assert wire.status == 401
        assert wire.headers["www-authenticate"] == "Bearer"
        assert b'"id":7' in wire.body
        assert b"\x1b" not in wire.body
        assert b"\\u001b" not in wire.body

    play(body)


def test_no_content_has_no_length():
    async def body():
        wire = Wire()
        await respond(wire.send, 204, {}, b"")
        assert "content-length" not in wire.headers

    play(body)
