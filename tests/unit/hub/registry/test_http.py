"""Requests and replies without a server."""

import asyncio

import pytest

from remit.hub.registry.errors import NameInvalid, SizeInvalid, UploadInvalid
from remit.hub.registry.http import GoneError, Reply, empty, json_reply, link_next, respond
from tests.unit.hub.support import asked


def body(request):
    async def run():
        return b"".join([piece async for piece in request.body()])

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "version", "length"),
    [
        ([("content-length", "5")], "1.1", 5),
        ([], "1.1", 0),
        ([("transfer-encoding", "chunked")], "1.1", None),
        ([], "2", None),
        ([], "2.0", None),
        ([("content-length", "5")], "2", 5),
        ([("content-length", "0")], "2", 0),
    ],
)
def test_lengths(headers, version, length):
    assert asked(headers=headers, http_version=version).length == length


@pytest.mark.parametrize("text", ["-1", "x", "", "1.0", "\u00b2", " 5", "5, 5"])
def test_a_length_that_is_none(text):
    with pytest.raises(SizeInvalid):
        _ = asked(headers=[("content-length", text)]).length


def test_a_body():
    request = asked(headers=[("content-length", "5")], pieces=[b"ab", b"", b"cde"])
    assert body(request) == b"abcde"
    assert body(asked(pieces=[b"ignored"])) == b""
    assert body(asked(http_version="2", pieces=[b"ab", b"c"])) == b"abc"


@pytest.mark.parametrize("pieces", [[b"ab"], [b"ab", None], [None], [b"abcdef"]])
def test_a_body_of_another_length(pieces):
    with pytest.raises(GoneError):
        body(asked(headers=[("content-length", "5")], pieces=pieces))


def test_a_body_that_is_too_large():
    request = asked(headers=[("transfer-encoding", "chunked")], pieces=[b"x" * 10] * 10)
    with pytest.raises(UploadInvalid):
        asyncio.run(request.read(50))
    request = asked(headers=[("content-length", "50")], pieces=[b"x" * 10] * 5)
    assert len(asyncio.run(request.read(50))) == 50


@pytest.mark.parametrize("name", ["Authorization", "content-length", "HOST", "Range"])
def test_headers_that_may_come_once(name):
    with pytest.raises(SizeInvalid):
        asked(headers=[(name, "1"), (name, "2")])


def test_headers_that_may_come_often():
    assert asked(headers=[("Accept", "a/b"), ("accept", "c/d")]).headers["accept"] == "a/b, c/d"


def test_a_query():
    request = asked(query="tag=a&tag=b%20c&n=&x=%C3%A4")
    assert request.query == [("tag", "a"), ("tag", "b c"), ("n", ""), ("x", "ä")]
    assert (request.first("tag"), request.first("none")) == ("a", None)
    with pytest.raises(NameInvalid):
        asked(query="last=%00")


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([("content-length", "20")], 2),
        ([("transfer-encoding", "chunked")], 2),
        ([("content-length", "20"), ("expect", "100-continue")], 0),
        ([("content-length", "999999999999")], 0),
        ([], 0),
    ],
)
def test_a_body_that_nobody_wants(headers, taken):
    """Is taken, so that the refusal is seen; but not from one who waits to be asked for it."""
    pieces = [b"x" * 10] * 2
    request = asked("PUT", headers=headers, pieces=pieces)
    received = []
    real = request._receive

    async def counted():
        received.append(1)
        return await real()

    request._receive = counted
    asyncio.run(request.drain())
    asyncio.run(request.drain())
    assert len(received) == taken


def test_who_goes_while_nobody_wants_the_body():
    asyncio.run(asked("PUT", headers=[("content-length", "20")], pieces=[b"x", None]).drain())


def sent(reply, method="GET", **scope):
    messages = []

    async def send(message):
        messages.append(message)

    asyncio.run(respond(reply, asked(method, **scope), send))
    assert messages[0]["type"] == "http.response.start"
    return messages


async def stream():
    yield b"ab"
    yield b"cd"


def test_replies():
    reply = json_reply({"a": 1}, headers=(("x-y", "z"),))
    start, end = sent(reply)
    assert (start["status"], end["body"]) == (200, b'{"a":1}')
    assert start["headers"] == [(b"content-type", b"application/json"), (b"content-length", b"7"), (b"x-y", b"z")]  # fmt: skip
    assert sent(reply, "HEAD")[1]["body"] == b""
    assert sent(empty(204))[1]["body"] == b""
    streamed = Reply(status=200, stream=stream)
    assert b"".join(each["body"] for each in sent(streamed)[1:]) == b"abcd"
    assert sent(streamed, "HEAD")[1]["body"] == b""


def test_a_link():
    assert link_next("/v2/a/tags/list", {"n": "2", "last": "a+b"}) == (
        "link", '</v2/a/tags/list?n=2&last=a%2Bb>; rel="next"',
    )  # fmt: skip
