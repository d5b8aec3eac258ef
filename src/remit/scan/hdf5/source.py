"""Bytes of an HDF5 file, and which of them were accounted for."""

from typing import BinaryIO

MAX_READ = 256 * 1024 * 1024
MAX_PIECE = 64 * 1024 * 1024
MAX_NAME = 64 * 1024
_CHUNK = 1024 * 1024
_MAX_REACHED = 2_000_000


class BrokenHdf5Error(ValueError):
    """It cannot be read, or is of a kind that is not read."""


class Source:
    """A file of which pieces are read.

    Args:
        file: seekable.
        size: in bytes.

    Attributes:
        offsets, lengths: bytes of an address, and of a length, as the superblock says.
        end: where the file ends; pieces lie before it.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = MAX_READ
        self._reached: list[tuple[int, int]] = []
        self.end = size
        self.offsets = 8
        self.lengths = 8

    def read(self, start: int, size: int) -> bytes:
        """A piece, which is accounted for.

        Raises:
            BrokenHdf5Error: it lies outside of the file, or is more than is read.
        """
        self.reach(start, size)
        self._left -= size
        if self._left < 0 or size > MAX_PIECE:
            raise BrokenHdf5Error(f"it has more than {MAX_READ} bytes beside its data")
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size:
            raise BrokenHdf5Error("it is cut off")
        return data

    def reach(self, start: int, size: int) -> None:
        """Account for a piece that holds numbers and need not be read.

        Raises:
            BrokenHdf5Error: it lies outside of the file.
        """
        if start < 0 or size < 0 or start + size > self.end:
            raise BrokenHdf5Error("it points behind its end")
        if len(self._reached) >= _MAX_REACHED:
            raise BrokenHdf5Error("it has too many parts")
        if size:
            self._reached.append((start, start + size))

    def signed(self, start: int, signature: bytes, size: int) -> "Fields":
        """A piece that begins with a signature; the fields behind it."""
        data = self.read(start, size)
        if not data.startswith(signature):
            raise BrokenHdf5Error(f"there is no {signature.decode('ascii')} where one should be")
        return Fields(data, self, len(signature))

    def gaps(self) -> list[tuple[int, int]]:
        """Pieces that nothing points to: (start, end)."""
        found, at = [], 0
        for start, end in sorted(self._reached):
            if start > at:
                found.append((at, start))
            at = max(at, end)
        return [*found, (at, self.end)] if at < self.end else found

    def hidden(self, start: int, end: int) -> tuple[int, bytes]:
        """How many bytes of a gap are not zero, and the first of them, at most 64."""
        count, first, at = 0, b"", start
        while at < end:
            self._file.seek(at)
            data = self._file.read(min(_CHUNK, end - at))
            if not data:
                break
            there = len(data) - data.count(0)
            if there and not first:
                first = data.lstrip(b"\0")[:64]
            count += there
            at += len(data)
        return count, first


class Fields:
    """Little-endian fields of a piece, one after the other."""

    def __init__(self, data: bytes, source: Source, at: int = 0) -> None:
        self.data = data
        self.at = at
        self._source = source

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            BrokenHdf5Error: there are fewer.
        """
        if size < 0 or size > self.left:
            raise BrokenHdf5Error("a structure ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """An unsigned number."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        """An address; -1 if it is undefined."""
        found = self.number(self._source.offsets)
        return -1 if found == (1 << 8 * self._source.offsets) - 1 else found

    def length(self) -> int:
        """A length."""
        return self.number(self._source.lengths)

    def text(self) -> bytes:
        """Bytes up to a zero, which is passed over."""
        end = self.data.find(b"\0", self.at, self.at + MAX_NAME)
        if end < 0:
            raise BrokenHdf5Error("a name has no end")
        found = self.take(end - self.at)
        self.at += 1
        return found
