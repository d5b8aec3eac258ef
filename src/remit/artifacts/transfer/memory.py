"""Where uploads were going, for a process that comes after one that was killed.

One small file for each upload, in ``uploads/`` beside the layout, of mode 0600: the URL of an
upload may be all that it takes to write to it. Who uses it holds its lock. What it says is only
where to ask; the registry says how much it has.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from remit.core.digest import Digest

MAX_AGE_S = 24 * 3600
MAX_BYTES = 16 * 1024


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    origin: str
    repository: str
    digest: str
    location: str
    time: float


class Remembered:
    """The place of one upload; see :class:`remit.artifacts.oci.uploads.Slot`."""

    def __init__(self, path: Path, file: int, known: _Kept, now: Callable[[], float]) -> None:
        self._path = path
        self._file = file
        self._known = known
        self._now = now

    @property
    def location(self) -> str:
        """Where it went; empty if that is not known, or too long ago."""
        return self._known.location

    def keep(self, location: str) -> None:
        """Remember where it goes on. A full disk does not end an upload."""
        self._known = msgspec.structs.replace(self._known, location=location, time=self._now())
        with contextlib.suppress(OSError):
            data = msgspec.json.encode(self._known)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, data, 0)

    def forget(self) -> None:
        """Forget it."""
        self._known = msgspec.structs.replace(self._known, location="")
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class Uploads:
    """All uploads from one layout.

    Args:
        root: of the layout.
        now: seconds since 1970.
    """

    def __init__(self, root: Path, now: Callable[[], float]) -> None:
        self._directory = root / "uploads"
        self._now = now

    @contextlib.contextmanager
    def slot(self, origin: str, repository: str, digest: Digest) -> Iterator[Remembered | None]:
        """The memory of one upload; None if another process has it now.

        Args:
            origin: of the registry.
            repository: there.
            digest: of the blob.
        """
        name = hashlib.sha256(f"{origin}\n{repository}\n{digest}".encode()).hexdigest()
        path = self._directory / f"{name}.json"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(path, flags, 0o600)
        except OSError:  # a store that cannot be written to can be pushed from
            yield None
            return
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield None
                return
            fresh = _Kept(origin=origin, repository=repository, digest=digest, location="", time=0)
            slot = Remembered(path, file, self._read(file, fresh), self._now)
            try:
                yield slot
            finally:
                if not slot.location:
                    slot.forget()
        finally:
            os.close(file)

    def _read(self, file: int, fresh: _Kept) -> _Kept:
        try:
            known = msgspec.json.decode(os.pread(file, MAX_BYTES, 0), type=_Kept)
        except (msgspec.MsgspecError, OSError):
            return fresh
        same = (known.origin, known.repository, known.digest) == (
            fresh.origin,
            fresh.repository,
            fresh.digest,
        )
        age = self._now() - known.time
        return known if same and 0 <= age < MAX_AGE_S else fresh

    def sweep(self) -> int:
        """Remove what is older than a day; how many files that were."""
        removed = 0
        for path in self._directory.glob("*.json") if self._directory.is_dir() else ():
            with contextlib.suppress(OSError):
                if self._now() - path.stat().st_mtime > MAX_AGE_S:
                    path.unlink()
                    removed += 1
        return removed
