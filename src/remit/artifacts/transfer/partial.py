"""Downloads that broke off: what arrived is kept under ``ingest/`` and taken up again.

``ingest/partial-<algorithm>-<hex>`` holds the first bytes of the blob of that digest. Who writes it
holds its lock. It is hashed anew when it is taken up, so that only bytes with the right digest ever
become a blob.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from remit.artifacts.errors import DigestError
from remit.artifacts.layout import CHUNK_BYTES, Ingest, Layout
from remit.artifacts.oci.digests import algorithm_of, hasher, hex_of
from remit.artifacts.oci.manifest import Descriptor

PREFIX = "partial-"
MAX_AGE_S = 7 * 86400
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Partial(Ingest):
    """A blob of a known digest that is being received; :func:`take_up` makes one."""

    def __init__(self, path: Path, descriptor: Descriptor, file: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._file = file
        self._algorithm = algorithm_of(descriptor.digest)
        self._begin()

    def _begin(self) -> None:
        self._hasher = hasher(self._algorithm)
        self.size = 0

    def restart(self) -> None:
        """Throw away what arrived: it is not the beginning of the blob."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._begin()

    def rehash(self) -> None:
        """Read what is there already; more than the blob can have is thrown away."""
        if os.fstat(self._file).st_size > self.descriptor.size:
            self.restart()
            return
        while data := os.read(self._file, CHUNK_BYTES):
            self._hasher.update(data)
            self.size += len(data)

    def sync(self) -> None:
        """Make the bytes durable; the lock is held until the file has its name."""
        os.fsync(self._file)

    def checked_write(self, data: bytes) -> None:
        """Take more bytes, but no more than the descriptor says.

        Raises:
            DigestError: there are more.
        """
        if self.size + len(data) > self.descriptor.size:
            raise DigestError(
                f"`{self.descriptor.digest}` is larger than the {self.descriptor.size} bytes that"
                " its descriptor says"
            )
        self.write(data)


@contextlib.contextmanager
def take_up(layout: Layout, descriptor: Descriptor) -> Iterator[Partial]:
    """What arrived of a blob so far, to go on; kept when this ends by an error.

    If another process receives the same blob now, this one begins a file of its own, which is
    removed at the end.

    Raises:
        OSError: the disk is full or broken.
    """
    directory = layout.root / "ingest"
    directory.mkdir(exist_ok=True)
    name = f"{PREFIX}{algorithm_of(descriptor.digest)}-{hex_of(descriptor.digest)}"
    path = directory / name
    file = os.open(path, _FLAGS, 0o644)
    if not _held(path, file):
        os.close(file)
        path = directory / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
        file = os.open(path, _FLAGS | os.O_EXCL, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
    partial = Partial(path, descriptor, file)
    try:
        partial.rehash()
        yield partial
    except BaseException as error:
        # A disk that is full or broken is no place to keep a part for later.
        if path.name != name or not partial.size or isinstance(error, OSError):
            path.unlink(missing_ok=True)
        raise
    finally:
        partial.close()


def _held(path: Path, file: int) -> bool:
    """Take the lock of a file; False if another has it, or has made a blob of it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.stat(), os.fstat(file))
    except (BlockingIOError, FileNotFoundError):
        return False


def sweep(layout: Layout, now_s: float) -> int:
    """Remove what nobody took up for a week; how many files that were."""
    removed = 0
    directory = layout.root / "ingest"
    for path in directory.glob(f"{PREFIX}*") if directory.is_dir() else ():
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if now_s - os.fstat(file).st_mtime > MAX_AGE_S:
                    path.unlink()
                    removed += 1
            finally:
                os.close(file)
    return removed
