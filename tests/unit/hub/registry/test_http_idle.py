"""A client that says that a body comes and sends none."""

import asyncio

import pytest

from remit.hub.registry import http
from remit.hub.registry.http import GoneError, Request


def test_a_body_that_does_not_come_ends_the_request(monkeypatch):
    monkeypatch.setattr(http, "IDLE_S", 0.1)

    async def silent():
        await asyncio.sleep(60)

    async def run():
        scope = {
            "method": "PATCH",
            "path": "/",
            "query_string": b"",
            "headers": [(b"content-length", b"5")],
        }
        request = Request(scope, silent)
        with pytest.raises(GoneError, match="nothing for long"), request.watched():
            await request.read(10)
        assert not asyncio.current_task().cancelling()

    asyncio.run(run())


def test_a_request_that_is_cancelled_stays_cancelled():
    async def run():
        scope = {"method": "GET", "path": "/", "query_string": b"", "headers": []}
        with Request(scope, None).watched():
            asyncio.current_task().cancel()
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
