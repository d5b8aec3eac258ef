"""Environments of external scanners: where they are, and which of them may be used.

One directory for each scanner, lock file and interpreter. It is built beside its place and renamed
into it when it is whole, so one that is there is whole, and one of another lock file is not found.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from remit.core.digest import Digest, sha256
from remit.core.paths import user_state
from remit.scan.external.driver import Tool, load

RECORD = "remit.json"
_OWN = ("driver.py", "report.py", "stage.py", "runner.py")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of an environment that was built.

    Attributes:
        name, version: of the scanner.
        lock: digest of the lock file that it was built from.
        python: version of its interpreter.
        base: where that interpreter is installed.
        installed: time in seconds since 1970.
    """

    name: str
    version: str
    lock: Digest
    python: str
    base: str
    installed: int


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One that may be used.

    Attributes:
        place: its directory.
        record: what was written when it was built.
    """

    place: Path
    record: Record

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.place / "bin" / "python"

    def rules(self) -> Digest:
        """Digest of everything that decides what is found: lock file, version, and our driver."""
        total = hashlib.sha256(f"{self.record.lock}\n{self.record.version}\n".encode())
        here = Path(__file__).parent
        module = here / "tools" / f"{module_name(self.record.name)}.py"
        for file in (module, *(here / name for name in _OWN)):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
        return Digest("sha256:" + total.hexdigest())


def tools() -> dict[str, Tool]:
    """All external scanners by name, installed or not."""
    import pkgutil

    from remit.scan.external import tools as package

    found = (load(each.name) for each in pkgutil.iter_modules(package.__path__))
    return {tool.name: tool for tool in sorted(found, key=lambda one: one.name)}


def module_name(name: str) -> str:
    """Of the module of a scanner."""
    return name.replace("-", "_")


def lock_of(name: str) -> bytes:
    """The lock file of a scanner: every package with version and digests."""
    return (resources.files("remit.scan.external") / "locks" / f"{name}.txt").read_bytes()


def directory(environ: Mapping[str, str]) -> Path:
    """Where environments are: ``REMIT_SCANNERS``, else below the user's state."""
    named = environ.get("REMIT_SCANNERS")
    return Path(named) if named else user_state(environ) / "scanners"


def place_of(name: str, where: Path) -> Path:
    """Where the environment of a scanner is or would be, for its lock file on this machine."""
    key = f"{sha256(lock_of(name))} {platform.machine()} {sys.platform}"
    return where / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def installed(name: str, where: Path | None = None) -> Environment | None:
    """The environment of a scanner, if there is a whole one of its present lock file."""
    place = place_of(name, where or directory(os.environ))
    try:
        record = msgspec.json.decode((place / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None
    fits = record.name == name and record.lock == sha256(lock_of(name))
    found = Environment(place=place, record=record)
    return found if fits and found.python.exists() else None


def available(where: Path | None = None) -> tuple[str, ...]:
    """Names of the external scanners that are installed."""
    return tuple(name for name in tools() if installed(name, where) is not None)
