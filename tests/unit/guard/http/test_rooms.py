import asyncio

import pytest

from remit.core.event import Agent
from remit.guard.callers.base import Caller
from remit.guard.daemon import rooms
from remit.guard.daemon.questions import Questions
from remit.guard.daemon.rooms import MAX_NOTED_PER_MINUTE, MAX_PER_CALLER, HttpRooms
from remit.guard.daemon.sessions import Sessions
from remit.guard.errors import GuardError
from remit.guard.mcp.session import Limits
from tests.unit.guard.helpers import SERVER, Talk
from tests.unit.guard.http.helpers import until
from tests.unit.guard.http.test_conversations import Server


def caller(user="ann", credential="k1"):
    return Caller(agent=Agent(id="a"), user=user, how="key", credential=credential)


class House:
    """A daemon with one server, which takes a moment to start."""

    def __init__(self, directory):
        self.talk = Talk(directory)
        self.sessions = Sessions(self.talk.ledger, self.talk.clock, Questions(self.talk.clock))
        self.started = []

    def server(self, name):
        if name != SERVER:
            raise GuardError("no such server", code="config.unknown_server")
        return self.talk.governed

    def connect(self, _server, _agent, _user):
        def made(on_line, on_exit):
            server = Server(on_line, on_exit, [])

            async def start():
                await asyncio.sleep(0.01)
                self.started.append(server)

            server.start = start
            return server

        return made


def play(tmp_path, body, **more):
    async def all_of_it():
        house = House(tmp_path)
        made = HttpRooms(house, house.talk.ledger, Limits(), **more)
        sweeping = asyncio.ensure_future(made.sweep())
        try:
            await body(house, made)
        finally:
            sweeping.cancel()
            await house.sessions.end_all(5)
            house.talk.close()

    asyncio.run(asyncio.wait_for(all_of_it(), 10))


def test_a_session_is_of_its_server_and_its_caller(tmp_path):
    async def body(_house, made):
        name, conversation = await made.open(SERVER, caller())
        assert len(name) > 40
        assert made.find(SERVER, name, caller()) is conversation
        assert made.find("other", name, caller()) is None
        assert made.find(SERVER, name, caller("eve")) is None
        assert made.find(SERVER, name, caller(credential="k2")) is None
        assert made.find(SERVER, name + "x", caller()) is None

    play(tmp_path, body)


def test_modern_requests_at_once_share_one_connection(tmp_path):
    async def body(house, made):
        asked = [made.shared(SERVER, caller()) for _ in range(20)]
        found = await asyncio.gather(*asked, made.shared(SERVER, caller("eve")))
        assert len(set(map(id, found))) == 2
        assert len(house.started) == 2
        assert found[-1] is not found[0]

    play(tmp_path, body)


def test_sessions_of_a_caller_are_counted_while_they_open(tmp_path):
    async def body(house, made):
        asked = [made.open(SERVER, caller()) for _ in range(MAX_PER_CALLER + 10)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        refused = [error for error in found if isinstance(error, GuardError)]
        assert [error.code for error in refused] == ["http.too_many"] * 10
        assert len(house.started) == MAX_PER_CALLER
        await made.open(SERVER, caller("eve"))
        assert not made._begun

    play(tmp_path, body)


def test_unknown_servers_leave_nothing_behind(tmp_path):
    async def body(_house, made):
        for name in ("x", "y"):
            for ask in (made.open, made.shared):
                with pytest.raises(GuardError):
                    await ask(name, caller())
            assert not made.serves(name)
        assert made.serves(SERVER)
        assert not made._opening
        assert not made._begun

    play(tmp_path, body)


def test_idle_sessions_end(tmp_path):
    async def body(house, made):
        name, legacy = await made.open(SERVER, caller())
        shared = await made.shared(SERVER, caller())
        await until(lambda: legacy.done.is_set() and shared.done.is_set())
        await until(lambda: all(server.stopped for server in house.started))
        assert made.find(SERVER, name, caller()) is None
        assert await made.shared(SERVER, caller()) is not shared

    play(tmp_path, body, legacy_idle_s=0.1, shared_idle_s=0.1, sweep_s=0.01)


def test_who_listens_is_not_idle(tmp_path):
    async def body(_house, made):
        _, conversation = await made.open(SERVER, caller())
        conversation.listen().attach("me")
        await asyncio.sleep(0.2)
        assert not conversation.done.is_set()
        conversation.listen()
        conversation._general.detach("me")
        await conversation.done.wait()

    play(tmp_path, body, legacy_idle_s=0.05, sweep_s=0.01)


def test_a_server_that_is_gone_is_no_session(tmp_path):
    async def body(house, made):
        name, _ = await made.open(SERVER, caller())
        shared = await made.shared(SERVER, caller())
        for server in house.started:
            server.on_exit("ended")
        assert made.find(SERVER, name, caller()) is None
        assert await made.shared(SERVER, caller()) is not shared

    play(tmp_path, body)


def test_of_strangers_some_are_recorded_and_of_callers_all(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "MINUTE_S", 1e9)

    async def body(house, made):
        made._minute = asyncio.get_running_loop().time()
        for _ in range(MAX_NOTED_PER_MINUTE + 40):
            made.refused("x", 401, "caller.unauthenticated", None)
        for _ in range(MAX_NOTED_PER_MINUTE + 40):
            made.refused("x\n", 400, "http.twice", caller())
        noted = [r for r in house.talk.records() if r["kind"] == "http.refused"]
        strangers = sum(r["status"] == 401 for r in noted)
        assert (strangers, len(noted) - strangers) == (
            MAX_NOTED_PER_MINUTE,
            MAX_NOTED_PER_MINUTE + 40,
        )
        assert 'status="401"} 100' in made.metrics()

    play(tmp_path, body)
