"""The operator's offline database of advisories, as the sandbox is given it.

A directory of JSON files in the OSV schema; :mod:`remit.scan.scanners.dependencies` reads it. Here
is only told which it is: its digest decides, like the code of a scanner, what is found.
"""

import functools
import hashlib
import os
from pathlib import Path

import msgspec

from remit.core.digest import Digest, sha256
from remit.scan.base import ScanError, Settings

_CHUNK = 1024 * 1024
Stamp = tuple[tuple[str, int, int], ...]


def settled(settings: Settings, today: str = "") -> Settings:
    """Settings with the digest of their database, and with the day of the scan.

    Args:
        settings: of the operator; ``advisories`` is a directory of this machine.
        today: ISO 8601 (UTC).

    Raises:
        ScanError: there is no such directory, or it cannot be read.
    """
    digest = str(digest_of(Path(settings.advisories))) if settings.advisories else ""
    return msgspec.structs.replace(
        settings, advisories_digest=digest, today=today or settings.today
    )


def digest_of(folder: Path) -> Digest:
    """Digest of the names and bytes of a database; kept until a file of it changes.

    Raises:
        ScanError: there is no such directory, or it cannot be read.
    """
    try:
        if not folder.is_dir():
            raise NotADirectoryError(f"there is no directory `{folder}`")
        return _digest(folder, _stamp(folder))
    except OSError as error:
        raise ScanError(
            f"the database of advisories cannot be read: {error.strerror or error}",
            code="scan.advisories",
            hint="give a directory with advisories in the OSV schema, one JSON file each",
        ) from error


def _stamp(folder: Path) -> Stamp:
    """Names, sizes and times of its files; what has not changed need not be read again."""
    found: list[tuple[str, int, int]] = []
    for place, folders, files in os.walk(folder, onerror=_raised):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".json"):
                path = Path(place) / name
                status = path.stat()
                found.append(
                    (path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns)
                )
    return tuple(found)


def _raised(error: OSError) -> None:
    raise error


@functools.lru_cache(maxsize=4)
def _digest(folder: Path, stamp: Stamp) -> Digest:
    total = hashlib.sha256()
    for name, _, _ in stamp:
        own = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while piece := file.read(_CHUNK):
                own.update(piece)
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + own.digest())
    return sha256(total.digest())
