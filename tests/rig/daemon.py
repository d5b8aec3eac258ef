"""The Guard of a machine as a real process, its clients, and its command line."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.governed import PYTHON, RECORDER, REMIT, ROOT, copy_bundle, records
from tests.rig.wire import DEADLINE_S, Wire

SHIM = str(ROOT / ".venv" / "bin" / "remit-mcp")


def recorder_command(log: Path, *options: str) -> list[str]:
    """Return the command of a recorder that writes to `log`."""
    return [PYTHON, "-I", "-S", str(RECORDER), "--log", str(log), *(options or ("--lenient",))]


def wait_until(condition: Callable[[], Any], what: str = "", deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of `condition`."""
    until = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < until, what or "it did not happen in time"
        time.sleep(0.01)
    return found


class Daemon:
    """`remit guard run` over some servers (id to command)."""

    def __init__(
        self,
        directory: Path,
        servers: Mapping[str, Sequence[str]],
        bundle: Path,
        *,
        options: Sequence[str] = (),
        extra: str = "",
        http: str = "off",
    ) -> None:
        self.directory = directory
        self.bundle = bundle
        self.state = directory / "state"
        # A path of pytest's is easily longer than a socket's name may be.
        self.socket = Path(f"/tmp/remit-{os.getpid()}-{time.monotonic_ns()}.sock")
        self.config = directory / "remit.toml"
        self.write_config(servers, extra)
        self.command = [
            REMIT, "guard", "run", "--config", str(self.config), "--bundle", str(bundle),
            "--state", str(self.state), "--socket", str(self.socket), "--http", http, *options,
        ]  # fmt: skip
        self.log = directory / "guard.stderr"
        self.process = self.start()

    def write_config(self, servers: Mapping[str, Sequence[str]], extra: str = "") -> None:
        """Write remit.toml anew."""
        lines = []
        for name, command in servers.items():
            lines += [
                f"[servers.{name}]",
                f"command = {json.dumps(list(command))}",
                f"workspace = {json.dumps(str(self.directory))}",
            ]
        self.config.write_text("\n".join([*lines, extra]) + "\n")

    def start(self, deadline_s: float = 20.0) -> subprocess.Popen[bytes]:
        """Start the process and wait until it listens."""
        with self.log.open("ab") as errors:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.directory,
                start_new_session=True,
            )
        self.process = process
        until = time.monotonic() + deadline_s
        while "ok" not in self.ask({"op": "status"}, quiet=True):
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)
        return process

    def ask(self, question: Mapping[str, Any], *, quiet: bool = False) -> dict[str, Any]:
        """Ask over the socket, as the command line does."""
        data = b""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(20)
                connection.connect(str(self.socket))
                connection.sendall(json.dumps({"remit": 1, **question}).encode() + b"\n")
                while piece := connection.recv(1 << 16):
                    data += piece
            return dict(json.loads(data))
        except (OSError, ValueError):
            if quiet:
                return {}
            raise

    def status(self) -> dict[str, Any]:
        """Return what `remit guard status` shows."""
        return self.ask({"op": "status"})

    @property
    def url(self) -> str:
        """URL of the HTTP listener."""
        return str(self.status()["http"])

    def key(self, agent: str = "tester", user: str = "ann", *options: str) -> str:
        """Issue a bearer key to a caller."""
        command = [REMIT, "key", "new", "--agent", agent, "--user", user]
        done = subprocess.run(
            [*command, "--state", str(self.state), *options],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    def shim(self, server: str) -> list[str]:
        """Return the command that a client starts."""
        return [SHIM, "--socket", str(self.socket), server]

    def client(self, server: str) -> Wire:
        """Start a client's shim, not opened yet."""
        return Wire(self.shim(server), cwd=self.directory)

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the audit log, once all that Guard has accepted are on disk.

        What needs not be durable before it is answered, such as a read, gets there later.
        """
        if self.process.poll() is not None:
            return records(self.state)
        log = self.status()["log"]
        if log["poisoned"]:
            return records(self.state)
        return wait_until(
            lambda: found if len(found := records(self.state)) >= log["records"] else None,
            f"of {log['records']} records not all are on disk",
        )

    def stop(self, deadline_s: float = 20.0) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.ask({"op": "stop"}, quiet=True)
            try:
                self.process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def recorder_daemon(directory: Path, *options: str, **more: Any) -> Daemon:
    """Start a Guard over one recorder called `rec`, with the recorder's bundle."""
    bundle = directory / "bundle"
    if not bundle.exists():
        copy_bundle("recorder", directory, WORKSPACE=str(directory))
    command = recorder_command(directory / "server.log", *options)
    return Daemon(directory, {"rec": command}, bundle, **more)
