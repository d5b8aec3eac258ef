"""Builds and removes environments of external scanners.

1. Take the lock of the directory, so that two that install do not meet.
2. Build beside the place, under a name that nobody looks for, from the lock file alone: every
   package by its digest, wheels only, so that nothing of a package runs while it is installed.
3. Write the record, flush it, and rename the directory to its place.
4. Remove what is there of other lock files, and what earlier attempts left.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from remit.core.digest import sha256
from remit.core.locks import exclusive
from remit.scan.base import ScanError
from remit.scan.external.environments import (
    RECORD,
    Environment,
    Record,
    installed,
    lock_of,
    place_of,
    tools,
)

TIMEOUT_S = 1800.0
_SAY = (
    "import importlib.metadata as m, json, platform, sys;"
    " print(json.dumps([m.version(sys.argv[1]), platform.python_version(), sys.base_prefix]))"
)
Told = Callable[[str], None]


class InstallError(ScanError):
    """An environment could not be built; what was there before still is."""

    code = "scan.install"


def install(name: str, where: Path, told: Told, python: str = sys.executable) -> Environment:
    """Build the environment of a scanner, unless there is one of its present lock file.

    Args:
        name: of the scanner.
        where: directory of environments.
        told: is told what is being done.
        python: interpreter to build it with.

    Raises:
        InstallError: there is no such scanner, or it could not be built.
        OSError: the directory cannot be written.
    """
    tool = tools().get(name)
    if tool is None:
        raise InstallError(
            f"there is no external scanner `{name}`", hint=f"there are {', '.join(tools())}"
        )
    where.mkdir(parents=True, exist_ok=True)
    with exclusive(where / f".{name}.lock"):
        known = installed(name, where)
        if known is not None:
            told(f"{name} {known.record.version} is installed")
            return known
        for old in _left_over(name, where):
            shutil.rmtree(old, ignore_errors=True)
        place = place_of(name, where)
        building = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".partial", dir=where))
        try:
            _build(name, tool.distribution, building, told, python)
            shutil.rmtree(place, ignore_errors=True)  # what is there has no valid record
            building.rename(place)
            _flush(where)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        for old in _others(name, where):
            shutil.rmtree(old, ignore_errors=True)
    found = installed(name, where)
    if found is None:
        raise InstallError(f"the environment of `{name}` is not whole after it was built")
    return found


def remove(name: str, where: Path) -> bool:
    """Remove all environments of a scanner; whether there was one.

    Raises:
        InstallError: there is no such scanner.
    """
    if name not in tools():
        raise InstallError(
            f"there is no external scanner `{name}`", hint=f"there are {', '.join(tools())}"
        )
    if not where.is_dir():
        return False
    with exclusive(where / f".{name}.lock"):
        found = [*_left_over(name, where), *_others(name, where), place_of(name, where)]
        there = any(each.exists() for each in found)
        for each in found:
            shutil.rmtree(each, ignore_errors=True)
    return there


def _build(name: str, distribution: str, building: Path, told: Told, python: str) -> None:
    lock = lock_of(name)
    told(f"{name}: making an environment")
    _run([python, "-I", "-m", "venv", "--copies", str(building)], name)
    inside = str(building / "bin" / "python")
    file = building / "lock.txt"
    file.write_bytes(lock)
    count = sum(b"==" in line for line in lock.splitlines())
    told(f"{name}: installing {count} packages by their digests")
    _run(
        [
            inside, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-input", "--require-hashes", "--no-deps", "--only-binary", ":all:",
            "--requirement", str(file),
        ],
        name,
    )  # fmt: skip
    told(f"{name}: checking it")
    version, interpreter, base = json.loads(_run([inside, "-I", "-c", _SAY, distribution], name))
    record = Record(
        name=name, version=version, lock=sha256(lock), python=interpreter, base=base,
        installed=int(time.time()),
    )  # fmt: skip
    with (building / RECORD).open("wb") as out:
        out.write(msgspec.json.encode(record))
        out.flush()
        os.fsync(out.fileno())


def _run(arguments: list[str], name: str) -> bytes:
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"
    }
    try:
        done: Any = subprocess.run(  # noqa: S603 - our own command
            arguments, capture_output=True, check=False, timeout=TIMEOUT_S, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"`{name}` could not be installed: {type(error).__name__}") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        said = next((line for line in reversed(lines) if "rror" in line), lines[-1])
        raise InstallError(
            f"`{name}` could not be installed: {' '.join(said.split())[:300]}",
            hint="it needs a package index that pip reaches here, and Python 3.11 to 3.13;"
            " nothing was changed",
        )
    output: bytes = done.stdout
    return output


def _left_over(name: str, where: Path) -> Iterator[Path]:
    yield from where.glob(f".{name}.*.partial")


def _others(name: str, where: Path) -> Iterator[Path]:
    current = place_of(name, where)
    digits = "[0-9a-f]" * 12
    yield from (each for each in where.glob(f"{name}-{digits}") if each != current)


def _flush(where: Path) -> None:
    descriptor = os.open(where, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
