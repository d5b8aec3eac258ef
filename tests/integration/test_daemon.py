"""One Guard for several clients and servers, through the real command line and the real shim."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.daemon import Daemon, recorder_command, recorder_daemon
from tests.rig.governed import REMIT, copy_bundle, refused, remit, said
from tests.rig.wire import LEGACY, MODERN, EndedError, Wire, call_frame


def opened(guard: Daemon, server: str = "rec", era: str = LEGACY) -> Wire:
    """Return a client's open session."""
    wire = guard.client(server)
    wire.open(era)
    return wire


def call(wire: Wire, name: str, **arguments: Any) -> Any:
    """Call a tool in a legacy session and return the response."""
    return wire.request("tools/call", {"name": name, "arguments": arguments})


def works(wire: Wire, mark: str = "hello") -> None:
    """Assert that a permitted call goes through."""
    answer = call(wire, "echo", message=mark)
    assert not refused(answer), answer
    assert mark in said(answer)


def command(guard: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `remit guard …` against this Guard."""
    done = remit("guard", *arguments, "--socket", str(guard.socket))
    assert "Traceback" not in done.stderr
    return done


def shown(guard: Daemon, *arguments: str) -> Any:
    """Return what a command prints with `-o json`."""
    done = command(guard, *arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(condition: Callable[[], Any], deadline_s: float = 10.0) -> Any:
    """Return what `condition()` gives as soon as it is true."""
    limit = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found


def ran(directory: Path, mark: str, log: str = "server.log") -> int:
    """Return how many calls with `mark` the server executed."""
    lines = (directory / log).read_text().splitlines()
    return sum("ran" in json.loads(line) and mark in line for line in lines)


def change(
    bundle: Path, old: str, new: str, serial: int, file: str = "tool/recorder.cedar"
) -> None:
    """Change a bundle and give it the next serial."""
    path = bundle / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    head = bundle / "bundle.toml"
    head.write_text(head.read_text().replace(f"serial = {serial - 1}", f"serial = {serial}"))


FORBID_SLOW = (
    '@id("no-more-slow") @reason("Slow is over")\n'
    'forbid (principal, action == Remit::Action::"rec/slow", resource);\n'
)
FIRST_LINE = "// Everything of the protocol"


# --- the command line ---------------------------------------------------------------------------


def test_status_stop_and_their_exit_codes(tmp_path: Path) -> None:
    """0 when it is done, 5 when no Guard answers, 2 for a wrong command; tables and JSON."""
    with recorder_daemon(tmp_path) as guard:
        with opened(guard) as wire:
            works(wire)
            status = shown(guard, "status")
            assert status["pid"] == guard.process.pid
            assert status["policy"]["reload"]["ok"] is True
            (server,) = status["servers"]
            assert (server["id"], server["sessions"], server["pinned"]) == ("rec", 1, True)
            (session,) = status["sessions"]
            assert (session["server"], session["calls"], session["in_flight"]) == ("rec", 1, 0)
            table = command(guard, "status")
            assert table.returncode == 0
            assert session["id"] in table.stdout
            assert shown(guard, "questions") == []
            assert command(guard, "questions").stdout == ""
        assert command(guard, "confirm", "00000000").returncode == 2
        assert "no question" in command(guard, "refuse", "00000000").stderr
        assert command(guard, "status", "--nothing").returncode == 2
        assert command(guard, "stop").returncode == 0
        assert guard.process.wait(10) == 0
        assert not guard.socket.exists()
        for verb in (["status"], ["reload"], ["stop"], ["questions"], ["confirm", "0"]):
            done = command(guard, *verb)
            assert done.returncode == 5, verb
            assert "remit guard run" in done.stderr
    kinds = [record["kind"] for record in guard.records()]
    assert (kinds[0], kinds[-1]) == ("guard.start", "guard.stop")
    assert kinds.count("session.start") == kinds.count("session.end") == 1


@pytest.mark.parametrize("broken", ["config", "bundle", "nothing"])
def test_a_guard_that_cannot_start_says_why(tmp_path: Path, broken: str) -> None:
    """A wrong configuration or bundle at the start is a sentence and exit code 2."""
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    config = tmp_path / "remit.toml"
    config.write_text("[servers.rec]\ncommand = [" if broken == "config" else "")
    if broken == "bundle":
        (bundle / "tool" / "recorder.cedar").write_text("permit")
    if broken == "nothing":
        shutil.rmtree(bundle)
    done = remit(
        "guard", "run", "--config", str(config), "--bundle", str(bundle), "--state",
        str(tmp_path / "state"), "--socket", f"/tmp/remit-{os.getpid()}-none.sock",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("remit: ")
    assert "Traceback" not in done.stderr


# --- many clients, many servers -----------------------------------------------------------------


def test_several_clients_share_one_guard_and_one_log(tmp_path: Path) -> None:
    """Each call is answered to who asked and recorded once, in the one log that verifies."""
    clients, calls = 4, 25
    with recorder_daemon(tmp_path) as guard:
        wires = [opened(guard, era=(LEGACY, MODERN)[number % 2]) for number in range(clients)]

        def ask(number: int) -> None:
            for turn in range(calls):
                mark = f"C{number}-T{turn}."
                params = {"name": "echo", "arguments": {"message": mark}}
                answer = wires[number].request("tools/call", params, modern=bool(number % 2))
                answers[number].append(mark in said(answer))

        answers: list[list[bool]] = [[] for _ in wires]
        threads = [threading.Thread(target=ask, args=[number]) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == [[True] * calls] * clients
        assert len(guard.status()["sessions"]) == clients
        for wire in wires:
            assert wire.close() == 0
        until(lambda: not guard.status()["sessions"])
    records = guard.records()
    assert [record["seq"] for record in records] == list(range(len(records)))
    decided = [record for record in records if record["kind"] == "tool.decision"]
    assert len(decided) == len({record["call"] for record in decided}) == clients * calls
    assert len({record["session"] for record in decided}) == clients
    assert remit("audit", "verify", "--state", str(guard.state)).returncode == 0


def test_two_servers_with_policies_of_their_own(tmp_path: Path) -> None:
    """A permit for a tool of one server is none for the tool of the same name of another."""
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    (bundle / "tool" / "other.cedar").write_text(
        '@id("other-only") permit (principal, action == Remit::Action::"other/forbidden", resource);'
    )
    servers = {
        "rec": recorder_command(tmp_path / "server.log"),
        "other": recorder_command(tmp_path / "other.log"),
    }
    with (
        Daemon(tmp_path, servers, bundle) as guard,
        opened(guard) as rec,
        opened(guard, "other") as other,
    ):
        works(rec)
        assert refused(call(rec, "forbidden", message="REC"))
        assert not refused(call(other, "forbidden", message="OTHER"))
        assert refused(call(other, "echo", message="OTHER-ECHO"))
        assert "rec" not in (tmp_path / "other.log").read_text() or ran(tmp_path, "hello") == 1
    assert ran(tmp_path, "OTHER", "other.log") == 1
    assert ran(tmp_path, "REC") == 0
    servers_seen = {r["action"]["server"] for r in guard.records() if r["kind"] == "tool.decision"}
    assert servers_seen == {"rec", "other"}


def test_an_unknown_server_is_told_to_the_client(tmp_path: Path) -> None:
    """The refusal names the server that was probably meant, and the client can read it."""
    with recorder_daemon(tmp_path) as guard, guard.client("rex") as wire:
        wire.send(call_frame("initialize", {}, 1, modern=False))
        answer = wire.response(1)
        assert "did you mean `rec`?" in answer["error"]["message"]
        assert wire.close() == 1


def test_agent_and_user_come_from_the_peer(tmp_path: Path, helper: Path) -> None:
    """Whatever the client calls itself: the operating system knows whose process it is."""
    with recorder_daemon(tmp_path) as guard:
        with agent(helper, guard) as wire:
            opening = {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "clientInfo": {"name": "root", "version": "1"},
            }
            assert "result" in wire.request("initialize", opening)
            works(wire)
            (session,) = guard.status()["sessions"]
            assert (session["agent"], session["user"]) == ("helper", getpass.getuser())
        until(lambda: not guard.status()["sessions"])
    (record,) = [r for r in guard.records() if r["kind"] == "tool.decision"]
    assert record["actor"]["agent"] == "helper"
    assert record["actor"]["user"] == getpass.getuser()
    assert record["actor"]["executable"] == str(helper)
    assert record["actor"].get("claimed", "root").startswith("root")


# --- reload -------------------------------------------------------------------------------------


def test_a_reload_under_way_of_a_call(tmp_path: Path) -> None:
    """The call finishes; the next one is judged by the new policy."""
    with recorder_daemon(tmp_path) as guard, opened(guard) as wire:
        params = {"name": "slow", "arguments": {"ms": 1500}}
        assert not refused(call(wire, "slow", ms=1))
        wire.send(call_frame("tools/call", params, 7, modern=False))
        until(lambda: guard.status()["sessions"][0]["in_flight"])
        change(guard.bundle, FIRST_LINE, FORBID_SLOW + FIRST_LINE, 2)
        done = command(guard, "reload")
        assert (done.returncode, done.stdout) == (0, "in force: serial 2, 1 servers\n")
        assert guard.status()["sessions"][0]["in_flight"] == 1, "the reload came too late"
        assert not refused(wire.response(7))
        answer = call(wire, "slow", ms=1)
        assert "Slow is over" in said(answer)
        works(wire)
    loads = [r["serial"] for r in guard.records() if r["kind"] == "policy.load"]
    assert loads[0] == 1
    assert loads[-1] == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tool/recorder.cedar", "permit ("),
        ("tool/recorder.cedar", "permit (principal, action, resource);"),
        ("facts.toml", "[[fact]]\nname ="),
        ("bundle.toml", 'name = "recorder"\nversion = "1"\n'),
        ("bundle.toml", b"\xff\xfe"),
        ("../remit.toml", "[servers.rec]\ncommand = []\n"),
        ("../remit.toml", "x"),
    ],
)
def test_what_does_not_check_changes_nothing(tmp_path: Path, file: str, text: str | bytes) -> None:
    """The last good bundle stays in force; the command, `status` and the log say so."""
    with recorder_daemon(tmp_path) as guard, opened(guard) as wire:
        works(wire)
        path = guard.bundle / file
        good = path.read_bytes()
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        done = command(guard, "reload")
        assert done.returncode == 2
        assert done.stderr.startswith("remit: ")
        works(wire)
        policy = shown(guard, "status")["policy"]
        assert policy["serial"] == 1
        assert policy["reload"]["ok"] is False
        assert policy["reload"]["problem"]
        assert "was refused" in command(guard, "status").stdout
        with opened(guard) as another:
            works(another)
        path.write_bytes(good)
        assert command(guard, "reload").returncode == 0
        assert shown(guard, "status")["policy"]["reload"]["ok"] is True
        works(wire)
    reloads = [r["ok"] for r in guard.records() if r["kind"] == "guard.reload"]
    assert reloads == [True, False, True]


def test_a_hangup_signal_reloads(tmp_path: Path) -> None:
    """SIGHUP does what `remit guard reload` does, also when the bundle does not check."""
    with recorder_daemon(tmp_path) as guard, opened(guard) as wire:
        change(guard.bundle, FIRST_LINE, FORBID_SLOW + FIRST_LINE, 2)
        os.kill(guard.process.pid, signal.SIGHUP)
        until(lambda: guard.status()["policy"]["serial"] == 2)
        assert "Slow is over" in said(call(wire, "slow", ms=1))
        (guard.bundle / "tool" / "recorder.cedar").write_text("permit (")
        os.kill(guard.process.pid, signal.SIGHUP)
        until(lambda: guard.status()["policy"]["reload"]["ok"] is False)
        works(wire)


def test_servers_that_come_change_and_go(tmp_path: Path) -> None:
    """Sessions of a server that changed or went end; those of the others do not notice."""
    logs = {name: tmp_path / f"{name}.log" for name in ("kept", "changed", "gone", "fresh")}
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    (bundle / "tool" / "all.cedar").write_text(
        '@id("all") permit (principal, action in Remit::Action::"tool.call", resource);'
    )
    first = {name: recorder_command(logs[name]) for name in ("kept", "changed", "gone")}
    with Daemon(tmp_path, first, bundle) as guard:
        wires = {name: opened(guard, name) for name in first}
        for wire in wires.values():
            works(wire)
        other = recorder_command(tmp_path / "moved.log")
        guard.write_config(
            {"kept": first["kept"], "changed": other, "fresh": recorder_command(logs["fresh"])}
        )
        done = command(guard, "reload")
        assert done.returncode == 0, done.stderr
        for name in ("changed", "gone"):
            assert wires[name].process.wait(10) == 0
            with pytest.raises(EndedError):
                wires[name].next_frame()
        works(wires["kept"])
        for name in ("changed", "fresh"):
            with opened(guard, name) as wire:
                works(wire, "AGAIN")
        with guard.client("gone") as wire:
            wire.send(call_frame("initialize", {}, 1, modern=False))
            assert "no server `gone`" in wire.response(1)["error"]["message"]
        for wire in wires.values():
            wire.close()
    assert ran(tmp_path, "AGAIN", "moved.log") == 1
    assert ran(tmp_path, "AGAIN", "changed.log") == 0


def test_pins_that_were_accepted_take_effect_by_reload(tmp_path: Path) -> None:
    """A server that came back changed is held back until the change is accepted and reloaded."""
    changed = recorder_command(tmp_path / "server.log", "--lenient", "--list", "changed")
    with recorder_daemon(tmp_path) as guard:
        with opened(guard) as wire:
            works(wire)
            wire.request("tools/list")
        guard.write_config({"rec": changed})
        assert command(guard, "reload").returncode == 0
        with opened(guard) as wire:
            assert "echo" not in {t["name"] for t in wire.request("tools/list")["result"]["tools"]}
            assert refused(call(wire, "echo", message="TOO-EARLY"))
            pin = ["policy", "pin", "--state", str(guard.state), "rec", "--accept", "--", *changed]
            done = remit(*pin)
            assert done.returncode == 0, done.stdout + done.stderr
            assert command(guard, "reload").returncode == 0
            assert "echo" in {t["name"] for t in wire.request("tools/list")["result"]["tools"]}
            works(wire)
    assert ran(tmp_path, "TOO-EARLY") == 0


# --- what outlives a session --------------------------------------------------------------------


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_limits_are_shared_by_all_sessions_and_kept(tmp_path: Path, end: str) -> None:
    """Three an hour are three an hour: over sessions, reloads, and restarts however they came."""
    with recorder_daemon(tmp_path) as guard:
        with opened(guard) as one, opened(guard) as two:
            assert not refused(call(one, "limited", message="L1"))
            assert not refused(call(two, "limited", message="L2"))
            assert command(guard, "reload").returncode == 0
            assert not refused(call(one, "limited", message="L3"))
            assert refused(call(two, "limited", message="L4"))
            assert refused(call(one, "limited", message="L5"))
        if end == "stop":
            assert command(guard, "stop").returncode == 0
        else:
            guard.process.kill()
        guard.process.wait(10)
        guard.start()
        with opened(guard) as wire:
            assert refused(call(wire, "limited", message="L6"))
            works(wire)
    assert [ran(tmp_path, f"L{number}") for number in range(1, 7)] == [1, 1, 1, 0, 0, 0]


# --- confirmations ------------------------------------------------------------------------------


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A program that is no shell by its name: it stands for an agent."""
    program = tmp_path / "bin" / "helper"
    program.parent.mkdir()
    shutil.copy2(Path("/bin/sh").resolve(), program)
    return program


def agent(helper: Path, guard: Daemon) -> Wire:
    """Start the shim as the child of an agent."""
    return Wire([str(helper), "-c", '"$@"; exit $?', "x", *guard.shim("rec")], cwd=guard.directory)


def waits(guard: Daemon, wire: Wire, number: int, to: str) -> str:
    """Make a call that needs a person; returns the id of the question."""
    params = {"name": "pay", "arguments": {"amount": 50, "to": to}}
    wire.send(call_frame("tools/call", params, number, modern=False))
    (question,) = until(lambda: shown(guard, "questions"))
    assert to in question["text"]
    assert "helper" in question["text"]
    return str(question["id"])


def test_a_confirmation_lets_one_call_run(tmp_path: Path, helper: Path) -> None:
    """Exactly the call that was shown; the same call again is asked again, and can be refused."""
    with recorder_daemon(tmp_path) as guard, agent(helper, guard) as wire:
        wire.open(LEGACY)
        question = waits(guard, wire, 1, "ALICE")
        assert ran(tmp_path, "ALICE") == 0
        assert question in command(guard, "questions").stdout
        assert command(guard, "confirm", question).returncode == 0
        assert not refused(wire.response(1))
        assert ran(tmp_path, "ALICE") == 1
        assert shown(guard, "questions") == []
        assert command(guard, "confirm", question).returncode == 2
        again = waits(guard, wire, 2, "ALICE")
        assert again != question
        assert command(guard, "refuse", again).returncode == 0
        assert refused(wire.response(2))
        assert ran(tmp_path, "ALICE") == 1
        works(wire)
    answers = [r for r in guard.records() if r["kind"] == "confirmation.answer"]
    assert [(r["question"], r["yes"]) for r in answers] == [(question, True), (again, False)]
    assert {r["user"] for r in answers} == {getpass.getuser()}


def test_silence_is_a_no(tmp_path: Path, helper: Path) -> None:
    """A question has an end; after it nobody can say yes."""
    with (
        recorder_daemon(tmp_path, options=["--confirm-timeout", "0.8"]) as guard,
        agent(helper, guard) as wire,
    ):
        wire.open(LEGACY)
        question = waits(guard, wire, 1, "BOB")
        assert refused(wire.response(1))
        assert command(guard, "confirm", question).returncode == 2
        assert ran(tmp_path, "BOB") == 0


def test_a_policy_that_changes_while_a_call_waits(tmp_path: Path, helper: Path) -> None:
    """A yes to what another policy asked is not a yes."""
    with recorder_daemon(tmp_path) as guard, agent(helper, guard) as wire:
        wire.open(LEGACY)
        question = waits(guard, wire, 1, "CAROL")
        change(guard.bundle, "amount > 10", "amount > 20", 2)
        assert command(guard, "reload").returncode == 0
        command(guard, "confirm", question)
        assert refused(wire.response(1))
        assert ran(tmp_path, "CAROL") == 0


def test_an_agent_cannot_confirm(tmp_path: Path, helper: Path) -> None:
    """A process below an agent that has a session has no word; it is recorded that it tried."""
    with recorder_daemon(tmp_path) as guard, agent(helper, guard) as wire:
        wire.open(LEGACY)
        question = waits(guard, wire, 1, "DAVE")
        confirm = [REMIT, "guard", "confirm", "--socket", str(guard.socket), question]
        for line in (
            '"$@"; exit $?',
            'setsid -w "$@"; exit $?',
            'sh -c \'"$@"; exit $?\' x "$@"; exit $?',
        ):
            done = subprocess.run(
                [str(helper), "-c", line, "x", *confirm], capture_output=True, text=True, check=False
            )  # fmt: skip
            assert done.returncode == 2
            assert "an agent cannot confirm" in done.stderr
        assert [q["id"] for q in shown(guard, "questions")] == [question]
        assert ran(tmp_path, "DAVE") == 0
        assert command(guard, "refuse", question).returncode == 0
        assert refused(wire.response(1))
    tries = [r for r in guard.records() if r["kind"] == "confirmation.refused"]
    assert len(tries) == 3


def test_a_session_that_ends_takes_its_question_along(tmp_path: Path, helper: Path) -> None:
    """Nobody can confirm a call whose client is gone."""
    with recorder_daemon(tmp_path) as guard:
        with agent(helper, guard) as wire:
            wire.open(LEGACY)
            question = waits(guard, wire, 1, "ERIN")
            wire.process.kill()
            os.killpg(wire.process.pid, signal.SIGKILL)
        until(lambda: not guard.status()["sessions"])
        assert shown(guard, "questions") == []
        assert command(guard, "confirm", question).returncode == 2
        assert ran(tmp_path, "ERIN") == 0
