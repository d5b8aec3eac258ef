"""Requests of Guard's own."""

import asyncio

import pytest

from remit.guard.errors import GuardError
from remit.guard.mcp.messages import Response, failure
from remit.guard.mcp.own import OwnRequests
from tests.unit.guard.helpers import go


def test_an_answer_is_given_to_who_asked():
    async def play():
        sent = []
        own = OwnRequests(sent.append)
        one = asyncio.ensure_future(own.ask("a", {"x": 1}, 5))
        two = asyncio.ensure_future(own.ask("b", {}, 5))
        await asyncio.sleep(0)
        assert [m.method for m in sent] == ["a", "b"]
        assert all(own.owns(m.id) for m in sent)
        assert own.settle(Response(id=sent[1].id, result={"n": 2}))
        assert own.settle(Response(id=sent[0].id, result={"n": 1}))
        # Late and repeated answers are taken and change nothing.
        assert own.settle(Response(id=sent[0].id, result={"n": 3}))
        assert (await one, await two) == ({"n": 1}, {"n": 2})
        assert not own._waiting

    go(play())


def test_failures():
    async def play():
        sent = []
        own = OwnRequests(sent.append)
        refused = asyncio.ensure_future(own.ask("a", {}, 5))
        gone = asyncio.ensure_future(own.ask("b", {}, 5))
        late = asyncio.ensure_future(own.ask("c", {}, 0.01))
        dropped = asyncio.ensure_future(own.ask("d", {}, 5))
        await asyncio.sleep(0)
        own.settle(failure(sent[0].id, 1, "no"))
        dropped.cancel()
        await asyncio.sleep(0.03)
        own.fail("the server died")
        codes = []
        for task in (refused, gone, late):
            with pytest.raises(GuardError) as error:
                await task
            codes.append(error.value.code)
        assert codes == ["mcp.own_request", "mcp.server_gone", "mcp.timeout"]
        assert not own._waiting

    go(play())


def test_a_write_that_fails_leaves_nothing_behind():
    async def play():
        def broken(_request):
            raise ValueError("x")

        own = OwnRequests(broken)
        with pytest.raises(ValueError, match="x"):
            await own.ask("a", {}, 5)
        assert not own._waiting

    go(play())


def test_foreign_ids_are_not_its_own():
    own, other = OwnRequests(lambda _m: None), OwnRequests(lambda _m: None)
    for number in (1, None, "1", "remit-", "remit-000000000000-1", f"{other._prefix}1"):
        assert not own.settle(Response(id=number, result={}))
    assert own.settle(Response(id=f"{own._prefix}999", result={}))
