"""``remit-mcp SERVER``: what a client starts in place of an MCP server.

It hands its standard streams to the Guard of this machine (SCM_RIGHTS, unix(7)) and waits. The
bytes of the protocol never pass through here. If there is no Guard, or it refuses, dies or is
silent for too long, every request is answered with a JSON-RPC error and the exit status is not
zero; there is no way from here to the server itself.

What travels on the socket is in ``spec/guard-socket.md``.
"""

import os
import select
import signal
import socket
import sys
import time

USAGE = """\
usage: remit-mcp [--socket PATH] SERVER

Connect an MCP client to SERVER through the Guard that `remit guard run` started.

  --socket PATH   Guard's socket  [default: $REMIT_SOCKET, else the user's runtime directory]

exit status: 0 ok   1 refused by Guard   2 usage   5 no Guard, or it died
"""
OK, REFUSED, BAD_USAGE, UNREACHABLE = 0, 1, 2, 5
HELLO_S = 5.0
"""Longest time for connecting and for the answer to the hand-over."""
SILENCE_S = 10.0
"""Guard says something every two seconds; after this it counts as hung."""
LINGER_S = 1.0
"""A Guard that died mid-session: requests that arrive within this time are still answered."""
IDLE_S = 60.0
"""Without a Guard requests are answered until the client is silent for so long."""
STUCK_S = 5.0
"""Longest time for a client to take an answer."""
MAX_LINE = 4 << 20
PIECE = 4096
"""What a pipe that is ready takes without blocking (PIPE_BUF, pipe(7))."""
UPSTREAM_FAILED = -31002


def socket_path() -> str:
    """Where Guard listens: ``REMIT_SOCKET``, the runtime directory, or the state directory."""
    if os.environ.get("REMIT_SOCKET"):
        return os.environ["REMIT_SOCKET"]
    if os.environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(os.environ["XDG_RUNTIME_DIR"], "remit", "guard.sock")
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "remit", "guard.sock")
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    return os.path.join(state, "remit", "guard.sock")


def main() -> None:
    """The command."""
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        _write(1, USAGE.encode(), STUCK_S)
        sys.exit(OK)
    path = ""
    if len(arguments) >= 2 and arguments[0] == "--socket":
        path, arguments = arguments[1], arguments[2:]
    if len(arguments) != 1 or not _is_id(arguments[0]):
        _write(2, USAGE.encode(), STUCK_S)
        sys.exit(BAD_USAGE)
    if not _has_streams():
        _write(2, b"remit-mcp: standard input or output is closed\n", 0)
        sys.exit(BAD_USAGE)
    # Clients end their servers with it: no trace, and Guard sees the socket close.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run(arguments[0], path or socket_path()))


def _has_streams() -> bool:
    """Whether there is a client at both ends; without an error stream there is none to hand over.

    A number that is free here would be the socket's, and would be handed over as a stream.
    """
    try:
        os.fstat(0)
        os.fstat(1)
    except OSError:
        return False
    try:
        os.fstat(2)
    except OSError:
        os.open(os.devnull, os.O_WRONLY)
    return True


def _is_id(name: str) -> bool:
    letters = name.replace(".", "").replace("_", "").replace("-", "")
    return len(name) <= 64 and name.isascii() and letters.isalnum() and name[0].isalnum()


def run(server: str, path: str) -> int:
    """Hand over and wait for the end; the exit status."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(HELLO_S)
    try:
        connection.connect(path)
        hello = f'{{"remit":1,"op":"mcp","server":"{server}"}}\n'
        socket.send_fds(connection, [hello.encode()], [0, 1, 2])
        answer = _line(connection, HELLO_S)
    except OSError as error:
        # A Guard that wakes up later finds that nobody waits, and reads nothing beside us.
        connection.close()
        reason = error.strerror or str(error) or type(error).__name__
        return _deny(f"Remit Guard cannot be reached at {path}: {reason}", UNREACHABLE, IDLE_S)
    if answer is None:
        connection.close()
        return _deny("Remit Guard did not answer", UNREACHABLE, IDLE_S)
    if '"ok":true' not in answer:
        connection.close()
        return _deny(_message(answer), REFUSED, IDLE_S)
    while True:
        try:
            line = _line(connection, SILENCE_S)
        except OSError:
            line = None
        if line is None:
            connection.close()
            return _deny("Remit Guard stopped", UNREACHABLE, LINGER_S, LINGER_S)
        if line:
            return REFUSED if '"status":0' not in line else OK


def _line(connection: socket.socket, patience_s: float) -> "str | None":
    """The next line; ``None`` at the end of the stream. Raises ``TimeoutError``."""
    data = b""
    deadline = time.monotonic() + patience_s
    while not data.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(1)
        if not piece or len(data) > 65536:
            return None
        data += piece
    return data[:-1].decode("utf-8", "replace")


def _message(answer: str) -> str:
    import json

    try:
        said = json.loads(answer)
        hint = said.get("hint")
        return f"{said['error']}; {hint}" if hint else str(said["error"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "Remit Guard refused"


def _deny(reason: str, status: int, idle_s: float, total_s: float = float("inf")) -> int:
    """Answer what is asked with ``reason``, until the client goes, is silent, or time is up."""
    _write(2, f"remit-mcp: {reason}\n".encode(), 0)
    until = time.monotonic() + total_s
    held = b""
    while (patience_s := min(idle_s, until - time.monotonic())) > 0:
        try:
            ready = select.select([0], [], [], patience_s)[0]
            data = os.read(0, 1 << 16) if ready else b""
        except BlockingIOError:
            continue
        except OSError:
            return status
        if not data:
            return status
        *lines, held = (held + data).split(b"\n")
        held = held[-MAX_LINE:]
        for line in lines:
            answer = _answer(line, reason)
            if answer and not _write(1, answer, STUCK_S):
                return status
    return status


def _answer(line: bytes, reason: str) -> bytes:
    """The refusal of one request; nothing for all that is none."""
    import json

    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return b""
    if (
        not isinstance(frame, dict)
        or "method" not in frame
        or type(frame.get("id")) not in (int, str)
    ):
        return b""
    error = {"code": UPSTREAM_FAILED, "message": reason}
    return json.dumps({"jsonrpc": "2.0", "id": frame["id"], "error": error}).encode() + b"\n"


def _write(descriptor: int, data: bytes, patience_s: float) -> bool:
    """Write all of it without blocking for longer; whether it went out.

    Guard has made the streams non-blocking, and a reader that does not read must not stop us.
    """
    until = time.monotonic() + patience_s
    while data:
        try:
            if not select.select([], [descriptor], [], max(0.0, until - time.monotonic()))[1]:
                return False
            data = data[os.write(descriptor, data[:PIECE]) :]
        except BlockingIOError:
            continue
        except OSError:
            return False
    return True


if __name__ == "__main__":
    main()
