"""A directory for the temporary files of one process; what killed processes left is removed.

Each process has a directory below ``remit-scratch-UID`` of the place for temporary files, and holds
the lock of it (``flock``) until it ends, however it ends. Whoever starts takes the lock of what it
finds, and removes what it gets: that belongs to nobody any more.

What others put into a place that all may write to is neither followed nor removed:

1. The base is a real directory, not a link, of this user, and nobody else may use it. Another one
   of that name is left alone: then the process has a directory elsewhere that is not swept.
2. Of what is below it, real directories of this user are looked at, nothing else.
3. What is removed is removed without following links out of it.
"""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from remit.core.locks import try_hold

PREFIX = "remit-scratch-"
_LOCK = ".lock"
_PRIVATE = 0o700


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A private, empty directory below ``parent``, removed at the end.

    Raises:
        OSError: it cannot be made.
    """
    base = parent / f"{PREFIX}{os.geteuid()}"
    if not _usable(base):
        own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            yield own
        finally:
            remove(own)
        return
    sweep(base)
    own, lock = _held(base)
    try:
        yield own
    finally:
        remove(own)
        os.close(lock)


def sweep(base: Path) -> None:
    """Remove what processes left below ``base`` that are not there any more."""
    for each in base.iterdir():
        try:
            if not _mine(each):
                continue
            # Also where there is no lock yet: its process was killed before it made one.
            lock = try_hold(each / _LOCK)
        except OSError:
            continue
        if lock is not None:
            remove(each)
            os.close(lock)


def remove(folder: Path) -> None:
    """Remove a directory with all that is in it, also what nobody may enter; follows no link."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    for at, _, _ in os.walk(folder, followlinks=False):
        _enter(at)
    shutil.rmtree(folder, ignore_errors=True)


def _enter(at: str) -> None:
    with contextlib.suppress(OSError), os.scandir(at) as found:
        for each in found:
            if each.is_dir(follow_symlinks=False):
                Path(each.path).chmod(_PRIVATE)


def _usable(base: Path) -> bool:
    """Whether that is, or becomes, a directory of this user alone."""
    base.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        base.mkdir(mode=_PRIVATE)
    return _mine(base)


def _mine(path: Path) -> bool:
    found = path.lstat()
    private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


def _held(base: Path) -> tuple[Path, int]:
    """A new directory and the lock of it; another one if it was taken for a leftover meanwhile."""
    while True:
        own = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=base))
        with contextlib.suppress(FileNotFoundError):
            lock = try_hold(own / _LOCK)
            if lock is not None and (own / _LOCK).exists():
                return own, lock
            if lock is not None:
                os.close(lock)
