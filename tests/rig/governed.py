"""One server under Guard, as the tests see it: the wire, the server's own log, the audit log."""

import json
import shutil
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.programs import ROOT
from tests.rig.wire import MODERN, Wire

REMIT = str(ROOT / ".venv" / "bin" / "remit")
BUNDLES = Path(__file__).with_name("bundles")
RECORDER = ROOT / "tests" / "conformance" / "servers" / "recorder.py"
PYTHON = str(ROOT / ".venv" / "bin" / "python")


def remit(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [REMIT, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        **options,
    )


def exec_command(
    server: str,
    command: Sequence[str],
    bundle: Path,
    state: Path,
    *options: str,
    workspace: Path | None = None,
) -> list[str]:
    """Return the command that governs `command` as the server `server`."""
    config = state.parent / f"{state.name}.remit.toml"
    if not config.exists():
        state.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f"[servers.{server}]\n"
            f"command = {json.dumps(list(command))}\n"
            f"workspace = {json.dumps(str(workspace or state.parent))}\n"
        )
    return [
        REMIT, "mcp", "exec", "--config", str(config), "--bundle", str(bundle),
        "--state", str(state), *options, server,
    ]  # fmt: skip


def copy_bundle(name: str, directory: Path, **replace: str) -> Path:
    """Copy a bundle of the rig, with `@KEY@` in its files replaced."""
    target = directory / "bundle"
    shutil.copytree(BUNDLES / name, target)
    for file in target.rglob("*"):
        if file.is_file():
            text = file.read_text()
            for key, value in replace.items():
                text = text.replace(f"@{key}@", value)
            file.write_text(text)
    return target


def records(state: Path) -> list[dict[str, Any]]:
    """Read all records of the log under `state`."""
    return list(each_record(state))


def each_record(state: Path) -> Iterator[dict[str, Any]]:
    """Read the records one after the other, by the published layout and not with our code."""
    for segment in sorted(state.rglob("seg/*.seg")):
        for entry, _ in _entries(segment, 0):
            yield json.loads(entry)


def _entries(segment: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """The entries of a segment from `offset` on, and where each ends.

    A segment is a run of frames `u32 length | u32 crc32(length, bytes) | bytes`, big endian.
    """
    with segment.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(8)) == 8:
            length, check = struct.unpack(">II", head)
            entry = file.read(length)
            if len(entry) < length or zlib.crc32(entry, zlib.crc32(head[:4])) != check:
                return
            offset += 8 + length
            yield entry, offset


class Growing:
    """A log that is read again and again: what was read before is kept."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._known: dict[Path, tuple[int, list[dict[str, Any]]]] = {}

    def records(self) -> list[dict[str, Any]]:
        """All records, in the order of :func:`records`."""
        found: list[dict[str, Any]] = []
        for segment in sorted(self._state.rglob("seg/*.seg")):
            done, some = self._known.get(segment, (0, []))
            for entry, end in _entries(segment, done):
                some.append(json.loads(entry))
                done = end
            self._known[segment] = done, some
            found += some
        return found


class Governed:
    """The recorder behind Guard."""

    def __init__(
        self,
        directory: Path,
        era: str,
        *,
        server_options: Sequence[str] = ("--lenient",),
        options: Sequence[str] = (),
        capabilities: Mapping[str, Any] | None = None,
        bundle: Path | None = None,
        opened: bool = True,
        via: str = "exec",
    ) -> None:
        self.directory = directory
        self.via = via
        self.era = era
        self.modern = era == MODERN
        self.server_log = directory / "server.log"
        self.state = directory / "state"
        if bundle is None:
            bundle = directory / "bundle"
            if not bundle.exists():
                copy_bundle("recorder", directory, WORKSPACE=str(directory))
        self.bundle = bundle
        server = [PYTHON, "-I", "-S", str(RECORDER), "--log", str(self.server_log), *server_options]
        self.daemon: Any = None
        self._bridge: Any = None
        if via == "exec":
            self.command = exec_command("rec", server, bundle, self.state, *options)
            self.wire = Wire(self.command, cwd=directory)
        else:
            self._through_a_daemon(via, server, options)
        self._marks = 0
        self._log = Growing(self.state)
        self._server_lines: list[tuple[str, dict[str, Any]]] = []
        self._server_read = 0
        if opened:
            self.opening = self.wire.open(era, capabilities)

    def _through_a_daemon(self, via: str, server: list[str], options: Sequence[str]) -> None:
        """`shim`: stdio by the daemon; `http`: HTTP to stdio; `http-http`: HTTP to HTTP."""
        from tests.rig.daemon import Daemon
        from tests.rig.http_wire import HttpWire
        from tests.rig.web import bridge

        servers, extra = {"rec": server}, ""
        if via == "http-http":
            self._bridge = bridge(server)
            servers, extra = {}, f'[servers.rec]\nurl = "{self._bridge.url}"\n'
        self.daemon = Daemon(
            self.directory, servers, self.bundle, options=options, extra=extra, http="127.0.0.1:0"
        )
        self.command = self.daemon.command
        if via == "shim":
            self.wire = Wire(self.daemon.shim("rec"), cwd=self.directory)
        else:
            self.wire = HttpWire(self.daemon, self.daemon.key(), "rec", modern=self.modern)

    def mark(self) -> str:
        """Return a text that occurs nowhere else."""
        self._marks += 1
        return f"MARK-{self._marks:05d}-{time.monotonic_ns()}"

    def request(self, method: str, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send one request in this era and return its response."""
        return self.wire.request(method, params or {}, modern=self.modern, **options)

    def call(self, name: str, deadline_s: float = 15.0, **arguments: Any) -> Any:
        """Call a tool and return the response."""
        params = {"name": name, "arguments": arguments}
        return self.request("tools/call", params, deadline_s=deadline_s)

    def tools(self) -> dict[str, dict[str, Any]]:
        """Return the tools the client sees."""
        response = self.request("tools/list")
        assert "result" in response, response
        return {tool["name"]: tool for tool in response["result"]["tools"]}

    def server_entries(self) -> list[dict[str, Any]]:
        """Return everything the server wrote down."""
        return [entry for _, entry in self._server_said()]

    def _server_said(self) -> list[tuple[str, dict[str, Any]]]:
        """Every line of the server's log and what it means; what was read before is kept."""
        if self.server_log.exists():
            with self.server_log.open("rb") as file:
                file.seek(self._server_read)
                whole, end, _ = file.read().rpartition(b"\n")
            self._server_read += len(whole + end)
            lines = whole.decode().split("\n") if end else []
            self._server_lines += [(line, json.loads(line)) for line in lines]
        return self._server_lines

    def ran(self, mark: str) -> list[dict[str, Any]]:
        """Return the tool calls the server executed whose arguments hold `mark`."""
        return [
            entry
            for line, entry in self._server_said()
            if mark in line and "ran" in entry and mark in json.dumps(entry["arguments"])
        ]

    def reached(self, mark: str) -> bool:
        """Whether `mark` reached the server in any frame."""
        if any(mark in line for line, _ in self._server_said()):
            return True
        with self.server_log.open("rb") as file:
            file.seek(self._server_read)
            return mark.encode() in file.read()

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the audit log."""
        return self._log.records()

    def wait_records(self, more_than: int, deadline_s: float = 5.0) -> list[dict[str, Any]]:
        """Return the records once there are more than so many."""
        until = time.monotonic() + deadline_s
        while len(found := self.records()) <= more_than:
            assert time.monotonic() < until, f"still {len(found)} records: {found[-1:]}"
            time.sleep(0.002)
        return found

    def still_works(self, deadline_s: float = 15.0) -> None:
        """Assert that a permitted call goes through."""
        mark = self.mark()
        response = self.call("echo", deadline_s, message=mark)
        assert "result" in response, response
        assert not response["result"].get("isError"), response
        assert mark in response["result"]["content"][0]["text"]
        assert len(self.ran(mark)) == 1

    def close(self, deadline_s: float = 10.0) -> int:
        """End the session and return Guard's exit code."""
        code = self.wire.close(deadline_s)
        if self.daemon is not None:
            self.daemon.stop()
        if self._bridge is not None:
            self._bridge.stop()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def refused(response: Mapping[str, Any]) -> bool:
    """Whether a response refuses: a protocol error, or a tool result that is an error."""
    if "error" in response:
        return True
    result = response.get("result")
    return isinstance(result, dict) and result.get("isError") is True


def said(response: Mapping[str, Any]) -> str:
    """Return the text that the client would show."""
    if "error" in response:
        return str(response["error"].get("message"))
    return "\n".join(part.get("text", "") for part in response["result"].get("content", []))
