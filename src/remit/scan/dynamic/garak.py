"""Runs garak against a served model, in a sandbox that reaches the network and nothing else here.

garak is not installed by Remit (with its libraries it takes 6 GB): it is used from an environment
that somebody else made. It gets an empty home, its own environment read-only, and the one key that
the model's server asks for. Its report is hostile text: :mod:`remit.scan.dynamic.garak_report`.
"""

import configparser
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from remit.core.digest import Digest, sha256
from remit.scan import sandbox
from remit.scan.base import Report, ScanError
from remit.scan.dynamic.garak_report import NAME, PROBE, BrokenRunError, read, report

_KEY = "OPENAICOMPATIBLE_API_KEY"
# The key goes by a file that is gone before anything else runs: command lines can be read by all.
_START = (
    "import os, pathlib, runpy; key = pathlib.Path('key');"
    f" os.environ[{_KEY!r}] = key.read_text(); key.unlink();"
    " runpy.run_module('garak', run_name='__main__', alter_sys=True)"
)
_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki")
_PREFIX = "remit"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be asked of which model.

    Attributes:
        url: of an interface as OpenAI's, up to ``/v1/``.
        model: its name there.
        probes: as ``module`` or ``module.Class``.
        generations: answers to each prompt.
        seconds: of wall time.
        environment: directory of the environment with garak.
    """

    url: str
    model: str
    probes: tuple[str, ...]
    generations: int = 1
    seconds: float = 3600.0
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
    parts = urlsplit(job.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise ScanError(f"`{job.url}` is no URL of a model's server", code="scan.target")
    if not (job.environment / "bin" / "python").exists():
        raise ScanError(
            f"there is no Python environment in `{job.environment}`",
            code="scan.not_installed",
            hint="make one and install `garak` in it; it takes 6 GB, and Remit does not bring it",
        )


def run(job: Job, key: str = "") -> Report:
    """Ask the model, and read what garak says; a failed report if that cannot be believed.

    Args:
        job: what to ask.
        key: for the model's server; no one else sees it.

    Raises:
        ScanError: there is no sandbox, or the job is not one.
    """
    check(job)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="remit-garak-") as folder:
        scratch = Path(folder)
        options = {"openai": {"OpenAICompatible": {"uri": job.url.rstrip("/") + "/"}}}
        (scratch / "options.json").write_bytes(msgspec.json.encode(options))
        (scratch / "key").write_text(key or "none")
        _, why = sandbox.run(command(job, scratch), job.seconds)
        place = scratch / f"{_PREFIX}.report.jsonl"
        if not why and (place.is_symlink() or not place.is_file()):
            why = "it ended without a report"
        if not why:
            try:
                with place.open("rb") as file:
                    found = read(file, job.probes)
            except BrokenRunError as error:
                why = str(error)
    if why:
        return sandbox.failed(NAME, why)
    milli = int((time.monotonic() - started) * 1000)
    return report(found, job.rules(found.version), job.model, milli)


def command(job: Job, scratch: Path) -> list[str]:
    """The command that runs garak in its sandbox.

    Raises:
        ScanError: there is no sandbox.
    """
    shown = [str(job.environment.absolute()), *_bases(job.environment), *_NETWORK]
    inner = [
        str(job.environment.absolute() / "bin" / "python"), "-I", "-B", "-c", _START,
        "--target_type", "openai.OpenAICompatible", "--target_name", job.model,
        "--generator_option_file", f"{sandbox.SCRATCH}/options.json",
        "--spec", ",".join(f"probes.{each}" for each in job.probes),
        "--generations", str(job.generations),
        "--report_prefix", f"{sandbox.SCRATCH}/{_PREFIX}",
    ]  # fmt: skip
    return sandbox.connected({path: path for path in shown}, scratch, inner)


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
