"""Real processes of ``remit mcp exec``: killed, starved of disk, doubled, cut off."""

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import threading
import time

import pytest

from tests.rig.governed import PYTHON, RECORDER, REMIT, Governed, copy_bundle, exec_command, refused
from tests.rig.wire import LEGACY, EndedError, SilenceError, Wire

ERA = LEGACY


def marks_that_ran(governed):
    return {
        entry["arguments"]["message"]
        for entry in governed.server_entries()
        if entry.get("ran") == "limited"
    }


def allowed_in(records):
    """Ids of the durable allowing decisions of the writing tool."""
    return [
        r["call"]
        for r in records
        if r["kind"] == "tool.decision"
        and r["action"]["tool"] == "limited"
        and r["decision"]["effect"] == "allow"
    ]


UNLIMITED = 'max = 100000\nwindow = "1h"'


def bundle_without_limit(directory):
    bundle = copy_bundle("recorder", directory, WORKSPACE=str(directory))
    facts = bundle / "facts.toml"
    facts.write_text(facts.read_text().replace('max = 3\nwindow = "1h"', UNLIMITED))
    return bundle


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_no_call_without_a_record(tmp_path, seed):
    """Every writing call that reached the server has a decision on disk, whenever Guard died."""
    chance = random.Random(seed)
    bundle = bundle_without_limit(tmp_path)
    ran = 0
    for _ in range(4):
        governed = Governed(tmp_path, ERA, bundle=bundle)
        stop = threading.Event()

        def write(governed=governed, stop=stop):
            number = 0
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    number += 1
                    params = {"name": "limited", "arguments": {"message": governed.mark()}}
                    governed.wire.send(
                        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                    )
                    if number % 20 == 0:
                        time.sleep(0.005)

        writer = threading.Thread(target=write)
        writer.start()
        until = time.monotonic() + 20
        while len(marks_that_ran(governed)) <= ran and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1 + chance.random() * 0.25)
        governed.wire.process.kill()
        stop.set()
        writer.join(5)
        governed.wire.close()
        time.sleep(0.05)
        reached = marks_that_ran(governed)
        durable = allowed_in(governed.records())
        assert len(durable) == len(set(durable))
        assert len(reached) <= len(durable)
        ran = len(reached)
    assert ran > 20
    with Governed(tmp_path, ERA, bundle=bundle) as governed:
        governed.still_works()
    records = governed.records()
    decided, ended = (
        set(allowed_in(records)),
        [r["call"] for r in records if r["kind"] == "tool.result"],
    )
    # Each is closed, as what it was or as unknown, exactly once.
    assert decided <= set(ended)
    assert len(ended) == len(set(ended))
    assert [r["seq"] for r in records] == list(range(len(records)))


def limited_disk(size):
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return set_limit


def test_a_full_disk_denies_what_writes_and_then_everything(tmp_path, small_disk):
    bundle = bundle_without_limit(tmp_path)
    state = small_disk / "state"
    log = tmp_path / "server.log"
    server = [PYTHON, "-I", "-S", str(RECORDER), "--log", str(log), "--lenient"]
    config = tmp_path / "remit.toml"
    config.write_text(
        f"[servers.rec]\ncommand = {json.dumps(server)}\nworkspace = {json.dumps(str(tmp_path))}\n"
    )
    command = [REMIT, "mcp", "exec", "--config", str(config), "--bundle", str(bundle),
               "--state", str(state), "rec"]  # fmt: skip
    with Wire(command, cwd=tmp_path) as wire:
        wire.open(ERA)
        assert not refused(wire.request("tools/call", call("limited", "BEFORE")))
        # Fill what is left.
        with (small_disk / "filler").open("wb") as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 65536)
                filler.flush()
        denied_at = None
        for number in range(3000):
            answer = wire.request("tools/call", call("limited", f"FULL-{number}-" + "x" * 400))
            if refused(answer):
                denied_at = number
                break
        assert denied_at is not None
        for number in range(5):
            mark = f"AFTER-{number}"
            assert refused(wire.request("tools/call", call("limited", mark)))
            assert refused(wire.request("tools/call", call("echo", mark)))
        seen = log.read_text()
        assert "AFTER-" not in seen
        assert f"FULL-{denied_at}-" not in seen
        assert wire.alive
        wire.request("ping", {})


def call(name, mark):
    return {"name": name, "arguments": {"message": mark}}


def test_a_log_that_cannot_grow_denies_what_writes(tmp_path):
    bundle = bundle_without_limit(tmp_path)
    log = tmp_path / "server.log"
    # The server must not inherit the limit: it raises its own back.
    server = [PYTHON, "-I", "-S", str(RECORDER), "--log", str(log), "--lenient"]
    command = exec_command("rec", server, bundle, tmp_path / "state")
    first = Wire(command, cwd=tmp_path)
    first.open(ERA)
    first.close()
    process_limit = 256 * 1024

    real = subprocess.Popen

    def limited(*args, **more):
        return real(*args, **more, preexec_fn=limited_disk(process_limit))

    subprocess.Popen = limited
    try:
        wire = Wire(command, cwd=tmp_path)
    finally:
        subprocess.Popen = real
    with wire:
        wire.open(ERA)
        for number in range(2000):
            if refused(wire.request("tools/call", call("limited", f"N-{number}-" + "x" * 400))):
                break
        else:
            pytest.fail("the limit was never reached")
        text = log.read_text()
        assert f"N-{number}-" not in text
        for again in range(3):
            assert refused(wire.request("tools/call", call("limited", f"AFTER-{again}")))
        assert "AFTER" not in log.read_text()


def test_a_state_that_cannot_be_written_starts_nothing(tmp_path):
    bundle = bundle_without_limit(tmp_path)
    (tmp_path / "file").write_text("")
    marker = tmp_path / "started"
    done = subprocess.run(
        [REMIT, "mcp", "exec", "--bundle", str(bundle), "--name", "rec",
         "--state", str(tmp_path / "file" / "state"), "--", "touch", str(marker)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--state" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not marker.exists()


def test_two_guards_on_one_state(tmp_path):
    with Governed(tmp_path, ERA) as first:
        done = subprocess.run(
            first.command,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2
        assert "another Guard is using" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        first.still_works()
    assert len([r for r in first.records() if r["kind"] == "guard.start"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(tmp_path, number):
    governed = Governed(tmp_path, ERA)
    governed.still_works()
    governed.wire.process.send_signal(number)
    assert governed.wire.process.wait(15) == 0
    governed.close()
    records = governed.records()
    assert records[-1]["kind"] == "guard.stop"
    assert "Traceback" not in governed.wire.stderr


def test_a_signal_while_a_call_hangs(tmp_path):
    governed = Governed(tmp_path, ERA)
    governed.wire.send(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
         "params": {"name": "hang", "arguments": {"message": "x"}}}
    )  # fmt: skip
    time.sleep(0.3)
    governed.wire.process.send_signal(signal.SIGTERM)
    governed.wire.process.wait(20)
    governed.close()
    records = governed.records()
    assert records[-1]["kind"] == "guard.stop"
    ends = [r["outcome"]["status"] for r in records if r["kind"] == "tool.result"]
    assert ends == ["cancelled"]


def run_with(tmp_path, **streams):
    bundle = copy_bundle("recorder", tmp_path, WORKSPACE=str(tmp_path))
    log = tmp_path / "server.log"
    server = [PYTHON, "-I", "-S", str(RECORDER), "--log", str(log)]
    command = exec_command("rec", server, bundle, tmp_path / "state")
    return subprocess.run(
        command, stderr=subprocess.PIPE, text=True, timeout=30, check=False, **streams
    )


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 1)])
def test_streams_that_are_closed_at_the_start(tmp_path, closed):
    def close():
        for number in closed:
            os.close(number)

    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    done = run_with(tmp_path, **streams, preexec_fn=close)
    assert done.returncode == 2
    assert "closed" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "server.log").exists()


def test_an_input_without_a_client_ends_at_once(tmp_path):
    done = run_with(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_input_and_output_may_be_files(tmp_path):
    (tmp_path / "in").write_text(
        json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "initialize",
             "params": {"protocolVersion": LEGACY, "capabilities": {}}}
        )
    )  # fmt: skip
    with (tmp_path / "in").open() as source, (tmp_path / "out").open("w") as sink:
        done = run_with(tmp_path, stdin=source, stdout=sink)
    assert done.returncode == 0
    (answer,) = (tmp_path / "out").read_text().splitlines()
    assert json.loads(answer)["id"] == 1


def test_a_client_that_closes_its_end_of_the_output(tmp_path):
    governed = Governed(tmp_path, ERA)
    governed.still_works()
    read_end = governed.wire.process.stdout.fileno()
    # The reading thread of the wire still holds the pipe: take it away beneath it.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, read_end)
    os.close(null)
    with contextlib.suppress(OSError, EndedError, SilenceError):
        for number in range(50):
            governed.wire.send({"jsonrpc": "2.0", "id": number, "method": "ping"})
            time.sleep(0.005)
    assert governed.wire.process.wait(20) in {0, 5}
    governed.wire.close()
    assert governed.records()[-1]["kind"] == "guard.stop"
    assert "Traceback" not in governed.wire.stderr
