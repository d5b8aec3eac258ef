"""The ``Filesystem`` port of the log's writer, and its adapter for a real disk.

Every byte that the writer reads or writes goes through this port, so that tests can fail any
call and cut the power after any of them.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from remit.audit.errors import Corrupt, Locked


class Filesystem(Protocol):
    """System calls of the writer; each raises ``OSError`` as the system does."""

    def lock(self, path: Path) -> int:
        """Create ``path`` if needed and take its exclusive lock; ``Locked`` if another has it."""
        ...

    def make_directory(self, path: Path) -> None:
        """``mkdir -p`` with mode 0700."""
        ...

    def names(self, path: Path) -> list[str]:
        """Names in a directory, sorted; empty if there is no such directory."""
        ...

    def read(self, path: Path) -> bytes | None:
        """A regular file's bytes; ``None`` if there is none. ``Corrupt`` for links and others."""
        ...

    def size(self, path: Path) -> int:
        """Size of a file in bytes, -1 if there is none."""
        ...

    def open(self, path: Path) -> int:
        """Open for appending, create with mode 0600 if needed; never follows a link."""
        ...

    def write(self, handle: int, data: bytes) -> int:
        """Append; the number of bytes written may be short."""
        ...

    def fdatasync(self, handle: int) -> None:
        """Make the file's data and size durable."""
        ...

    def fsync(self, handle: int) -> None:
        """Make the file's data and all metadata durable."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file."""
        ...

    def allocate(self, handle: int, size: int) -> None:
        """Reserve ``size`` bytes of disk for the file."""
        ...

    def seal(self, handle: int) -> None:
        """Make the file read-only (mode 0400)."""
        ...

    def close(self, handle: int) -> None:
        """Close; also releases a lock."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Rename over ``target``."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a file; nothing happens if there is none."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable."""
        ...


class Disk:
    """The real disk."""

    def lock(self, path: Path) -> int:
        """``flock``: exclusive, without waiting."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise Locked(
                "another process writes this audit log",
                hint="Only one Guard may use a state directory at a time: stop the other one.",
            ) from error
        return handle

    def make_directory(self, path: Path) -> None:
        """``mkdir -p``; a link in its place is refused."""
        for part in [*reversed(path.parents), path]:
            if not part.is_dir():
                part.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink():
            raise Corrupt(f"`{path}` is a link", code="audit.link")

    def names(self, path: Path) -> list[str]:
        """``readdir``."""
        try:
            return sorted(entry.name for entry in path.iterdir())
        except FileNotFoundError:
            return []

    def read(self, path: Path) -> bytes | None:
        """``open(O_NOFOLLOW)``, ``read``."""
        try:
            return contents(path)
        except FileNotFoundError:
            return None

    def size(self, path: Path) -> int:
        """``lstat``."""
        try:
            return path.lstat().st_size
        except FileNotFoundError:
            return -1

    def open(self, path: Path) -> int:
        """``open(O_APPEND | O_CREAT | O_NOFOLLOW)``."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, handle: int, data: bytes) -> int:
        """``write``, once."""
        return os.write(handle, data)

    def fdatasync(self, handle: int) -> None:
        """``fdatasync``."""
        os.fdatasync(handle)

    def fsync(self, handle: int) -> None:
        """``fsync``."""
        os.fsync(handle)

    def truncate(self, handle: int, size: int) -> None:
        """``ftruncate``."""
        os.ftruncate(handle, size)

    def allocate(self, handle: int, size: int) -> None:
        """``fallocate``."""
        os.posix_fallocate(handle, 0, size)

    def seal(self, handle: int) -> None:
        """``fchmod``."""
        os.fchmod(handle, 0o400)

    def close(self, handle: int) -> None:
        """``close``."""
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """``rename``."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """``unlink``."""
        path.unlink(missing_ok=True)

    def sync_directory(self, path: Path) -> None:
        """``open(O_DIRECTORY)``, ``fsync``."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def regular_file(path: Path) -> Iterator[int]:
    """A handle for reading a regular file of the log, never through a link.

    Raises:
        Corrupt: a link, a pipe, a device.
        FileNotFoundError: there is none.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Corrupt(f"`{path}` cannot be read: {error.strerror}", code="audit.link") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Corrupt(f"`{path}` is not a regular file", code="audit.link")
        yield handle
    finally:
        os.close(handle)


def contents(path: Path, limit: int = -1) -> bytes:
    """Bytes of a regular file of the log, never through a link; at most ``limit``.

    Raises:
        Corrupt, FileNotFoundError: as :func:`regular_file`.
    """
    with regular_file(path) as handle, open(handle, "rb", closefd=False) as file:
        return file.read(limit)
