"""Tar archives as entries: files are read where they lie, and nothing is unpacked to its name.

What a compressed archive unpacks to goes into memory or a temporary file without a name.
"""

import functools
import io
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from remit.artifacts.decompress import Compression, Decompressed
from remit.artifacts.diff.tree import CHUNK_BYTES, MAX_ENTRIES, TreeError, digest_stream
from remit.artifacts.members import Limits
from remit.artifacts.untar import TarReader
from remit.core.digest import Digest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MEMORY_BYTES = 8 * 1024 * 1024
LIMITS = Limits(entries=MAX_ENTRIES, total=256 << 30)
"""For one archive: what is more is not looked into."""


class _Window(io.RawIOBase):
    """A part of a file that is open already; reading it moves only itself."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


class PartEntry:
    """A file in an archive, or all of a file."""

    kind: Literal["file", "link"] = "file"

    def __init__(self, path: str, file: BinaryIO, place: tuple[int, int], mode: int) -> None:
        self.path = path
        self.executable = bool(mode & 0o100)
        self._file = file
        self._start, self.size = place

    @functools.cached_property
    def digest(self) -> Digest:
        """SHA-256 of the content."""
        with self.open() as file:
            return digest_stream(file)

    def open(self) -> BinaryIO:
        """The content, read where it lies."""
        window = _Window(self._file, self._start, self.size)
        return io.BufferedReader(window, CHUNK_BYTES)


def tar_entries(file: BinaryIO) -> Iterator[PartEntry]:
    """The files of an archive, read strictly (:mod:`remit.artifacts.untar`).

    Raises:
        ArchiveError: malformed, hostile or beyond a limit.
    """
    file.seek(0)
    for member in TarReader(file.read, LIMITS):
        if not member.directory:
            # The reader takes whole blocks and nothing ahead: content begins here.
            yield PartEntry(member.name, file, (file.tell(), member.size), member.mode)


def unpacked(file: BinaryIO, compression: Compression) -> BinaryIO:
    """What a compressed file holds; the caller closes it.

    Raises:
        ArchiveError: the stream is broken, or unpacks to too much.
    """
    out = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - given away
    try:
        stream = Decompressed(file.read, compression, LIMITS)
        size = 0
        while chunk := stream.read(CHUNK_BYTES):
            size += len(chunk)
            if size > LIMITS.total:
                raise TreeError(f"it unpacks to more than {LIMITS.total} bytes")  # noqa: TRY301
            out.write(chunk)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return cast("BinaryIO", out)
