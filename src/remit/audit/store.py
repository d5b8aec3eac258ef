"""The files of one log, written by one thread. Each method states its system calls in order.

``acknowledged`` means: the ``fdatasync`` that covers the record has returned. Any ``OSError`` that
leaves a method here ends the writer for good (see ``committer.py``): after a failed sync the
kernel may have dropped the pages, so neither a retry nor another write can be trusted.

LIMIT: whether the disk honours flushes is the disk's affair. LIMIT: tiles are not synced; they are
derived, and recovery rebuilds what it needs of them from the records.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from remit.audit import checkpoint as checkpoints
from remit.audit.checkpoint import Checkpoint, Signer
from remit.audit.disk import Filesystem
from remit.audit.errors import AuditError, Corrupt
from remit.audit.recovery import State, examine
from remit.audit.segment import RECORDS, frame, name
from remit.audit.side import Cipher, Secret, SideWriter

RESERVE_BYTES = 64 * 1024 * 1024


class Pending(msgspec.Struct, frozen=True):
    """A record on its way to the disk: leaf bytes, leaf hash, private values."""

    leaf: bytes
    digest: bytes
    secrets: tuple[Secret, ...] = ()


class Store:
    """Writer of a log's directory. Open it, then call it from one thread only."""

    def __init__(
        self,
        directory: Path,
        fs: Filesystem,
        signer: Signer,
        cipher: Cipher | None,
        *,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Lock, examine and repair the directory, or create it.

        Raises:
            Locked: another process writes it.
            Corrupt: the rules of recovery refuse it; nothing was changed.
            AuditError: the disk refuses (``audit.io``), or it is the log of another key.
        """
        self._directory = directory
        self._fs = fs
        self._signer = signer
        self.dropped = 0
        self._handle = -1
        self._partial: set[str] = set()
        try:
            fs.make_directory(directory)
            self._lock = fs.lock(directory / "lock")
        except OSError as error:
            raise _io(error) from error
        try:
            self._side = SideWriter(directory / "side", fs, signer.name, cipher)
            self._open(reserve_bytes)
        except OSError as error:
            self.close()
            raise _io(error) from error
        except BaseException:
            self.close()
            raise

    def _open(self, reserve_bytes: int) -> None:
        fs, directory = self._fs, self._directory
        vkey = fs.read(directory / "log.vkey")
        if vkey is not None and vkey != f"{self._signer.vkey}\n".encode():
            raise Corrupt(
                "the directory is the log of another key",
                hint="Restore the log's own key, or choose another state directory.",
                code="audit.wrong_key",
            )
        state = examine(directory, fs, self._signer)
        for part in ("seg", "checkpoints", "side", "tile"):
            fs.make_directory(directory / part)
        if vkey is None:
            self._atomic(directory / "log.vkey", f"{self._signer.vkey}\n".encode())
        self._segment(state)
        self._tree = state.tree
        self._first = state.first
        self._offset = state.offset
        self._written = state.tree.range.size
        self.last, self.last_time = state.last, state.last_time
        self.signed_size = state.head.size if state.head else -1
        self._kept_size = self.signed_size
        self._side.recover()
        self._reserve(reserve_bytes)
        if state.head is None or not self._current(state.head):
            self.checkpoint(keep=state.head is None)
            fs.sync_directory(directory)
            fs.sync_directory(directory.parent)
            fs.sync_directory(directory.parent.parent)
        self._write_tiles()

    def _current(self, head: Checkpoint) -> bool:
        """Whether ``checkpoint`` is the newest one; a crash may have come before its rename."""
        note = self._fs.read(self._directory / "checkpoint")
        return note == checkpoints.seal(head, self._signer)

    def _segment(self, state: State) -> None:
        """Open the last segment, cut what recovery dropped, and make sure of the rest.

        open, fsync(seg) [, ftruncate], fsync. Records that a killed process had written but not
        synced were read from the page cache: they become durable here, before they count.
        """
        path = self._directory / "seg" / name(state.first)
        self._handle = self._fs.open(path)
        self._fs.sync_directory(path.parent)
        if state.dropped:
            self._fs.truncate(self._handle, state.offset)
            self.dropped = state.dropped
        self._fs.fsync(self._handle)

    def _reserve(self, size: int) -> None:
        path = self._directory / "reserve.bin"
        if size <= 0 or self._fs.size(path) >= size:
            return
        handle = self._fs.open(path)
        try:
            self._fs.allocate(handle, size)
        finally:
            self._fs.close(handle)

    @property
    def size(self) -> int:
        """Number of records in the tree."""
        return self._tree.range.size

    @property
    def root(self) -> bytes:
        """Root over them."""
        return self._tree.range.root()

    def commit(self, batch: Sequence[Pending]) -> None:
        """Make a batch durable; when it returns, all of it is acknowledged.

        side: write, fdatasync (only if there are private values); for each segment: write,
        fdatasync; between two segments: fchmod, fsync, open, fsync(seg).

        Raises:
            OSError: nothing after the last full segment is acknowledged.
            RemitError: the cipher failed; nothing is acknowledged.
        """
        durable = self.size
        self._side.write(durable, [pending.secrets for pending in batch])
        done = 0
        while done < len(batch):
            room = RECORDS - (durable + done - self._first)
            if room == 0:
                self._roll()
                continue
            part = batch[done : done + room]
            data = b"".join([frame(pending.leaf) for pending in part])
            if self._fs.write(self._handle, data) != len(data):
                raise OSError(errno.ENOSPC, "short write")
            self._fs.fdatasync(self._handle)
            self._offset += len(data)
            done += len(part)
            self._written = durable + done

    def _roll(self) -> None:
        self._fs.seal(self._handle)
        self._fs.fsync(self._handle)
        self._fs.close(self._handle)
        self._handle = -1
        self._first += RECORDS
        path = self._directory / "seg" / name(self._first)
        self._handle = self._fs.open(path)
        self._fs.sync_directory(path.parent)
        self._offset = 0

    def grow(self, batch: Sequence[Pending]) -> None:
        """Add a durable batch to the tree, and write the tiles that became full."""
        append = self._tree.append
        for pending in batch:
            append(pending.digest)
        self.last = batch[-1].digest
        self._write_tiles()

    def _write_tiles(self) -> None:
        for path, data in self._tree.take():
            self._derived(path, data)

    def _derived(self, path: str, data: bytes) -> None:
        """open, write, close, rename: no sync, see the limits of this module."""
        target = self._directory / path
        self._fs.make_directory(target.parent)
        temporary = target.with_name(target.name + ".tmp")
        handle = self._fs.open(temporary)
        try:
            self._fs.truncate(handle, 0)
            if self._fs.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, "short write")
        finally:
            self._fs.close(handle)
        self._fs.rename(temporary, target)

    def checkpoint(self, *, keep: bool) -> None:
        """Sign the tree as it is durable now.

        [checkpoints/<size>.tmp: open, write, fsync, rename, fsync(checkpoints)], then the same for
        ``checkpoint`` in the log's directory; then the partial tiles of this size.
        """
        head = Checkpoint(self._signer.name, self.size, self.root)
        note = checkpoints.seal(head, self._signer)
        if keep:
            self._atomic(self._directory / "checkpoints" / str(head.size), note)
            self._kept_size = head.size
        self._atomic(self._directory / "checkpoint", note)
        self.signed_size = head.size
        self._write_partial()

    @property
    def kept_size(self) -> int:
        """Size of the newest checkpoint in ``checkpoints/``, -1 if there is none."""
        return self._kept_size

    def _write_partial(self) -> None:
        """Partial tiles name the first changed record exactly, even at the end of the log."""
        partial = dict(self._tree.partial())
        for path, data in partial.items():
            if path not in self._partial:
                self._derived(path, data)
        for path in self._partial - partial.keys():
            self._fs.unlink(self._directory / path)
        self._partial = set(partial)

    def _atomic(self, path: Path, data: bytes) -> None:
        """open, ftruncate, write, fsync, close, rename, fsync(directory)."""
        temporary = path.with_name(path.name + ".tmp")
        handle = self._fs.open(temporary)
        try:
            self._fs.truncate(handle, 0)
            if self._fs.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, "short write")
            self._fs.fsync(handle)
        finally:
            self._fs.close(handle)
        self._fs.rename(temporary, path)
        self._fs.sync_directory(path.parent)

    def last_words(self, gap: Callable[[int, bytes], Pending]) -> None:
        """Free the reserve and write one last record after a full disk.

        unlink(reserve), fsync(directory), ftruncate to the last durable record, write, fdatasync.
        Only for ENOSPC of a write: after a failed sync no write of this process can be trusted.

        Raises:
            OSError: even that failed.
        """
        self._fs.unlink(self._directory / "reserve.bin")
        self._fs.sync_directory(self._directory)
        # Half of a batch that crosses segments may be durable: it is not in the tree, and the next
        # start finds it. A record in its place would break the chain, so nothing is said then.
        if self._handle < 0 or self._written != self.size or self.size - self._first == RECORDS:
            raise OSError(errno.ENOSPC, "no place in this segment")
        self._fs.truncate(self._handle, self._offset)
        pending = gap(self.size, self.last)
        data = frame(pending.leaf)
        if self._fs.write(self._handle, data) != len(data):
            raise OSError(errno.ENOSPC, "short write")
        self._fs.fdatasync(self._handle)
        self._offset += len(data)
        self._written += 1
        self._tree.append(pending.digest)
        self.last = pending.digest

    def close(self) -> None:
        """Close all files and release the lock; signs nothing."""
        if self._handle >= 0:
            self._fs.close(self._handle)
            self._handle = -1
        if self._lock >= 0:
            self._side.close()
            self._fs.close(self._lock)
            self._lock = -1


def _io(error: OSError) -> AuditError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return AuditError(
        f"the audit log cannot be written: {error.strerror or error}",
        hint="Free disk space, then start again." if full else "Check the disk, then start again.",
        code="audit.no_space" if full else "audit.io",
    )
