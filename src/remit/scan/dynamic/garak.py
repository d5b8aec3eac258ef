"""Runs garak against a served model, in a sandbox that reaches that model and nothing else.

garak is not installed by Remit (with all of its libraries it takes 6 GB): it is used from an
environment that somebody else made. It gets an empty home, its own environment read-only, the one
key that the model's server asks for, and a network on which there is that server alone
(:mod:`remit.scan.dynamic.relay`). Its report is hostile text:
:mod:`remit.scan.dynamic.garak_report`.
"""

import configparser
import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from remit.core.digest import Digest, sha256
from remit.scan import sandbox
from remit.scan.base import Report, ScanError, evidence
from remit.scan.dynamic import inside
from remit.scan.dynamic.endpoint import Endpoint, endpoint
from remit.scan.dynamic.following import Following
from remit.scan.dynamic.garak_findings import report
from remit.scan.dynamic.garak_report import (
    MAX_TOTAL,
    NAME,
    PROBE,
    BrokenRunError,
    Run,
    read,
)
from remit.scan.dynamic.relay import Relay

_KEY = "OPENAICOMPATIBLE_API_KEY"
_SHOWN = ("/etc/ssl", "/etc/pki")
_DOOR = "/door"
_PREFIX = "remit"
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MAX_WORDS = 4096
MEMORY = 8 << 30


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be asked of which model.

    Attributes:
        url: of an interface as OpenAI's, up to ``/v1/``.
        model: its name there.
        probes: as ``module`` or ``module.Class``.
        generations: answers to each prompt.
        seconds: of wall time.
        memory: bytes of addresses that each of its processes may have.
        environment: directory of the environment with garak.
    """

    url: str
    model: str
    probes: tuple[str, ...]
    generations: int = 1
    seconds: float = 3600.0
    memory: int = MEMORY
    environment: Path

    def rules(self, version: str) -> Digest:
        """Digest of what was asked, and by which program."""
        return sha256(
            msgspec.json.encode([NAME, version, sorted(self.probes), self.generations, self.model])
        )


def check(job: Job) -> None:
    """Whether a job can be run.

    Raises:
        ScanError: a name, the URL or the environment is not one.
    """
    wrong = [each for each in job.probes if PROBE.fullmatch(each) is None]
    if wrong or not job.probes:
        raise ScanError(
            f"`{wrong[0] if wrong else ''}` is no name of a probe",
            code="scan.probe",
            hint="name a module as in `promptinject`, or a class in one as in `dan.Dan_11_0`",
        )
    endpoint(job.url)
    check_environment(job.environment)


def check_environment(place: Path) -> None:
    """Whether there is an environment.

    Raises:
        ScanError: there is none.
    """
    if not (place / "bin" / "python").exists():
        raise ScanError(
            f"there is no Python environment in `{place}`",
            code="scan.not_installed",
            hint="make one and install `garak` in it; it takes 6 GB, and Remit does not bring it",
        )


def run(
    job: Job,
    key: str = "",
    told: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Ask the model, and read what garak says; a failed report if that cannot be believed.

    Args:
        job: what to ask.
        key: for the model's server; no one else sees it.
        told: is called with how many of how many probes are done, from another thread.
        stop: ends the run, when somebody else sets it.

    Raises:
        ScanError: there is no sandbox, or the job is not one.
    """
    check(job)
    started = time.monotonic()
    target = endpoint(job.url)
    with tempfile.TemporaryDirectory(prefix="remit-garak-") as folder:
        scratch, door = Path(folder) / "scratch", Path(folder) / "door"
        scratch.mkdir()
        door.mkdir()
        _lay_out(job, target, key, scratch, door)
        place = scratch / f"{_PREFIX}.report.jsonl"
        following = Following(place, told) if told else contextlib.nullcontext()
        with Relay(door / "way", target.host, target.port) as way, following:
            output, why = sandbox.run(command(job, scratch, door), job.seconds, stop=stop)
        found = None
        if not why and not way.reached:
            why = "the model's server was not reached"
        if not why:
            try:
                found = _read(place, job.probes)
            except BrokenRunError as error:
                why = str(error)
    if found is None:
        return sandbox.failed(NAME, f"{why}{_last_words(output)}")
    milli = int((time.monotonic() - started) * 1000)
    return report(found, job.rules(found.version), job.model, milli)


def _last_words(output: bytes) -> str:
    """What garak said last, for people; it may be what the model said."""
    plain = _COLOURS.sub("", output[-MAX_WORDS:].decode("utf-8", "replace"))
    said = [line for line in map(str.strip, plain.splitlines()) if line and "📜" not in line]
    return f"; it said last: {evidence(said[-1])[:200]}" if said else ""


def _read(place: Path, asked: Sequence[str]) -> Run:
    if place.is_symlink() or not place.is_file():
        raise BrokenRunError("it ended without a report")
    with place.open("rb") as file:
        return read(file, asked)


def _lay_out(job: Job, target: Endpoint, key: str, scratch: Path, door: Path) -> None:
    """What the sandbox begins with."""
    options = {"openai": {"OpenAICompatible": {"uri": target.uri}}}
    (scratch / "options.json").write_bytes(msgspec.json.encode(options))
    told = {
        "listen": [target.listen, target.port],
        "socket": f"{_DOOR}/way",
        "memory": job.memory,
        "file": MAX_TOTAL,
        "variables": {_KEY: key or "none"},
        "module": "garak",
        "arguments": [
            "--target_type", "openai.OpenAICompatible", "--target_name", job.model,
            "--generator_option_file", f"{sandbox.SCRATCH}/options.json",
            "--spec", ",".join(f"probes.{each}" for each in job.probes),
            "--generations", str(job.generations),
            "--report_prefix", f"{sandbox.SCRATCH}/{_PREFIX}",
        ],
    }  # fmt: skip
    (scratch / "told.json").write_bytes(msgspec.json.encode(told))
    (door / "hosts").write_text(target.hosts)
    (door / "nsswitch.conf").write_text("hosts: files\n")


def command(job: Job, scratch: Path, door: Path) -> list[str]:
    """The command that runs garak in its sandbox.

    Raises:
        ScanError: there is no sandbox.
    """
    same = [str(job.environment.absolute()), *_bases(job.environment), *_SHOWN]
    shown = {path: path for path in same}
    for name in ("hosts", "nsswitch.conf"):
        shown[str(door / name)] = f"/etc/{name}"
    shown[str(door)] = _DOOR
    shown[inside.__file__] = "/inside.py"
    python = str(job.environment.absolute() / "bin" / "python")
    inner = [python, "-I", "-B", "/inside.py", f"{sandbox.SCRATCH}/told.json"]
    return sandbox.apart(shown, scratch, inner)


def _bases(environment: Path) -> Sequence[str]:
    """Where the interpreter of an environment is installed."""
    try:
        text = "[it]\n" + (environment / "pyvenv.cfg").read_text()
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        home = Path(parser["it"]["home"])
    except (OSError, configparser.Error, KeyError, UnicodeDecodeError):
        return ()
    return [str(home.parent)]
