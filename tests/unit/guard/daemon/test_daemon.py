"""What peers can ask of a Guard, with a played configuration and without processes."""

import asyncio
import contextlib
import json
import os
import socket

import pytest

from remit.facts.usage import Usage
from remit.guard.config import Config, ServerConfig
from remit.guard.daemon import peers as module
from remit.guard.daemon.daemon import Daemon
from remit.guard.daemon.peers import Peers
from remit.guard.daemon.unix import Caller, Peer
from remit.guard.errors import GuardError
from remit.guard.identity import Process
from remit.guard.ledger import Ledger
from remit.guard.mcp.session import Limits
from remit.guard.paths import Place
from tests.unit.guard.helpers import (
    HEAD,
    SERVER,
    TestClock,
    bundle_of,
    go,
    log_records,
    open_log,
)

ME = Peer(os.getpid(), os.getuid(), "alice")


class Guarded:
    """A daemon over a log on disk; ``bundle`` and ``names`` are what a reload finds."""

    def __init__(self, directory):
        self.directory = directory
        self.clock = TestClock()
        self.log = open_log(directory, self.clock)
        self.ledger = Ledger(self.log, guard_id="g", surface="daemon")
        self.bundle = bundle_of(directory)
        self.names = [SERVER, "other"]
        self.problem = None
        place = Place(directory, directory / "tools.lock", directory, -1)
        self.daemon = Daemon(
            self._load,
            Usage(self.bundle.limits),
            self.ledger,
            self.clock,
            place,
            self._connect,
        )
        self.peers = Peers(self.daemon, self.ledger, Limits())
        self.daemon.reload()

    def _load(self):
        if self.problem is not None:
            raise self.problem
        servers = {
            name: ServerConfig(
                id=name, command=("x",), cwd=self.directory, workspace=self.directory
            )
            for name in self.names
        }
        return Config(bundle=None, state=None, servers=servers), self.bundle

    def _connect(self, *_):
        pytest.fail("nothing may reach a server here")

    async def tell(self, line, *, peer=ME, descriptors=()):
        """One connection, handled to its end: the lines that were answered."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with contextlib.closing(theirs):
            taken = list(descriptors)
            await self.peers.handle(Caller(ours, peer, line, taken))
            ours.close()
            for descriptor in taken:
                os.close(descriptor)
            return [json.loads(each) for each in theirs.recv(1 << 16).splitlines()]

    async def ask(self, op, peer=ME, **more):
        (answer,) = await self.tell(json.dumps({"remit": 1, "op": op, **more}).encode(), peer=peer)
        return answer

    def records(self, kind):
        self.log.flush()
        return [r for r in log_records(self.directory) if r["kind"] == kind]


@pytest.fixture
def played(tmp_path):
    """Run a scenario with a fresh daemon."""

    def play(scenario):
        async def run():
            guarded = Guarded(tmp_path)
            try:
                await scenario(guarded)
            finally:
                guarded.log.close()

        go(run())

    return play


@pytest.mark.parametrize("line", [b"", b"{}", b'{"remit":1,"op":"mcp","op":"stop"}', b"x" * 5000])
def test_what_is_no_request_is_told_so(played, line):
    async def scenario(guarded):
        (answer,) = await guarded.tell(line)
        assert (answer["ok"], answer["code"]) == (False, "guard.bad_hello")
        assert not guarded.daemon.stopping.is_set()

    played(scenario)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("srb", "did you mean `srv`?"), ("zzz", "configured: other, srv"), ("", "configured:")],
)
def test_an_unknown_server_is_refused_with_a_way_on_and_recorded(played, name, hint):
    async def scenario(guarded):
        answer = await guarded.ask("mcp", server=name)
        assert answer["code"] == "config.unknown_server"
        assert hint in answer["hint"]
        (record,) = guarded.records("session.refused")
        assert (record["server"], record["code"]) == (name, "config.unknown_server")
        assert record["user"] == "alice"

    played(scenario)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_another_number_of_streams_is_refused(played, count):
    async def scenario(guarded):
        line = json.dumps({"remit": 1, "op": "mcp", "server": SERVER}).encode()
        streams = [os.dup(0) for _ in range(count)]
        (answer,) = await guarded.tell(line, descriptors=streams)
        assert answer["code"] == "guard.no_streams"

    played(scenario)


@pytest.mark.parametrize("op", ["status", "reload", "stop", "questions", "answer"])
def test_another_user_controls_nothing(played, op):
    async def scenario(guarded):
        answer = await guarded.ask(op, Peer(1, os.getuid() + 4711, "mallory"))
        assert answer["code"] == "guard.not_yours"
        assert not guarded.daemon.stopping.is_set()

    played(scenario)


def test_root_controls(played):
    async def scenario(guarded):
        assert (await guarded.ask("stop", Peer(1, 0, "root")))["ok"]
        assert guarded.daemon.stopping.is_set()

    played(scenario)


def test_status_says_what_is_in_force(played):
    async def scenario(guarded):
        shown = await guarded.ask("status")
        assert shown["ok"]
        assert [server["id"] for server in shown["servers"]] == ["other", SERVER]
        assert shown["policy"]["serial"] == 1
        assert shown["policy"]["reload"]["ok"]
        assert shown["sessions"] == []
        assert shown["log"]["poisoned"] == ""

    played(scenario)


@pytest.mark.parametrize("what", ["config", "pins"])
def test_a_reload_that_does_not_check_changes_nothing(played, what, tmp_path):
    """The last good policy stays in force, and answer, status and log say so."""

    async def scenario(guarded):
        before = {name: guarded.daemon.server(name).policy for name in guarded.names}
        guarded.names = ["new"]
        guarded.bundle = bundle_of(tmp_path / "b2", head=HEAD.replace("serial = 1", "serial = 2"))
        if what == "config":
            guarded.problem = GuardError("`remit.toml` is broken", code="config.invalid")
        else:
            (tmp_path / "tools.lock").write_text("no pins")
        answer = await guarded.ask("reload")
        assert not answer["ok"]
        assert {name: guarded.daemon.server(name).policy for name in before} == before
        status = await guarded.ask("status")
        assert status["policy"]["serial"] == 1
        assert status["policy"]["reload"]["ok"] is False
        assert status["policy"]["reload"]["code"] == answer["code"]
        assert [r["ok"] for r in guarded.records("guard.reload")] == [True, False]

    played(scenario)


def test_a_reload_takes_effect_as_a_whole(played, tmp_path):
    async def scenario(guarded):
        kept = guarded.daemon.server("other")
        guarded.bundle = bundle_of(tmp_path / "b2", head=HEAD.replace("serial = 1", "serial = 2"))
        guarded.names = ["other", "new"]
        answer = await guarded.ask("reload")
        assert answer["reload"]["serial"] == 2
        assert guarded.daemon.server("other") is kept
        assert {guarded.daemon.server(n).policy.bundle.serial for n in guarded.names} == {2}
        with pytest.raises(GuardError):
            guarded.daemon.server(SERVER)

    played(scenario)


def test_a_signal_reloads_and_a_bad_one_stops_nothing(played):
    async def scenario(guarded):
        guarded.problem = GuardError("no")
        guarded.daemon.reload_quietly()
        guarded.problem = None
        guarded.daemon.reload_quietly()
        assert [r["ok"] for r in guarded.records("guard.reload")] == [True, False, True]

    played(scenario)


def family(*executables):
    def ancestors(pid):
        yield from (Process(number, each, ()) for number, each in enumerate(executables, 2))

    return ancestors


def test_a_persons_word_is_taken_and_recorded(played, monkeypatch):
    async def scenario(guarded):
        line = family("/bin/bash", "/sbin/init")
        monkeypatch.setattr(module, "lineage", lambda pid: tuple(line(pid)))
        daemon = guarded.daemon
        monkeypatch.setattr(daemon.sessions, "executables", lambda: frozenset({"/opt/agent"}))
        task = asyncio.create_task(daemon.questions.ask("May it?", 10))
        await asyncio.sleep(0)
        (question,) = (await guarded.ask("questions"))["questions"]
        assert (await guarded.ask("answer", question=question["id"], yes=True))["ok"]
        assert await task is True
        again = await guarded.ask("answer", question=question["id"], yes=True)
        assert again["code"] == "guard.no_question"
        (record,) = guarded.records("confirmation.answer")
        assert (record["user"], record["yes"]) == ("alice", True)

    played(scenario)


@pytest.mark.parametrize(
    "line", [("/bin/bash", "/opt/agent", "/sbin/init"), ("/opt/agent",), ("/opt/agent", "")]
)
def test_an_agents_word_is_refused_and_recorded(played, monkeypatch, line):
    async def scenario(guarded):
        monkeypatch.setattr(module, "lineage", lambda pid: tuple(family(*line)(pid)))
        daemon = guarded.daemon
        monkeypatch.setattr(daemon.sessions, "executables", lambda: frozenset({"/opt/agent"}))
        task = asyncio.create_task(daemon.questions.ask("May it?", 10))
        await asyncio.sleep(0)
        (question,) = daemon.questions.listing()
        answer = await guarded.ask("answer", question=question["id"], yes=True)
        assert answer["code"] == "guard.agent_answers"
        assert not task.done()
        assert len(guarded.records("confirmation.refused")) == 1
        task.cancel()

    played(scenario)


@pytest.mark.parametrize("line", [None, (Process(1, "", ()),)])
def test_nobodys_word_is_refused(played, monkeypatch, line):
    """A peer that has ended, or cannot be seen, may have been an agent."""

    async def scenario(guarded):
        monkeypatch.setattr(module, "lineage", lambda _: line)
        task = asyncio.create_task(guarded.daemon.questions.ask("May it?", 10))
        await asyncio.sleep(0)
        (question,) = guarded.daemon.questions.listing()
        answer = await guarded.ask("answer", question=question["id"], yes=True)
        assert answer["code"] == "guard.agent_answers"
        assert not task.done()
        task.cancel()

    played(scenario)


def test_no_answer_to_nothing(played):
    async def scenario(guarded):
        for name in ("", "00000000"):
            answer = await guarded.ask("answer", question=name, yes=True)
            assert answer["code"] == "guard.no_question"

    played(scenario)


def test_a_clock_that_is_set_back_is_in_the_log(played):
    """Through the clock port: what is recorded after the jump still verifies in its order."""

    async def scenario(guarded):
        guarded.clock.now -= 3_600_000_000
        assert (await guarded.ask("reload"))["ok"]
        (jump,) = guarded.records("clock.jump")
        assert jump["clock"]["to_us"] < jump["clock"]["from_us"]
        times = [r["seq"] for r in guarded.records("guard.reload")]
        assert times[0] < jump["seq"] < times[1]

    played(scenario)
