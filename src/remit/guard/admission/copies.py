"""Where the copies that run are: in memory if they are small, else below Guard's state directory.

Making many files costs ten times as much on a disk as in memory. In memory means a ``tmpfs`` of
this user: the directory that ``XDG_RUNTIME_DIR`` names, or ``/dev/shm``. It is used only where
nobody else can change what is there, and where programs may be executed.

Each Guard has a directory of its own there, which it holds by a lock (``flock``). What a killed
Guard left is removed by the next one, whichever that is.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from remit.core.errors import RemitError
from remit.guard.admission.shelf import Held
from remit.guard.admission.stage import Stage, check_private, stage

SMALL_BYTES = 64 << 20
"""Largest sum of layers of a copy in memory."""
_HEADROOM = 4
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Copies:
    """Makes copies of artifacts; belongs to one Guard.

    Args:
        disk: directory below Guard's state, whose holder is alone.
        memory: directories that may be in memory, the best first.
    """

    def __init__(self, disk: Path, memory: Sequence[Path] = ()) -> None:
        self._disk = disk
        self._memory = tuple(memory)
        self._held = -1
        self._place: Path | None = None

    def make(self, held: Held) -> Stage:
        """A copy of an artifact.

        Raises:
            GuardError, ArtifactError, OSError: as :func:`remit.guard.admission.stage.stage`.
        """
        size = sum(each.descriptor.size for each in held.artifact.layers)
        place = self._in_memory() if size <= SMALL_BYTES else None
        if place is not None and _free(place) > size * _HEADROOM:
            try:
                return stage(held, place)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
        return stage(held, self._disk)

    def sweep(self) -> None:
        """Remove what an earlier Guard left."""
        if self._disk.is_dir() and not self._disk.is_symlink():
            for each in list(self._disk.iterdir()):
                shutil.rmtree(each, ignore_errors=True)
        for root in self._memory:
            if root.is_dir() and not root.is_symlink() and root.lstat().st_uid == os.geteuid():
                _sweep(root)

    def close(self) -> None:
        """Remove the directory in memory and let go of it."""
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
            os.close(self._held)
            self._place, self._held = None, -1

    def _in_memory(self) -> Path | None:
        if self._place is None:
            for root in self._memory:
                with contextlib.suppress(OSError, RemitError):
                    self._take(root)
                    break
        return self._place

    def _take(self, root: Path) -> None:
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o700)
        check_private(root)
        place = root / secrets.token_hex(16)
        place.mkdir(mode=0o700)
        held = os.open(place, _DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(held)
            raise
        self._place, self._held = place, held


def memory_of(environ: Mapping[str, str]) -> list[Path]:
    """Directories of this user in memory, where programs may run."""
    found = []
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        found.append(Path(runtime) / "remit-run")
    found.append(Path("/dev/shm") / f"remit-run-{os.geteuid()}")  # noqa: S108 - checked when used
    return [each for each in found if _usable(each.parent)]


def _usable(place: Path) -> bool:
    """Whether it is a tmpfs on which programs may run."""
    try:
        return place.is_dir() and _on_tmpfs(place) and not os.statvfs(place).f_flag & os.ST_NOEXEC
    except OSError:
        return False


def _on_tmpfs(place: Path) -> bool:
    """Whether its mount is a tmpfs, by ``/proc/self/mountinfo``; never on other systems."""
    device = place.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        if left.split(" ")[2] == wanted:
            return right.split(" ")[0] == "tmpfs"
    return False


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _sweep(root: Path) -> None:
    for each in root.iterdir():
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(each.lstat().st_mode):
                continue
            held = os.open(each, _DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(each, ignore_errors=True)
            finally:
                os.close(held)
