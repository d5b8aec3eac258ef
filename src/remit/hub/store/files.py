"""Blobs as files.

::

    blobs/sha256/ab/<hex>    content, named by its digest, complete
    uploads/<id>             what has been received of an upload
    trash/<random>           blobs that were removed and are about to be unlinked

System calls of a push, in this order: ``open``, ``pwrite`` …, ``fsync`` of the file, ``rename`` to
the blob's name, ``fsync`` of the directory. A crash leaves an upload, or the whole blob. While a
large upload comes in, what was written is made durable in the background, so that little is left
to wait for at the end.

The running digest of an upload is kept in this process; a part that another process received is
read again at the end.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.digests import algorithm_of, hasher, hex_of, parse_digest
from remit.core.digest import Digest
from remit.hub.registry.errors import Busy
from remit.hub.registry.ports import Appended, Bytes, Upload
from remit.hub.registry.running import Running, Runs

_R = TypeVar("_R")
PIECE = 1024 * 1024
SYNC_EVERY = 64 * PIECE
THREADS = 8
SHRED = 64 * PIECE
SHRED_S = 0.02
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Files:
    """The :class:`~remit.hub.registry.ports.BlobStore` in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        for name in ("blobs/sha256", "blobs/sha512", "uploads", "trash"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        # All of them now and durably: a push then makes one name durable, and not also its folder.
        for algorithm in ("sha256", "sha512"):
            for number in range(256):
                (root / "blobs" / algorithm / f"{number:02x}").mkdir(exist_ok=True, mode=0o700)
            _sync_directory(root / "blobs" / algorithm)
        _sync_directory(root / "blobs")
        self._pool = ThreadPoolExecutor(THREADS, "hub-files")
        self._runs = Runs()
        self._janitor = ThreadPoolExecutor(1, "hub-janitor")
        self._janitor.submit(self._empty_trash)

    async def _in_thread(self, work: Callable[..., _R], *arguments: Any) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _upload(self, upload: Upload) -> Path:
        return self._root / "uploads" / upload.id

    def _blob(self, digest: Digest) -> Path:
        name = hex_of(parse_digest(digest))
        return self._root / "blobs" / algorithm_of(digest) / name[:2] / name

    async def append(self, upload: Upload, body: Bytes) -> Appended:
        """Write at ``upload.size``; on any failure the file is as long as before."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        file = await self._in_thread(os.open, self._upload(upload), flags, 0o600)
        running = self._runs.take(upload)
        before = running.copy() if running else None
        try:
            # Another process that was thought dead may still write: only one has this lock.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whatever lies behind that size was left by a process that ended while it wrote.
            os.ftruncate(file, upload.size)
            received = await self._receive(file, upload.size, running, body)
        except BlockingIOError:
            raise Busy("another request writes to this upload") from None
        except BaseException:
            # Not awaited: a cancelled request must not leave bytes behind.
            with contextlib.suppress(OSError):
                os.ftruncate(file, upload.size)
            self._runs.keep(upload.id, before)
            raise
        finally:
            os.close(file)
        self._runs.keep(upload.id, running)
        return Appended(size=received)

    async def _receive(self, file: int, start: int, running: Running | None, body: Bytes) -> int:
        at, unsynced = start, 0
        syncing: Future[None] | None = None
        writing: asyncio.Future[None] | None = None

        def write(pieces: list[bytes], offset: int) -> None:
            for piece in pieces:
                if running:
                    running.update(piece)
                view = memoryview(piece)
                while view:
                    done = os.pwrite(file, view, offset)
                    view, offset = view[done:], offset + done

        try:
            async for pieces in _batches(body):
                if writing is not None:
                    await writing
                size = sum(map(len, pieces))
                writing = asyncio.ensure_future(self._in_thread(write, pieces, at))
                at, unsynced = at + size, unsynced + size
                if unsynced >= SYNC_EVERY and (syncing is None or syncing.done()):
                    if syncing is not None:
                        syncing.result()
                    unsynced = 0
                    syncing = self._pool.submit(os.fdatasync, file)
            if writing is not None:
                await writing
        finally:
            # The file is closed next: no thread may still use its number.
            for each in (writing, asyncio.wrap_future(syncing) if syncing else None):
                if each is not None and not each.done():
                    await _settled(each)
        if syncing is not None:
            # The system tells once that bytes were lost; whoever asks later hears that all is well.
            syncing.result()
        return at - start

    def received(self, upload: Upload, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``[start, end)`` of an upload."""
        return self._pieces(self._upload(upload), start, end)

    async def prepare(self, upload: Upload, digest: Digest) -> None:
        """Compare the digest, reading the file again where it is not known; then ``fsync``."""
        known = self._runs.take(upload)
        if known is None or algorithm_of(digest) != "sha256":
            found = await self._in_thread(self._hash, upload, algorithm_of(digest))
        else:
            found = known.digest
        if found != digest:
            raise DigestError(f"the content has the digest `{found}` and not `{digest}`")
        await self._in_thread(self._sync, upload)

    def _hash(self, upload: Upload, algorithm: str) -> Digest:
        taken, size = hasher(algorithm), 0
        with self._upload(upload).open("rb") as file:
            while piece := file.read(min(PIECE, upload.size - size)):
                taken.update(piece)
                size += len(piece)
        if size != upload.size:
            raise DigestError(
                f"{size} bytes of the upload are kept and {upload.size} were received"
            )
        return Digest(f"{algorithm}:{taken.hexdigest()}")

    def _sync(self, upload: Upload) -> None:
        file = os.open(self._upload(upload), os.O_RDWR | os.O_CLOEXEC)
        try:
            # What another process wrote beyond the size that counts was never acknowledged.
            os.ftruncate(file, upload.size)
            os.fsync(file)
        finally:
            os.close(file)

    async def publish(self, upload: Upload, digest: Digest) -> None:
        """Rename, and make the name durable."""

        def work() -> None:
            target = self._blob(digest)
            self._upload(upload).replace(target)
            _sync_directory(target.parent)

        await self._in_thread(work)

    async def discard(self, upload: Upload) -> None:
        """Unlink what was received."""
        self._runs.forget(upload.id)
        await self._in_thread(lambda: self._upload(upload).unlink(missing_ok=True))

    async def size(self, digest: Digest) -> int | None:
        """Size of the file."""
        try:
            return self._blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: Digest, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Pieces of the file."""
        return self._pieces(self._blob(digest), start, end)

    async def _pieces(self, path: Path, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """At once what the system has in memory, by a thread what it has not.

        A thread's turn for each piece takes longer than a copy from memory, and would halve what
        one download gets.
        """
        file = await self._in_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        buffer = bytearray(max(0, min(PIECE, end - start)))
        try:
            while start < end:
                want = min(PIECE, end - start)
                piece = _in_memory(file, buffer, want, start)
                if not piece:
                    piece = await self._in_thread(os.pread, file, want, start)
                if not piece:
                    raise OSError(f"the file `{path.name}` is shorter than it was")
                start += len(piece)
                yield piece
        finally:
            os.close(file)

    async def url(self, digest: Digest) -> str | None:
        """Files have no address of their own."""
        del digest
        return None

    async def remove(self, digest: Digest) -> None:
        """Move the file away at once; unlinking a large one takes long and can wait."""
        trash = self._root / "trash" / secrets.token_hex(16)

        def work() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._blob(digest).replace(trash)

        await self._in_thread(work)
        self._janitor.submit(_shred, trash)

    def _empty_trash(self) -> None:
        for each in (self._root / "trash").iterdir():
            _shred(each)

    async def digests(self) -> AsyncIterator[tuple[Digest, int, int]]:
        """Every file below ``blobs``."""
        for algorithm in ("sha256", "sha512"):
            folders = self._root / "blobs" / algorithm
            for folder in sorted(await self._in_thread(lambda at: list(at.iterdir()), folders)):
                for path, size, written in await self._in_thread(_entries, folder):
                    yield Digest(f"{algorithm}:{path}"), size, written

    async def leftovers(self) -> AsyncIterator[tuple[str, int]]:
        """Every file below ``uploads``."""
        for name, _, written in await self._in_thread(_entries, self._root / "uploads"):
            yield name, written

    async def close(self) -> None:
        """End the threads; what is in the trash waits for the next start."""
        self._pool.shutdown()
        self._janitor.shutdown(cancel_futures=True)


def _shred(path: Path) -> None:
    """Unlink a file bit by bit.

    A file system gives back the blocks of a large file in one transaction, and whoever waits for
    the disk meanwhile waits for that: a second for a few gigabytes, where a push takes 20 ms.
    """
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        while size > SHRED:
            size -= SHRED
            os.truncate(path, size)
            time.sleep(SHRED_S)
        path.unlink()


def _in_memory(file: int, buffer: bytearray, want: int, start: int) -> bytes:
    """What can be had of a file without waiting for the disk; nothing where that is not known."""
    flags = getattr(os, "RWF_NOWAIT", 0)
    if not flags:
        return b""
    with memoryview(buffer) as view:
        try:
            size = os.preadv(file, [view[:want]], start, flags)
        except OSError:
            return b""
        return bytes(view[:size])


def _entries(folder: Path) -> list[tuple[str, int, int]]:
    def each() -> Iterator[tuple[str, int, int]]:
        with os.scandir(folder) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.name, status.st_size, status.st_mtime_ns // 1000

    return sorted(each())


def _sync_directory(path: Path) -> None:
    directory = os.open(path, _DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


async def _batches(body: Bytes) -> AsyncIterator[list[bytes]]:
    """Pieces together that make :data:`PIECE` bytes: a thread costs more than a small write."""
    batch: list[bytes] = []
    size = 0
    async for piece in body:
        batch.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _settled(future: asyncio.Future[Any]) -> None:
    while not future.done():
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await asyncio.shield(future)
