"""What Guards do when a Hub says that something is withdrawn, whatever else it says or does not."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from remit.attest.predicates import signature
from tests.rig.daemon import Daemon
from tests.rig.governed import refused, remit, said
from tests.rig.http_wire import HttpWire
from tests.rig.vouched import Machine, echo_server, pinned
from tests.rig.waiting import until
from tests.rig.wire import LEGACY, MODERN, modern_meta
from tests.rig.withdrawing import saying_hub

REPOSITORY = "team/echo"
SLOW = """
    import subprocess, sys, time
    here = os.environ["WORK"]
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(here, "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(60)
"""
CONFIRM = (
    '@id("ask") @require("confirmation") @reason("a person has to see it")\n'
    'forbid (principal, action == Remit::Action::"echo/touch", resource)\n'
    'unless { context.fulfilled.contains("ask") };\n'
)


@pytest.fixture
def hub():
    with saying_hub() as found:
        yield found


class Place:
    """A machine whose server comes from a Hub that says what the test wants."""

    def __init__(self, hub, home: Path, *, every: str = "1s", slow: bool = False) -> None:
        self.hub, self.home = hub, home
        home.mkdir(exist_ok=True)
        self.machine = Machine(home)
        server = echo_server(home / "server")
        self.work = home / "work"
        if slow:
            main = server / "server" / "main.py"
            text = main.read_text()
            mark = '        case "tools/call":\n'
            body = SLOW.replace("\n    ", "\n                ")
            main.write_text(
                text.replace(
                    mark,
                    f'{mark}            if frame["params"]["arguments"]["message"] == "slow":'
                    f"{body}",
                )
            )
        self.repository = f"{hub.host}/{REPOSITORY}"
        self.name = f"{self.repository}:1.0"
        machine = self.machine
        self.subject = machine.pack(server, self.name)
        machine.attest(
            self.subject, signature.TYPE, signature.predicate(), "sign", repository=self.repository
        )
        machine.summary(self.subject, repository=self.repository)
        path = machine.configure(
            pinned(self.name, self.subject),
            trust=f'withdrawals = "{every}"',
            server=f'env = {{ WORK = "{self.work}" }}',
        )
        path.write_text(path.read_text().replace("offline = true", "offline = false"))

    def withdraw(self, **more) -> None:
        self.hub.withdraw(REPOSITORY, self.subject.digest, **more)

    def lanes(self) -> None:
        """Let each Guard have a state of its own, as without `state`."""
        path = self.home / "remit.toml"
        path.write_text(path.read_text().replace('state = "state"\n', ""))

    def code(self) -> str:
        return str(self.machine.records("artifact.deny")[-1]["decision"]["error"])


def frame(wire, message="hello", tool="echo"):
    number = wire.fresh_id()
    params = {"name": tool, "arguments": {"message": message}}
    wire.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
    return number


def call(wire, message="hello"):
    return wire.response(frame(wire, message))


def denied(wire) -> str:
    return said(until(lambda: answer if refused(answer := call(wire)) else None, 30))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_call_in_flight_is_denied_and_its_processes_are_killed(hub, tmp_path):
    place = Place(hub, tmp_path, slow=True)
    with place.machine.start() as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        number = frame(wire, "slow")
        until(place.work.exists)
        pids = [int(each) for each in until(lambda: place.work.read_text().split())]
        assert len(pids) == 2
        place.withdraw()
        began = time.monotonic()
        answer = wire.response(number)
        assert time.monotonic() - began < 10
        assert "was withdrawn by its Hub (withdrawn: it calls home)" in said(answer)
        assert refused(answer)
        until(lambda: all(gone(pid) for pid in pids), 5)
        assert denied(wire)
        # Nothing that the protocol has otherwise is broken: it lists, and answers a ping.
        assert len(wire.request("tools/list", {})["result"]["tools"]) == 2
        assert wire.request("ping", {})["result"] == {}
        assert wire.close() == 1
        assert "was withdrawn by its Hub" in wire.stderr
    [result] = [
        each
        for each in place.machine.records("tool.result")
        if each["outcome"]["status"] == "denied"
    ]
    assert result["call"]
    [barred] = place.machine.records("server.barred")
    assert barred["in_flight"] == 1
    assert not place.machine.copies()


def test_a_call_that_waits_for_a_person_is_denied_and_asked_no_more(hub, tmp_path):
    place = Place(hub, tmp_path)
    (place.machine.bundle / "tool" / "ask.cedar").write_text(CONFIRM)
    with place.machine.start() as wire:
        wire.open(LEGACY, {"elicitation": {}})
        number = frame(wire, tool="touch")
        asked = wire.wait_for(lambda each: each.get("method") == "elicitation/create")
        place.withdraw()
        answer = wire.response(number)
        assert "was withdrawn by its Hub" in said(answer)
        # A yes that comes later runs nothing.
        wire.send({"jsonrpc": "2.0", "id": asked["id"], "result": {
            "action": "accept", "content": {"confirm": True}}})  # fmt: skip
        assert refused(call(wire))
    found = [
        each for each in place.machine.records("tool.decision")
        if each["action"]["name"] == "echo/touch"
    ]  # fmt: skip
    assert [each["decision"]["error"] for each in found] == ["artifact_denied"]


def test_two_guards_at_once_and_a_third_that_comes_later(hub, tmp_path):
    place = Place(hub, tmp_path)
    place.lanes()
    with place.machine.start() as one, place.machine.start() as two:
        for wire in (one, two):
            wire.open(LEGACY)
            assert said(call(wire)) == "hello"
        place.withdraw()
        for wire in (one, two):
            assert "was withdrawn" in denied(wire)
    # The Hub is silent: what one of them heard counts for all.
    hub.status = 503
    assert "was withdrawn" in place.machine.call()


def test_killed_before_it_is_on_disk_it_is_heard_again(hub, tmp_path):
    place = Place(hub, tmp_path)
    shared = place.machine.state / "withdrawn"
    with place.machine.start() as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        # A file where its directory has to be: nothing can be written.
        shared.write_text("in the way")
        place.withdraw()
        assert "was withdrawn" in denied(wire)
        [silent] = until(lambda: place.machine.records("hub.silent"))
        assert silent["code"] == "guard.memory"
        assert "cannot be kept" in silent["detail"]
        wire.process.send_signal(signal.SIGKILL)
    assert shared.is_file()
    # Nobody can say what was withdrawn: nothing starts.
    assert "Denied by Remit" in place.machine.call()
    shared.unlink()
    with place.machine.start() as wire:
        wire.open(LEGACY)
        assert "was withdrawn" in denied(wire)
    until((shared / "withdrawn.json").exists)
    hub.status = 500
    assert "was withdrawn" in place.machine.call()
    assert place.code() == "artifact.withdrawn"


def test_whoever_takes_the_memory_away_starts_nothing(hub, tmp_path):
    place = Place(hub, tmp_path)
    place.withdraw()
    with place.machine.start() as wire:
        wire.open(LEGACY)
        denied(wire)
    file = place.machine.state / "withdrawn" / "withdrawn.json"
    until(file.exists)
    file.unlink()
    hub.entries.clear()
    assert "remembers what Hubs have withdrawn" in place.machine.call()
    assert place.code() == "guard.memory"


HOSTILE = {
    "huge": b'{"withdrawals": [' + b" " * (5 << 20) + b'], "next": "1"}',
    "no_json": b"<html>",
    "no_list": b'{"withdrawals": {}, "next": "1"}',
    "no_next": b'{"withdrawals": []}',
    "odd_next": b'{"withdrawals": [], "next": "1&since=0"}',
    "deep": b"[" * 100_000,
    "twice": b'{"withdrawals": [], "next": "1", "next": "2"}',
    "odd_members": json.dumps({
        "next": "1",
        "withdrawals": [
            {"digest": "sha256:no", "repository": REPOSITORY},
            {"digest": "x", "repository": [], "state": {}},
        ],
    }).encode(),
}  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [("no_json", "odd_members"), pytest.param(tuple(HOSTILE), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_no_answer_of_a_hub_clears_or_breaks_anything(hub, tmp_path, names):
    place = Place(hub, tmp_path)
    with place.machine.start() as wire:
        wire.open(LEGACY)
        assert said(call(wire)) == "hello"
        for name in names:
            hub.raw = HOSTILE[name]
            hub.heard()
            assert said(call(wire)) == "hello", name
            hub.raw = None
            hub.heard()
        # What it says of others, or of repositories that nothing here comes from, is nothing.
        hub.withdraw("team/other", place.subject.digest)
        hub.withdraw(f"elsewhere.example/{REPOSITORY}", place.subject.digest)
        hub.withdraw(REPOSITORY, "sha256:" + "0" * 64)
        hub.heard()
        assert said(call(wire)) == "hello"
        place.withdraw()
        assert "was withdrawn" in denied(wire)
        hub.entries.clear()
        hub.heard()
        hub.raw = HOSTILE["no_json"]
        hub.heard()
        assert "was withdrawn" in denied(wire)
    hub.raw = None
    hub.entries.clear()
    assert "was withdrawn" in place.machine.call()
    told = place.machine.records("artifact.withdraw")
    assert [each["artifact"]["digest"] for each in told] == [
        "sha256:" + "0" * 64, str(place.subject.digest),
    ]  # fmt: skip


def test_a_list_without_end(hub, tmp_path):
    place = Place(hub, tmp_path)
    hub.more = True
    hub.entries = [
        {"repository": REPOSITORY, "digest": "sha256:" + f"{number:064x}"} for number in range(200)
    ]
    with place.machine.start() as wire:
        wire.open(LEGACY)
        until(lambda: len(hub.asked) >= 16, 30)
        assert said(call(wire)) == "hello"
        time.sleep(0.5)
        assert len(hub.asked) <= 20
        # It is slow to end, but what it says in between counts.
        place.withdraw()
        assert "was withdrawn" in denied(wire)


def test_only_a_later_word_of_the_gate_clears_it(hub, tmp_path):
    place = Place(hub, tmp_path)
    place.withdraw()
    with place.machine.start() as wire:
        wire.open(LEGACY)
        denied(wire)
    hub.entries.clear()
    machine, summary = place.machine, {"repository": place.repository}
    # An older word, one of nobody, and one that it failed: none of them does.
    machine.summary(place.subject, age_s=30, **summary)
    assert "was withdrawn" in machine.call()
    machine.summary(place.subject, age_s=-60, key="stranger", **summary)
    assert "was withdrawn" in machine.call()
    machine.summary(place.subject, age_s=-60, result="FAILED", **summary)
    assert "FAILED" in machine.call()
    machine.summary(place.subject, age_s=-61, **summary)
    assert machine.call() == "hello"
    # Withdrawn once more, it is refused once more.
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    place.withdraw(changedAt=now, reason="again")
    with machine.start() as wire:
        wire.open(LEGACY)
        assert "again" in denied(wire)


def test_it_can_be_switched_off_and_nonsense_is_told(hub, tmp_path):
    place = Place(hub, tmp_path, every="off")
    place.withdraw()
    with place.machine.start() as wire:
        wire.open(LEGACY)
        time.sleep(1.5)
        assert said(call(wire)) == "hello"
    assert not hub.asked
    path = tmp_path / "remit.toml"
    path.write_text(path.read_text().replace('"off"', '"sometimes"'))
    done = remit("mcp", "exec", "--config", str(path), "echo", env=place.machine.environ)
    assert done.returncode == 2
    assert "neither `off` nor a number" in done.stderr


def serve(place: Place, monkeypatch, **more) -> Daemon:
    """`remit guard run` on the configuration of a place."""
    text = (place.home / "remit.toml").read_text().partition("[trust]")
    for name, value in place.machine.environ.items():
        monkeypatch.setenv(name, value)
    return Daemon(place.home, {}, place.machine.bundle, extra="[trust]" + text[2], **more)


def test_a_daemon_and_all_its_sessions(hub, tmp_path, monkeypatch):
    place = Place(hub, tmp_path)
    place.machine.call()  # which pins its tools
    shutil.copy(place.machine.state / "tools.lock", place.machine.bundle / "tools.lock")
    shutil.rmtree(place.machine.state)
    modern = {"_meta": modern_meta()}
    wanted = {"name": "echo", "arguments": {"message": "hello"}}
    guard = serve(place, monkeypatch, http="127.0.0.1:0")
    with (
        guard,
        guard.client("echo") as stdio,
        HttpWire(guard, guard.key("a"), "echo", modern=False) as legacy,
        HttpWire(guard, guard.key("b"), "echo", modern=True) as new,
    ):
        for wire, era in ((stdio, LEGACY), (legacy, LEGACY), (new, MODERN)):
            wire.open(era)
        assert said(call(stdio)) == "hello"
        assert said(legacy.request("tools/call", wanted)) == "hello"
        assert said(new.request("tools/call", {**wanted, **modern})) == "hello"
        shown = guard.status()["withdrawals"]
        assert (shown["every_s"], shown["withdrawn"]) == (1, [])
        assert shown["hubs"][0]["host"] == hub.host
        place.withdraw()
        assert "was withdrawn" in denied(stdio)
        assert "was withdrawn" in said(legacy.request("tools/call", wanted))
        assert "was withdrawn" in said(new.request("tools/call", {**wanted, **modern}))
        shown = guard.status()
        assert shown["servers"][0]["artifact"]["code"] == "artifact.withdrawn"
        assert shown["withdrawals"]["withdrawn"][0]["reason"] == "it calls home"
        until(lambda: not place.machine.copies())
        hub.status = 503
        until(lambda: guard.status()["withdrawals"]["hubs"][0]["problem"], 20)
        text = remit("guard", "status", "--socket", str(guard.socket)).stdout
        assert f"{hub.host} does not say what it withdrew" in text, text
        assert "it calls home" in text
        with guard.client("echo") as wire:
            wire.open(LEGACY)
            assert "was withdrawn" in said(call(wire))
        [told] = [each for each in guard.records() if each["kind"] == "artifact.withdraw"]
        assert told["stopped"] == ["echo"] * 3
        assert len([each for each in guard.records() if each["kind"] == "hub.silent"]) == 1
    assert (place.machine.state / "withdrawn" / "withdrawn.json").exists()
