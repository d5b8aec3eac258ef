"""A pickle's bytes, read opcode by opcode; long payloads are skipped, lengths are checked first."""

import struct
from typing import BinaryIO

from remit.scan.pickle.values import MAX_KEPT_TEXT

MAX_LINE = 64 * 1024


class BrokenPickleError(ValueError):
    """The machine would stop here; what came before it ran."""


class LimitError(BrokenPickleError):
    """More than is followed."""


class Source:
    """A file from ``start`` to ``end``."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end
        self.read = file.read

    def tell(self) -> int:
        """Where the next byte is."""
        return self._file.tell()

    def seek(self, at: int) -> None:
        """Go on elsewhere."""
        self._file.seek(at)

    def left(self) -> int:
        """How many bytes there are."""
        return self._end - self._file.tell()

    def take(self, count: int) -> bytes:
        """Exactly ``count`` bytes, few."""
        data = self.read(count)
        if len(data) != count:
            raise BrokenPickleError("it is cut off")
        return data

    def number(self, code: str, size: int) -> int:
        """A little-endian integer."""
        found: int = struct.unpack(f"<{code}", self.take(size))[0]
        return found

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        if count < 0 or count > self.left():
            raise BrokenPickleError("a length is larger than the file")
        self._file.seek(count, 1)

    def payload(self, count: int) -> tuple[bytes, bool]:
        """The first bytes of a payload, and whether that is all of it."""
        if count < 0 or count > self.left():
            raise BrokenPickleError("a length is larger than the file")
        data = self.take(min(count, MAX_KEPT_TEXT))
        if count > len(data):
            self._file.seek(count - len(data), 1)
        return data, count == len(data)

    def line(self) -> bytes:
        """A line without its end.

        Only lines of names and numbers have to be kept; that a longer one ends is all one needs.
        """
        data = self._file.readline(MAX_LINE)
        if data.endswith(b"\n"):
            return data[:-1]
        if len(data) < MAX_LINE:
            raise BrokenPickleError("it is cut off")
        while True:
            more = self._file.readline(MAX_LINE)
            if not more:
                raise BrokenPickleError("it is cut off")
            if more.endswith(b"\n"):
                return data
