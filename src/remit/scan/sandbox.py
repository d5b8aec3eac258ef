"""Where hostile bytes are read: bubblewrap without network, with bounds of time and memory.

The sandbox sees the interpreter and the system's libraries read-only, the artifact read-only under
a neutral name, and a scratch directory. It has no network, no other process, no environment, and
ends with its parent. Without bubblewrap nothing is scanned, and so nothing is clean.
"""

import contextlib
import datetime as dt
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from remit.scan.advisories import settled
from remit.scan.base import Report, ScanError
from remit.scan.worker import Request

MAX_REPORT = 32 * 1024 * 1024
ROOT = "/artifact"
ADVISORIES = "/advisories"
SCRATCH = "/scratch"
MOMENT_S = 0.05
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/alternatives", "/etc/ld.so.cache")


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan may cost.

    Attributes:
        seconds: of wall time; then the whole group is killed.
        memory: bytes of address space of a process.
        jobs: how many scanners run at a time; 0 is one for each processor.
        budget: bytes that those may take together.
    """

    seconds: float = 300.0
    memory: int = 1_500_000_000
    jobs: int = 0
    budget: int = 4 << 30


def command(artifact: Path, scratch: Path, inner: Sequence[str], advisories: str = "") -> list[str]:
    """The bubblewrap command that runs ``inner`` with Remit, the artifact and a scratch directory.

    ``advisories`` is bound read-only if it is given.

    Raises:
        ScanError: there is no bubblewrap.
    """
    shown = [sys.prefix, sys.base_prefix, str(_source())]
    arguments = [*_shell(), *_read_only({path: path for path in shown})]
    arguments += ["--ro-bind", str(artifact), ROOT, "--bind", str(scratch), SCRATCH]
    if advisories:
        arguments += ["--ro-bind", str(Path(advisories).resolve()), ADVISORIES]
    return [*arguments, "--chdir", SCRATCH, *inner]


def confined(
    shown: Mapping[str, str], variables: Mapping[str, str], scratch_bytes: int, inner: Sequence[str]
) -> list[str]:
    """The bubblewrap command that runs ``inner`` with nothing of Remit.

    Args:
        shown: what it sees read-only, and where; nothing else of this machine but the system.
        variables: its environment, beside its home, which is in memory.
        scratch_bytes: size of that home.
        inner: what runs.

    Raises:
        ScanError: there is no bubblewrap.
    """
    arguments = _shell()
    for name, value in variables.items():
        arguments += ["--setenv", name, value]
    arguments += ["--size", str(scratch_bytes), "--tmpfs", SCRATCH, *_read_only(shown)]
    return [*arguments, "--cap-drop", "ALL", "--chdir", SCRATCH, *inner]


def apart(shown: Mapping[str, str], scratch: Path, inner: Sequence[str]) -> list[str]:
    """The bubblewrap command that runs ``inner`` with nothing of Remit, and a network of its own.

    On that network is nothing. ``inner`` may listen on every port of it, and is root in no other
    sense, so a socket among what it is shown can be reached under the name and port of a server.

    Args:
        shown: what it sees read-only, and where.
        scratch: a directory that it may write to, and its home.
        inner: what runs.

    Raises:
        ScanError: there is no bubblewrap.
    """
    arguments = [*_shell(), "--uid", "0", "--gid", "0", *_read_only(shown)]
    arguments += ["--bind", str(scratch), SCRATCH, "--cap-drop", "ALL"]
    return [*arguments, "--cap-add", "CAP_NET_BIND_SERVICE", "--chdir", SCRATCH, *inner]


def _shell() -> list[str]:
    found = shutil.which("bwrap")
    if found is None:
        raise ScanError(
            "there is no sandbox: bubblewrap is not installed",
            code="scan.no_sandbox",
            hint="install the package `bubblewrap`; nothing is scanned outside of it",
        )
    arguments = [
        found, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
        "--setenv", "PYTHONDONTWRITEBYTECODE", "1", "--setenv", "HOME", SCRATCH,
        # Sandboxes are as many as processors; threads of one would only wait for those of another.
        "--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1",
        "--setenv", "LANG", "C.UTF-8", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",  # noqa: S108 - the sandbox's own
    ]  # fmt: skip
    return [*arguments, *_read_only({path: path for path in _SYSTEM})]


def _read_only(shown: Mapping[str, str]) -> list[str]:
    found = ((path, place) for path, place in shown.items() if Path(path).exists())
    return [each for path, place in found for each in ("--ro-bind", path, place)]


def _source() -> Path:
    """Where Remit itself is."""
    return Path(__file__).resolve().parents[2]


def scan(
    artifact: Path,
    request: Request,
    bounds: Bounds,
    program: Sequence[str] = (),
    stop: threading.Event | None = None,
) -> list[Report]:
    """Scan the unpacked ``artifact``; a report of each scanner, a failed one of those without.

    Args:
        artifact: its directory, mounted read-only.
        request: what to do; paths and limits in it are set here, and of its settings the digest of
            the database of advisories, and the day.
        bounds: what it may cost.
        program: what to run instead of :mod:`remit.scan.worker`, with the request behind it.
        stop: ends it, when somebody else sets it.

    Raises:
        ScanError: there is no sandbox, or no database of advisories where one should be.
    """
    settings = settled(request.settings, request.settings.today or _today())
    with tempfile.TemporaryDirectory(prefix="remit-scan-") as scratch:
        inside = msgspec.structs.replace(
            request,
            root=ROOT,
            scratch=SCRATCH,
            settings=msgspec.structs.replace(
                settings, advisories=ADVISORIES if settings.advisories else ""
            ),
            memory=bounds.memory,
            cpu_s=int(bounds.seconds) + 1,
        )
        inner = program or (sys.executable, "-I", "-m", "remit.scan.worker")
        words = [*inner, msgspec.json.encode(inside).decode()]
        outer = command(artifact, Path(scratch), words, settings.advisories)
        output, why = run(outer, bounds.seconds, stop=stop)
    if not why:
        try:
            reports = msgspec.json.decode(output, type=list[Report])
        except msgspec.MsgspecError:
            why = "the scanner's report is malformed"
        else:
            return _complete(reports, request)
    return [failed(name, why) for name in ("archives", *request.scanners)]


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _complete(reports: list[Report], request: Request) -> list[Report]:
    """One report of each scanner that was asked, and of nobody else."""
    said = {report.scanner: report for report in reports}
    return [
        said.get(name) or failed(name, "it did not answer")
        for name in ("archives", *request.scanners)
    ]


def failed(name: str, why: str) -> Report:
    """The report of a scanner that has none."""
    from remit.core.digest import sha256

    return Report(scanner=name, version="", rules=sha256(b""), failed=why)


def _wait(process: "subprocess.Popen[bytes]") -> None:
    """Until it ends, at most for a moment."""
    try:
        ended = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or an old kernel: look now and then
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(MOMENT_S)
        return
    try:
        select.select([ended], [], [], MOMENT_S)
    finally:
        os.close(ended)


def run(
    arguments: Sequence[str],
    seconds: float,
    given: bytes = b"",
    stop: threading.Event | None = None,
) -> tuple[bytes, str]:
    """Output of a command, and why that is not all of it.

    Args:
        arguments: a command of this module.
        seconds: of wall time; then it is ended with all that it started.
        given: its standard input.
        stop: ends it, when somebody else sets it.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        process = subprocess.Popen(  # noqa: S603 - our own command
            arguments,
            stdin=source,
            stdout=output,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        )
        until = time.monotonic() + seconds
        why = ""
        try:
            while process.poll() is None:
                if time.monotonic() > until:
                    why = f"it took longer than {seconds:.0f} seconds"
                    break
                if stop is not None and stop.is_set():
                    why = "the scan was broken off"
                    break
                if os.fstat(output.fileno()).st_size > MAX_REPORT:
                    why = f"its report is larger than {MAX_REPORT} bytes"
                    break
                _wait(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not why and process.returncode:
            why = f"it ended with status {process.returncode}"
        output.seek(0)
        return output.read(MAX_REPORT), why
