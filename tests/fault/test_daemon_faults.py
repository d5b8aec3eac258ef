"""Real processes of ``remit guard run`` and its shims: stopped, killed, starved, doubled, dropped."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from remit.attest.cipher import SubjectCipher
from remit.audit.read import read
from remit.audit.side import MAX_ENTRY_BYTES, entries, open_value, parse
from tests.fault.tracing import failing
from tests.rig.daemon import Daemon, recorder_command
from tests.rig.governed import copy_bundle, each_record, refused, remit, said
from tests.rig.waiting import until
from tests.rig.wire import LEGACY, EndedError, Wire, call_frame

UNLIMITED = 'max = 100000\nwindow = "1m"'
HELLO = b'{"remit":1,"op":"mcp","server":"rec"}\n'
OPENING = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "rude", "version": "1"},
}


def tool(name, mark):
    return {"name": name, "arguments": {"message": mark}}


def bundle_without_limit(directory):
    bundle = copy_bundle("recorder", directory, WORKSPACE=str(directory))
    facts = bundle / "facts.toml"
    facts.write_text(facts.read_text().replace('max = 3\nwindow = "1h"', UNLIMITED))
    return bundle


def unlimited_daemon(directory, **more):
    bundle = directory / "bundle"
    if not bundle.exists():
        bundle_without_limit(directory)
    command = recorder_command(directory / "server.log")
    return Daemon(directory, {"rec": command}, bundle, **more)


def opened(guard):
    wire = guard.client("rec")
    wire.open(LEGACY)
    return wire


def write(wire, mark, **more):
    return wire.request("tools/call", tool("limited", mark), **more)


def works(guard, mark="still-works"):
    """A new client's writing call goes through."""
    with opened(guard) as wire:
        answer = write(wire, mark)
        assert not refused(answer), answer


def ran(directory):
    """Marks of the writing calls that the servers executed, each as often as it ran."""
    path = directory / "server.log"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return Counter(e["arguments"]["message"] for e in entries if e.get("ran") == "limited")


def durable(state):
    """Call and mark of every allowed writing call on disk, read from the log as it lies there."""
    (directory,) = (state / "audit").iterdir()
    name = (directory / "checkpoint").read_text().splitlines()[0]
    cipher = SubjectCipher(state / "keys" / "subjects")
    wanted = {}
    for entry in read(directory, 0):
        record = entry.record
        if record["kind"] != "tool.decision" or record["action"].get("tool") != "limited":
            continue
        if record["decision"]["effect"] == "allow":
            wanted[entry.seq] = (record["call"], record["action"]["args_c"])
    found = {}
    for file in sorted((directory / "side").iterdir()):
        for _, data in entries(file.read_bytes(), 0, MAX_ENTRY_BYTES):
            value = parse(data)
            call, commitment = wanted.get(value.seq, ("", ""))
            if not call or value.path != "action.args_c":
                continue
            # A batch that a crash undid may have left values of the same number.
            text = open_value(value, name, cipher, commitment)
            if text is not None:
                assert call not in found
                found[call] = json.loads(text)["message"]
    assert found.keys() == {call for call, _ in wanted.values()}
    return found


def verified(state):
    done = remit("audit", "verify", "--state", str(state))
    assert done.returncode == 0, done.stdout + done.stderr


def closed_once(records):
    """Every call that was allowed has exactly one end; returns the ends' states."""
    allowed, ended, states = set(), set(), Counter()
    for number, record in enumerate(records):
        assert record["seq"] == number
        if record["kind"] == "tool.decision" and record["decision"]["effect"] == "allow":
            allowed.add(record["call"])
        elif record["kind"] == "tool.result":
            assert record["call"] not in ended
            ended.add(record["call"])
            states[record["outcome"]["status"]] += 1
    assert allowed == ended
    return states


# --- a Guard that hangs -------------------------------------------------------------------------


def test_a_guard_that_hangs(tmp_path):
    """Stopped before and after the hand-over: both clients are told in time, and no call runs.

    When it wakes up it finds that nobody waits: no session is left, and it serves the next client.
    """
    with unlimited_daemon(tmp_path) as guard:
        late = opened(guard)
        assert not refused(write(late, "BEFORE"))
        guard.process.send_signal(signal.SIGSTOP)
        try:
            early = guard.client("rec")
            started = time.monotonic()
            early.send(call_frame("initialize", OPENING, 1, modern=False))
            early.send(call_frame("tools/call", tool("limited", "EARLY"), 2, modern=False))
            late.send(call_frame("tools/call", tool("limited", "LATE"), 3, modern=False))
            for number in (1, 2):
                assert "error" in early.response(number, 7)
            assert time.monotonic() - started < 7
            assert "Guard stopped" in late.response(3, 13)["error"]["message"]
            assert late.process.wait(3) == 5
            assert time.monotonic() - started < 14
        finally:
            guard.process.send_signal(signal.SIGCONT)
        early.send(call_frame("tools/call", tool("limited", "EARLY"), 4, modern=False))
        assert "error" in early.response(4)
        assert early.close() == 5
        until(lambda: not guard.status()["sessions"])
        until(lambda: not psutil.Process(guard.process.pid).children())
        works(guard)
        late.close()
    assert ran(tmp_path) == {"BEFORE": 1, "still-works": 1}
    assert guard.process.returncode == 0


# --- a Guard that is killed ---------------------------------------------------------------------


class Caller(threading.Thread):
    """A client that keeps some writing calls in flight until its session ends."""

    IN_FLIGHT = 8

    def __init__(self, guard, name):
        super().__init__()
        self.wire = opened(guard)
        self.name = name
        self.sent = 0
        self.acknowledged = set()
        self.errors = 0

    def run(self):
        with contextlib.suppress(OSError, EndedError):
            for _ in range(self.IN_FLIGHT):
                self._send()
            while True:
                frame = self.wire.next_frame(30)
                if refused(frame):
                    self.errors += 1
                else:
                    self.acknowledged.add(f"{self.name}-{frame['id']}")
                self._send()

    def _send(self):
        self.sent += 1
        mark = f"{self.name}-{self.sent}"
        frame = call_frame("tools/call", tool("limited", mark), self.sent, modern=False)
        self.wire.send(frame)


def kill_under_load(guard, callers, delay_s):
    """Kill Guard; every client learns it, every process of it ends."""
    children = psutil.Process(guard.process.pid).children(recursive=True)
    for caller in callers:
        caller.start()
    time.sleep(delay_s)
    guard.process.kill()
    guard.process.wait()
    for caller in callers:
        caller.join(20)
        assert not caller.is_alive(), "a client hangs"
        assert caller.wire.close() == 5
    assert psutil.wait_procs(children, 10)[1] == []


def reconcile(tmp_path, guard, callers):
    """What ran and what was acknowledged is on disk, before anybody repairs anything."""
    marks = Counter(durable(guard.state).values())
    executed = ran(tmp_path)
    assert set(marks.values()) <= {1}
    assert set(executed.values()) <= {1}
    assert executed.keys() <= marks.keys()
    for caller in callers:
        assert caller.acknowledged <= executed.keys()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))]
)
def test_killed_at_any_moment(tmp_path, seed):
    """64 calls in flight over 8 shims, Guard killed at a random moment, three times in a row."""
    chance = random.Random(seed)
    for round_ in range(3):
        guard = unlimited_daemon(tmp_path)
        callers = [Caller(guard, f"R{round_}-C{number}") for number in range(8)]
        kill_under_load(guard, callers, 0.05 + chance.random() * 0.4)
        reconcile(tmp_path, guard, callers)
        guard.socket.unlink()
    assert sum(ran(tmp_path).values()) > 50
    with unlimited_daemon(tmp_path) as guard:
        works(guard)
    ends = closed_once(guard.records())
    assert ends["unknown"] > 0
    verified(guard.state)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(10))
def test_killed_under_64_shims(tmp_path, seed):
    """The same with a shim for each of 64 clients, and eight calls in flight of each."""
    chance = random.Random(seed)
    guard = unlimited_daemon(tmp_path)
    callers = [Caller(guard, f"C{number}") for number in range(64)]
    kill_under_load(guard, callers, chance.random() * 2)
    reconcile(tmp_path, guard, callers)
    guard.socket.unlink()
    with unlimited_daemon(tmp_path) as guard:
        works(guard)
    closed_once(guard.records())
    verified(guard.state)


def test_a_dead_socket_is_replaced(tmp_path):
    guard = unlimited_daemon(tmp_path)
    guard.process.kill()
    guard.process.wait()
    assert guard.socket.is_socket()
    with guard.client("rec") as wire:
        wire.send(call_frame("initialize", OPENING, 1, modern=False))
        assert "cannot be reached" in wire.response(1)["error"]["message"]
        assert wire.close() == 5
    guard.start()
    with guard:
        works(guard)
    assert not guard.socket.exists()


# --- two Guards ---------------------------------------------------------------------------------


def second(guard, **replace):
    """Start another Guard like this one, and see it fail."""
    command = list(guard.command)
    for option, value in replace.items():
        command[command.index(f"--{option}") + 1] = str(value)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("hangs", [False, True])
def test_two_guards_at_one_place(tmp_path, hangs):
    """On one state directory or one socket the second refuses, also while the first hangs."""
    with unlimited_daemon(tmp_path) as guard:
        if hangs:
            guard.process.send_signal(signal.SIGSTOP)
        try:
            code, text = second(guard, socket=f"{guard.socket}2")
            assert (code, "another Guard is using" in text) == (2, True)
            code, text = second(guard, state=tmp_path / "other")
            assert (code, "another Guard listens" in text) == (2, True)
        finally:
            guard.process.send_signal(signal.SIGCONT)
        works(guard)
    assert [r["kind"] for r in guard.records()].count("guard.start") == 1


def test_of_several_guards_that_find_a_dead_socket_one_takes_it(tmp_path):
    """None takes the socket of another that has just been opened."""
    guard = unlimited_daemon(tmp_path)
    guard.process.kill()
    guard.process.wait()
    started = []
    for number in range(4):
        command = list(guard.command)
        command[command.index("--state") + 1] = str(tmp_path / f"state{number}")
        started.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
    until(lambda: sum(process.poll() is None for process in started) == 1)
    assert sorted(p.returncode for p in started if p.returncode is not None) == [2, 2, 2]
    (winner,) = [process for process in started if process.poll() is None]
    until(lambda: guard.ask({"op": "status"}, quiet=True))
    assert guard.status()["pid"] == winner.pid
    guard.ask({"op": "stop"})
    assert winner.wait(10) == 0


# --- the disk -----------------------------------------------------------------------------------


def test_a_full_disk(tmp_path, small_disk):
    """Every session is denied what writes, the others stay connected; a restart has all of it."""
    state = small_disk / "state"
    filler = small_disk / "filler"
    with unlimited_daemon(tmp_path, options=["--state", str(state)]) as guard:
        with opened(guard) as one, opened(guard) as two:
            assert not refused(write(one, "BEFORE"))
            with filler.open("wb") as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
            for number in range(3000):
                if refused(write(one, f"FULL-{number}-" + "x" * 400)):
                    break
            else:
                pytest.fail("the disk was never full")
            for wire in (one, two):
                assert refused(write(wire, "AFTER"))
                assert "result" in wire.request("ping", {})
            assert guard.status()["log"]["poisoned"]
        filler.unlink()
        # Its last record cannot be written: it says so, and ends.
        assert guard.stop() == 2
        assert "Traceback" not in guard.log.read_text()
        guard.start()
        works(guard)
    executed = ran(tmp_path)
    assert "AFTER" not in executed
    assert f"FULL-{number}-" + "x" * 400 not in executed
    assert executed.keys() <= set(durable(state).values())
    verified(state)


def test_a_state_that_cannot_be_written(tmp_path, small_disk):
    """Read-only, or no directory: Guard does not start, says so, and leaves no socket."""
    state = small_disk / "state"
    options = ["--state", str(state)]
    with unlimited_daemon(tmp_path, options=options) as guard:
        works(guard)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    (tmp_path / "file").write_text("")
    for place in (state, small_disk / "new", tmp_path / "file" / "state"):
        command = [*guard.command[: -len(options)], "--state", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("remit: ")
        assert "Traceback" not in done.stderr
        assert not guard.socket.exists()


# --- servers that fail --------------------------------------------------------------------------


def test_a_server_that_crashes_takes_nobody_along(tmp_path):
    """The call fails, the session is told, the others go on, and the next session is a new server."""
    with unlimited_daemon(tmp_path) as guard:
        with opened(guard) as one, opened(guard) as two:
            crash = one.request("tools/call", {"name": "crash", "arguments": {"code": 3}})
            assert "the server `rec`" in said(crash)
            assert refused(write(one, "DEAD"))
            assert not refused(write(two, "ALIVE"))
            assert one.close() in {0, 1}
        works(guard)
    assert ran(tmp_path) == {"ALIVE": 1, "still-works": 1}
    assert closed_once(guard.records())["server_gone"] == 1


def test_a_server_that_cannot_be_started(tmp_path):
    """The client is told why; what was there before is there still."""
    bundle = bundle_without_limit(tmp_path)
    servers = {
        "rec": recorder_command(tmp_path / "server.log"),
        "none": ["/nowhere/server"],
        "ends": ["/bin/false"],
    }
    with Daemon(tmp_path, servers, bundle) as guard:
        before = psutil.Process(guard.process.pid).num_fds()
        for name in ("none", "ends"):
            for _ in range(5):
                with guard.client(name) as wire:
                    wire.send(call_frame("initialize", OPENING, 1, modern=False))
                    assert "error" in wire.response(1)
        until(lambda: not guard.status()["sessions"])
        until(lambda: psutil.Process(guard.process.pid).num_fds() <= before + 1)
        works(guard)


@pytest.mark.slow
def test_a_stubborn_server_does_not_outlive_guard(tmp_path):
    """It works on a call, and neither the end of its input nor SIGTERM ends it; Guard's end does."""
    bundle = bundle_without_limit(tmp_path)
    command = recorder_command(tmp_path / "server.log", "--lenient", "--stubborn")
    with Daemon(tmp_path, {"rec": command}, bundle) as guard:
        wire = opened(guard)
        wire.send(call_frame("tools/call", tool("hang", "x"), 1, modern=False))
        until(lambda: guard.status()["sessions"][0]["in_flight"])
        (server,) = psutil.Process(guard.process.pid).children()
        assert guard.stop() == 0
        assert not server.is_running()
        assert wire.close() == 0
    assert guard.records()[-1]["kind"] == "guard.stop"
    assert closed_once(guard.records()) == {"cancelled": 1}


def test_peers_cannot_take_the_descriptors_of_the_log(tmp_path):
    """As many clients as Guard may have descriptors, and more: it denies some, and goes on."""
    with unlimited_daemon(tmp_path) as guard:
        resource.prlimit(guard.process.pid, resource.RLIMIT_NOFILE, (96, 96))
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                wire = stack.enter_context(opened(guard))
            for _ in range(100):
                silent = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
                silent.connect(str(guard.socket))
            late = stack.enter_context(guard.client("rec"))
            late.send(call_frame("initialize", OPENING, 1, modern=False))
            assert "Remit Guard" in late.response(1)["error"]["message"]
            for number in range(50):
                assert not refused(write(wire, f"M{number}"))
        until(lambda: guard.ask({"op": "status"}, quiet=True))
        assert guard.status()["log"]["poisoned"] == ""
        works(guard)


# --- system calls that fail ---------------------------------------------------------------------


def can_trace():
    strace = shutil.which("strace")
    if strace is None:
        return False
    done = subprocess.run(
        [strace, "-f", "-e", "trace=none", "true"], capture_output=True, check=False
    )
    return done.returncode == 0


TRACE = can_trace()
NO_TRACE = "LOUD: strace may not trace here, no system call was failed"


def survives(tmp_path, inject):
    """Load while a system call fails; then what ran is on disk, and a restart is sound.

    Returns how many calls were denied.
    """
    guard = unlimited_daemon(tmp_path)
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(opened(guard)) for _ in range(2)]
        denied = 0
        with failing(guard.process, inject), contextlib.suppress(EndedError, OSError):
            for number in range(40):
                wire = wires[number % 2]
                denied += refused(write(wire, f"M{number}", deadline_s=20))
    executed = ran(tmp_path)
    guard.stop()
    marks = Counter(durable(guard.state).values())
    assert executed.keys() <= marks.keys()
    assert set(executed.values()) <= {1}
    guard.start()
    with guard:
        works(guard)
    closed_once(guard.records())
    verified(guard.state)
    return denied


@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
def test_a_disk_that_fails_once(tmp_path):
    """The first failed fdatasync of a running Guard denies what follows, until it is restarted."""
    assert survives(tmp_path, "fdatasync:error=EIO:when=7") > 20


CASES = [
    (call, code, when)
    for call, whens in (
        ("write", (1, 2, 3, 5, 9, 17, 33)),
        ("pwrite64", (1, 3, 9)),
        ("fsync", (1, 2, 3)),
        ("fdatasync", (1, 2, 3, 8, 20)),
        ("rename", (1, 2)),
        ("openat", (1, 2, 3, 5)),
    )
    for code in ("EIO", "ENOSPC")
    for when in whens
]


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize(("call", "code", "when"), CASES)
def test_a_system_call_that_fails(tmp_path, call, code, when):
    """Whichever call of a running Guard fails: no call without its record, and a sound restart."""
    survives(tmp_path, f"{call}:error={code}:when={when}")


@pytest.mark.slow
@pytest.mark.skipif(not TRACE, reason=NO_TRACE)
@pytest.mark.parametrize("call", ["write", "fsync", "fdatasync", "rename", "openat"])
def test_a_system_call_that_goes_on_failing(tmp_path, call):
    survives(tmp_path, f"{call}:error=EIO:when=5+")


# --- clients without manners --------------------------------------------------------------------


class Rude:
    """A client that speaks to Guard itself, without a shim, and then does not behave."""

    def __init__(self, guard):
        source, self.stdin = os.pipe()
        self.stdout, sink = os.pipe()
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(20)
        self.connection.connect(str(guard.socket))
        socket.send_fds(self.connection, [HELLO], [source, sink, sink])
        os.close(source)
        os.close(sink)

    def granted(self):
        assert b'"ok":true' in self.connection.recv(4096)

    def says(self, method, params):
        os.write(
            self.stdin, json.dumps(call_frame(method, params, 1, modern=False)).encode() + b"\n"
        )

    def opens(self):
        self.granted()
        self.says("initialize", OPENING)
        assert os.read(self.stdout, 1 << 16)

    def close_stream(self, name):
        """Close it once: the number may belong to another thread's file afterwards."""
        descriptor, closed = getattr(self, name), -1
        setattr(self, name, closed)
        if descriptor != closed:
            os.close(descriptor)

    def close(self):
        self.connection.close()
        self.close_stream("stdin")
        self.close_stream("stdout")


def at_once(guard):
    Rude(guard).close()


def before_it_speaks(guard):
    rude = Rude(guard)
    rude.granted()
    rude.close()


def half_a_frame(guard):
    rude = Rude(guard)
    rude.opens()
    os.write(rude.stdin, b'{"jsonrpc":"2.0","id":2,"meth')
    rude.close()


def in_a_call(guard):
    rude = Rude(guard)
    rude.opens()
    rude.says("tools/call", {"name": "slow", "arguments": {"ms": 20}})
    rude.close()


def input_only(guard):
    rude = Rude(guard)
    rude.opens()
    rude.close_stream("stdin")
    while piece := rude.connection.recv(4096):
        if b'"end"' in piece:
            break
    assert piece
    rude.close()


def connection_only(guard):
    """Its streams stay open: Guard must let go of them all the same."""
    rude = Rude(guard)
    rude.opens()
    rude.connection.close()
    while os.read(rude.stdout, 1 << 16):
        pass
    rude.close()


def speaks_on_the_connection(guard):
    rude = Rude(guard)
    rude.opens()
    with contextlib.suppress(OSError):
        rude.connection.send(b"x" * 1000)
    rude.close()


def output_only(guard):
    rude = Rude(guard)
    rude.opens()
    rude.close_stream("stdout")
    with contextlib.suppress(OSError):
        rude.says("ping", {})
    rude.close()


def half_a_line(guard):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(guard.socket))
        connection.send(b'{"remit":1,')


def killed_shim(guard):
    wire = guard.client("rec")
    wire.open(LEGACY)
    wire.process.kill()
    wire.close()


WAYS = [
    at_once, before_it_speaks, half_a_frame, in_a_call, input_only, connection_only,
    speaks_on_the_connection, output_only, half_a_line, killed_shim,
]  # fmt: skip


def settled(guard, descriptors):
    """Wait until nothing of the sessions is left in Guard's process."""
    process = psutil.Process(guard.process.pid)
    until(lambda: not guard.status()["sessions"])
    until(lambda: not process.children())
    # The connection of `status` itself may still be open.
    until(lambda: process.num_fds() <= descriptors + 1)
    until(lambda: process.num_threads() <= 3)


def drop_sessions(guard, count, growth_mb):
    process = psutil.Process(guard.process.pid)
    works(guard)
    until(lambda: not guard.status()["sessions"])
    descriptors = process.num_fds()
    for number in range(30):
        WAYS[number % len(WAYS)](guard)
    settled(guard, descriptors)
    before = process.memory_info().rss
    for number in range(count):
        WAYS[number % len(WAYS)](guard)
    settled(guard, descriptors)
    grown = (process.memory_info().rss - before) / 1e6
    print(f"{count} rude sessions: {grown:.1f} MB grown, {descriptors} descriptors")
    assert grown < growth_mb
    process.cpu_percent()
    time.sleep(0.3)
    assert process.cpu_percent() < 50, "Guard spins"
    works(guard)


def test_a_client_that_takes_nothing_holds_up_nobody(tmp_path):
    """Twenty megabytes of answers that one client does not read; another is served meanwhile."""
    with unlimited_daemon(tmp_path) as guard, opened(guard) as wire, wire.paused():
        big = {"name": "big", "arguments": {"bytes": 100_000}}
        for number in range(200):
            wire.send(call_frame("tools/call", big, number, modern=False))
        started = time.monotonic()
        works(guard)
        assert time.monotonic() - started < 10


def test_rude_clients_leave_nothing_behind(tmp_path):
    """60 sessions dropped in ten ways: no memory, no descriptor, no thread, no process is left."""
    with unlimited_daemon(tmp_path) as guard:
        drop_sessions(guard, 60, 6)
    closed_once(guard.records())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_rude_clients(tmp_path):
    with unlimited_daemon(tmp_path) as guard:
        drop_sessions(guard, 1000, 12)
    closed_once(guard.records())
    verified(guard.state)


# --- confirmations that are none ----------------------------------------------------------------


def pay(guard, wire, number):
    """Make a call that needs a person; returns the id of its question."""
    params = {"name": "pay", "arguments": {"amount": 50, "to": f"PAY-{number}"}}
    wire.send(call_frame("tools/call", params, number, modern=False))
    (question,) = until(lambda: guard.ask({"op": "questions"})["questions"])
    return question["id"]


def paid(directory):
    lines = (directory / "server.log").read_text().splitlines()
    return [json.loads(line) for line in lines if '"ran": "pay"' in line]


def test_the_agent_itself_cannot_confirm(tmp_path):
    """Not by a connection of its own, either: here the agent is this process."""
    with unlimited_daemon(tmp_path) as guard, opened(guard) as wire:
        question = pay(guard, wire, 1)
        answer = guard.ask({"op": "answer", "question": question, "yes": True})
        assert answer.get("code") == "guard.agent_answers"
        assert paid(tmp_path) == []


def test_a_peer_that_is_no_more_cannot_confirm(tmp_path):
    """A child of the agent sends its yes, gives the connection away, and ends: nobody is no person."""
    with unlimited_daemon(tmp_path) as guard, opened(guard) as wire:
        question = pay(guard, wire, 1)
        guard.process.send_signal(signal.SIGSTOP)
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(guard.socket))
            line = {"remit": 1, "op": "answer", "question": question, "yes": True}
            peer.send(json.dumps(line).encode() + b"\n")
            socket.send_fds(theirs, [b"x"], [peer.fileno()])
            os._exit(0)
        _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
        os.waitpid(child, 0)
        ours.close()
        theirs.close()
        guard.process.send_signal(signal.SIGCONT)
        with contextlib.closing(socket.socket(fileno=descriptor)) as peer:
            peer.settimeout(10)
            assert not json.loads(peer.recv(4096))["ok"]
        assert paid(tmp_path) == []


def test_a_call_whose_client_is_gone_cannot_be_confirmed(tmp_path):
    """Its question goes with it: a yes would run the call for nobody."""
    helper = tmp_path / "helper"
    shutil.copy2(Path("/bin/sh").resolve(), helper)
    with unlimited_daemon(tmp_path) as guard:
        command = [str(helper), "-c", '"$@"; exit $?', "x", *guard.shim("rec")]
        wire = Wire(command, cwd=tmp_path)
        wire.open(LEGACY)
        question = pay(guard, wire, 1)
        os.killpg(wire.process.pid, signal.SIGKILL)
        wire.process.wait()
        time.sleep(0.5)
        done = remit("guard", "confirm", question, "--socket", str(guard.socket))
        wire.close()
        assert paid(tmp_path) == []
        assert done.returncode == 2


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_stream_that_is_a_directory_is_refused(tmp_path, stream):
    """The peer is told, and every number is closed once: it may be a file of the log by then."""
    with unlimited_daemon(tmp_path) as guard:
        streams = [os.open("/dev/null", os.O_RDWR) for _ in range(3)]
        streams[stream] = os.open("/", os.O_RDONLY)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(10)
            connection.connect(str(guard.socket))
            socket.send_fds(connection, [HELLO], streams)
            assert json.loads(connection.recv(4096))["ok"] is False
        for descriptor in streams:
            os.close(descriptor)


# --- for a long time ----------------------------------------------------------------------------


class Worker(threading.Thread):
    """Sessions one after the other, each with some hundred calls of all kinds."""

    def __init__(self, guard, seed, end):
        super().__init__()
        self.guard = guard
        self.seed = seed
        self.end = end
        self.calls = Counter()
        self.problem = None

    def run(self):
        try:
            dice = random.Random(self.seed)
            session = 0
            while time.monotonic() < self.end:
                session += 1
                self._session(dice, f"W{self.seed}-S{session}")
        except BaseException as error:
            self.problem = error

    def _session(self, dice, name):
        with opened(self.guard) as wire:
            for number in range(dice.randrange(50, 400)):
                if time.monotonic() > self.end:
                    return
                kind = dice.choices(
                    ("echo", "limited", "forbidden", "slow", "broken", "unknown"),
                    (5, 3, 1, 1, 1, 1),
                )[0]
                self.calls[kind] += 1
                mark = f"{name}-{number}"
                if kind == "broken":
                    wire.write(dice.choice([b"{\n", b"[]\n", b"\xff\n", b'{"id":1}\n', b"\r\n"]))
                elif kind == "slow":
                    params = {"name": "slow", "arguments": {"ms": dice.randrange(5)}}
                    assert not refused(wire.request("tools/call", params, deadline_s=60))
                else:
                    answer = wire.request("tools/call", tool(kind, mark), deadline_s=60)
                    assert refused(answer) is (kind in {"forbidden", "unknown"}), answer
        if dice.random() < 0.3:
            dice.choice(WAYS)(self.guard)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_soak(tmp_path):
    """Mixed load for REMIT_SOAK_S seconds with reloads: nothing grows, and the books balance."""
    duration_s = float(os.environ.get("REMIT_SOAK_S", "1800"))
    with unlimited_daemon(tmp_path) as guard:
        process = psutil.Process(guard.process.pid)
        works(guard, "first")
        end = time.monotonic() + duration_s
        workers = [Worker(guard, seed, end) for seed in range(4)]
        for worker in workers:
            worker.start()
        memory = []
        while any(worker.is_alive() for worker in workers):
            time.sleep(min(5.0, duration_s / 10))
            memory.append(process.memory_info().rss / 1e6)
            assert guard.ask({"op": "reload"})["ok"]
        assert [worker.problem for worker in workers] == [None] * len(workers)
        settled(guard, 12)
        total = sum((worker.calls for worker in workers), Counter())
        half = memory[len(memory) // 2]
        print(f"{sum(total.values())} calls {dict(total)}; RSS MB {half:.0f} -> {memory[-1]:.0f}")
        assert memory[-1] < half * 1.25 + 10
        works(guard, "last")
    assert guard.process.returncode == 0
    executed = ran(tmp_path)
    assert sum(executed.values()) == total["limited"] + 2
    assert set(executed) == set(durable(guard.state).values())
    closed_once(each_record(guard.state))  # there are millions
    verified(guard.state)
