"""Where hostile bytes are read: bubblewrap without network, with bounds of time and memory.

The sandbox sees the interpreter and the system's libraries read-only, the artifact read-only under
a neutral name, and a scratch directory. It has no network, no other process, no environment, and
ends with its parent. Without bubblewrap nothing is scanned, and so nothing is clean.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from remit.scan.base import Report, ScanError
from remit.scan.worker import Request

MAX_REPORT = 32 * 1024 * 1024
MAX_NOISE = 4096
ROOT = "/artifact"
SCRATCH = "/scratch"
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/alternatives", "/etc/ld.so.cache")


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan may cost.

    Attributes:
        seconds: of wall time; then the whole group is killed.
        memory: bytes of address space.
    """

    seconds: float = 300.0
    memory: int = 1_500_000_000


def command(artifact: Path, scratch: Path, inner: Sequence[str]) -> list[str]:
    """The bubblewrap command that runs ``inner``.

    Raises:
        ScanError: there is no bubblewrap.
    """
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
        "--setenv", "LANG", "C.UTF-8", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",  # noqa: S108 - the sandbox's own
    ]  # fmt: skip
    for path in dict.fromkeys((*_SYSTEM, sys.prefix, sys.base_prefix, str(_source()))):
        if Path(path).exists():
            arguments += ["--ro-bind", path, path]
    arguments += ["--ro-bind", str(artifact), ROOT, "--bind", str(scratch), SCRATCH]
    return [*arguments, "--chdir", SCRATCH, *inner]


def _source() -> Path:
    """Where Remit itself is."""
    return Path(__file__).resolve().parents[2]


def scan(
    artifact: Path, request: Request, bounds: Bounds, program: Sequence[str] = ()
) -> list[Report]:
    """Scan the unpacked ``artifact``; a report of each scanner, a failed one of those without.

    Args:
        artifact: its directory, mounted read-only.
        request: what to do; paths and limits in it are set here.
        bounds: what it may cost.
        program: what to run instead of :mod:`remit.scan.worker`, with the request behind it.

    Raises:
        ScanError: there is no sandbox.
    """
    with tempfile.TemporaryDirectory(prefix="remit-scan-") as scratch:
        inside = msgspec.structs.replace(
            request,
            root=ROOT,
            scratch=SCRATCH,
            memory=bounds.memory,
            cpu_s=int(bounds.seconds) + 1,
        )
        inner = program or (sys.executable, "-I", "-m", "remit.scan.worker")
        outer = command(artifact, Path(scratch), [*inner, msgspec.json.encode(inside).decode()])
        output, why = run(outer, bounds.seconds)
    if not why:
        try:
            reports = msgspec.json.decode(output, type=list[Report])
        except msgspec.MsgspecError:
            why = "the scanner's report is malformed"
        else:
            return _complete(reports, request)
    return [_failed(name, why) for name in ("archives", *request.scanners)]


def _complete(reports: list[Report], request: Request) -> list[Report]:
    """One report of each scanner that was asked, and of nobody else."""
    said = {report.scanner: report for report in reports}
    return [
        said.get(name) or _failed(name, "it did not answer")
        for name in ("archives", *request.scanners)
    ]


def _failed(name: str, why: str) -> Report:
    from remit.core.digest import sha256

    return Report(scanner=name, version="", rules=sha256(b""), failed=why)


def run(arguments: Sequence[str], seconds: float) -> tuple[bytes, str]:
    """Output of a command of this module, or why there is none."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as noise:
        process = subprocess.Popen(  # noqa: S603 - our own command
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=noise,
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
                if os.fstat(output.fileno()).st_size > MAX_REPORT:
                    why = f"its report is larger than {MAX_REPORT} bytes"
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if why:
            return b"", why
        if process.returncode:
            noise.seek(max(0, noise.tell() - MAX_NOISE))
            return b"", f"it ended with status {process.returncode}"
        output.seek(0)
        return output.read(MAX_REPORT), ""
