"""The shim as a process, beside a Guard that the test plays: what it hands over, and how it denies."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from remit_shim import mcp

PATIENCE_S = 10
QUICK = "m.HELLO_S, m.SILENCE_S, m.LINGER_S = 0.3, 0.4, 0.3; "
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
GRANTED = b'{"ok":true,"session":"01"}\n'
END = b'{"end":{"status":0,"reason":""}}\n'


@pytest.fixture
def place():
    """A directory whose path fits into a socket's name."""
    with tempfile.TemporaryDirectory(prefix="remit-", dir="/tmp") as name:
        yield Path(name)


class PlayedGuard:
    """Accepts one shim, takes its hello, and does as it is told with the connection."""

    def __init__(self, path, play):
        self.line = b""
        self.pid = 0
        self.streams = []
        self._play = play
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._listening.settimeout(PATIENCE_S)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                self.pid = int.from_bytes(peer[:4], sys.byteorder)
                self.line, self.streams, _, _ = socket.recv_fds(connection, 4096, 8)
                try:
                    self._play(self, connection)
                finally:
                    # As the kernel does for a Guard that ended; the client waits for that.
                    for descriptor in self.streams:
                        os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._thread.join(PATIENCE_S)
        self._listening.close()


def says(*pieces):
    """Play a Guard that sends this and then waits for the shim to go."""

    def play(guard, connection):
        for piece in pieces:
            connection.sendall(piece)
        connection.recv(1)

    return play


def shim(path, *, before=QUICK, server="git", **options):
    code = f"import remit_shim.mcp as m; {before}m.main()"
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
    return subprocess.Popen(
        [sys.executable, "-c", code, "--socket", str(path), server], bufsize=0, **streams
    )


def ends(process, *, send=b""):
    """What it wrote and how it ended, after the client sent something and closed."""
    out, err = process.communicate(send, timeout=PATIENCE_S)
    assert b"Traceback" not in err
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


# --- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [[], ["a", "b"], ["--socket", "x"], ["--nothing", "a"], [""], ["../a"], ["a b"], ['a"'],
     [".a"], ["-"], ["é"], ["a" * 65], ["a\n"]],
)  # fmt: skip
def test_usage(arguments, monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["remit-mcp", *arguments])
    with pytest.raises(SystemExit) as ended:
        mcp.main()
    assert ended.value.code == mcp.BAD_USAGE
    shown = capfd.readouterr()
    assert not shown.out
    assert shown.err.startswith("usage: remit-mcp")


def test_help(monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["remit-mcp", "--help"])
    with pytest.raises(SystemExit) as ended:
        mcp.main()
    assert ended.value.code == 0
    assert capfd.readouterr().out == mcp.USAGE


@pytest.mark.parametrize(
    ("environ", "platform", "found"),
    [
        ({"REMIT_SOCKET": "/r", "XDG_RUNTIME_DIR": "/x"}, "linux", "/r"),
        ({"XDG_RUNTIME_DIR": "/x", "HOME": "/h"}, "linux", "/x/remit/guard.sock"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "linux", "/s/remit/guard.sock"),
        ({"HOME": "/h", "REMIT_SOCKET": ""}, "linux", "/h/.local/state/remit/guard.sock"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/remit/guard.sock"),
    ],
)
def test_socket_path(environ, platform, found, monkeypatch):
    monkeypatch.setattr("os.environ", environ)
    monkeypatch.setattr("sys.platform", platform)
    assert mcp.socket_path() == found


def test_it_imports_nothing_but_the_standard_library_and_little_of_that():
    """The budget: what is not imported costs neither memory nor the client's time."""
    source = Path(mcp.__file__).parents[1]
    code = f"import sys; sys.path.insert(0, {str(source)!r}); import remit_shim.mcp; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    assert modules - {"remit_shim", "__main__"} <= sys.stdlib_module_names
    heavy = {"asyncio", "dataclasses", "json", "pathlib", "re", "ssl", "subprocess", "typing"}
    assert not modules & heavy


# --- the hand-over ------------------------------------------------------------------------------


def test_it_hands_over_its_three_streams_and_only_waits(place):
    """What Guard reads and writes through them is the client's; the status is that of the end."""

    def play(guard, connection):
        connection.sendall(GRANTED)
        source, sink, errors = guard.streams
        os.write(sink, b'"heard ' + os.read(source, 100).strip() + b'"\n')
        os.write(errors, b"an error\n")
        memory = Path(f"/proc/{guard.pid}/status").read_text()
        guard.kilobytes = int(memory.split("VmRSS:")[1].split()[0])
        connection.sendall(b"\n\n" + END)

    with PlayedGuard(place / "s", play) as guard:
        process = shim(place / "s")
        assert ends(process, send=b"you\n") == (0, ["heard you"], "an error\n")
    assert json.loads(guard.line) == {"remit": 1, "op": "mcp", "server": "git"}
    assert guard.kilobytes <= 16_000


def test_a_server_that_ended_first_is_status_1(place):
    end = b'{"end":{"status":1,"reason":"the server died"}}\n'
    with PlayedGuard(place / "s", says(GRANTED, b"\n", end)):
        assert ends(shim(place / "s"))[0] == mcp.REFUSED


@pytest.mark.parametrize("closed", [0, 1])
def test_without_a_stream_it_hands_over_nothing(place, closed):
    """A number that is free would be that of its own socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(place / "s"))
        listening.listen()
        process = shim(place / "s", preexec_fn=lambda: os.close(closed))
        assert ends(process)[0] == mcp.BAD_USAGE
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_without_an_error_stream_another_takes_its_place(place):
    with PlayedGuard(place / "s", says(GRANTED, END)) as guard:
        assert ends(shim(place / "s", preexec_fn=lambda: os.close(2)))[0] == 0
    assert len(guard.streams) == 3


def test_an_interrupt_ends_it_without_a_trace(place):
    def play(guard, connection):
        connection.sendall(GRANTED)
        os.write(guard.streams[1], b"ready\n")
        connection.recv(1)

    with PlayedGuard(place / "s", play):
        process = shim(place / "s")
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        code, _, err = ends(process)
    assert (code, err) == (-signal.SIGINT, "")


# --- denials ------------------------------------------------------------------------------------


def test_without_a_guard_every_request_is_answered_and_nothing_else(place):
    lines = [
        PING,
        b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{}}\n',
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}\n',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n',
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n',
        b'{"jsonrpc":"2.0","id":3,"result":{}}\n',
        b"[]\n", b"\n", b"\xff\n", b"{\n", b"[" * 5000 + b"\n", b"x" * 100_000 + b"\n",
        b'{"jsonrpc":"2.0","id":9,"method":"ping"}\n',
    ]  # fmt: skip
    code, frames, err = ends(shim(place / "s"), send=b"".join(lines))
    assert code == mcp.UNREACHABLE
    assert [frame["id"] for frame in frames] == [1, "x", 9]
    for frame in frames:
        assert frame["error"]["code"] == mcp.UPSTREAM_FAILED
        assert "cannot be reached" in frame["error"]["message"]
    assert str(place / "s") in err


@pytest.mark.parametrize("path", ["/tmp/" + "x" * 200, "/nowhere/s", "/dev/null", "/tmp"])
def test_a_place_that_is_none(path):
    assert ends(shim(path), send=PING)[:2][0] == mcp.UNREACHABLE


@pytest.mark.parametrize(
    "answer",
    [b"", b"\n", b"half a line", b"[]\n", b"nonsense\n", b'{"ok":false}\n', b'{"error":[]}\n',
     b'{"ok": "true"}\n', b"x" * 100_000],
)  # fmt: skip
def test_an_answer_that_grants_nothing_is_a_denial(place, answer):
    """Silence, too much, half of it and nonsense: the deadline holds and the client is told."""
    with PlayedGuard(place / "s", says(answer)):
        code, frames, _ = ends(shim(place / "s"), send=PING)
    assert code in {mcp.REFUSED, mcp.UNREACHABLE}
    assert [frame["id"] for frame in frames] == [1]


def test_a_refusal_is_told_with_its_hint(place):
    answer = {"ok": False, "code": "c", "error": "no server `gti`", "hint": "did you mean `git`?"}
    with PlayedGuard(place / "s", says(json.dumps(answer).encode() + b"\n")):
        code, frames, err = ends(shim(place / "s"), send=PING)
    assert code == mcp.REFUSED
    assert frames[0]["error"]["message"] == "no server `gti`; did you mean `git`?"
    assert "did you mean" in err


@pytest.mark.parametrize("hangs", [False, True])
def test_a_guard_that_goes_or_hangs_in_a_session(place, hangs):
    """What Guard did not read is answered, although Guard left the streams non-blocking."""

    def play(guard, connection):
        for descriptor in guard.streams:
            os.set_blocking(descriptor, False)
        connection.sendall(GRANTED)
        if hangs:
            connection.recv(1)

    with PlayedGuard(place / "s", play):
        code, frames, err = ends(shim(place / "s"), send=PING * 1000)
    assert code == mcp.UNREACHABLE
    assert len(frames) == 1000
    assert {frame["error"]["message"] for frame in frames} == {"Remit Guard stopped"}
    assert "stopped" in err


def test_a_client_that_asks_on_and_on_does_not_keep_it_alive(place):
    """After Guard died in a session the process ends soon, so that the client can start it anew."""

    def play(guard, connection):
        connection.sendall(GRANTED)

    with PlayedGuard(place / "s", play):
        process = shim(place / "s")
        until = time.monotonic() + PATIENCE_S
        with contextlib.suppress(BrokenPipeError):
            while time.monotonic() < until:
                process.stdin.write(PING)
                process.stdout.readline()
        assert process.wait(1) == mcp.UNREACHABLE
    for stream in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def test_an_error_stream_that_nobody_reads_does_not_stop_the_denial(place):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    process = shim(place / "s", stderr=writing)
    os.close(writing)
    out, _ = process.communicate(PING, timeout=PATIENCE_S)
    os.close(reading)
    assert json.loads(out)["id"] == 1


def test_a_client_that_is_silent_is_not_waited_for(place):
    process = shim(place / "s", before="m.IDLE_S = 0.1; ")
    assert process.wait(PATIENCE_S) == mcp.UNREACHABLE
    assert ends(process)[0] == mcp.UNREACHABLE


def test_it_hangs_up_before_it_denies(place):
    """A Guard that wakes up later must not read the client's input beside the shim."""

    def play(guard, connection):
        guard.hung_up = connection.recv(1) == b"" and Path(f"/proc/{guard.pid}").exists()

    with PlayedGuard(place / "s", play) as guard:
        process = shim(place / "s")
        guard._thread.join(PATIENCE_S)
        assert guard.hung_up
        assert ends(process, send=PING)[1][0]["id"] == 1
