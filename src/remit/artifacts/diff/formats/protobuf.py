"""The wire format of protocol buffers, read field by field from a file, without a schema.

Only what is asked for is read; everything else is skipped by its length.
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from remit.artifacts.diff.base import NotLookedIntoError

MAX_FIELDS = 4_000_000
MAX_TEXT_BYTES = 128 * 1024 * 1024
"""Of all texts and lists that are read."""
_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_MAX_VARINT = 10


class Field(msgspec.Struct, frozen=True):
    """One field of a message.

    Attributes:
        number: of the field.
        value: of a number (as it is on the wire, unsigned).
        start, end: where its bytes are, if it has a length; both 0 for a number.
    """

    number: int
    value: int = 0
    start: int = 0
    end: int = 0

    @property
    def framed(self) -> bool:
        """Whether it has a length: a text, bytes or a message."""
        return self.start > 0


class Message:
    """Reads messages of one file.

    Raises:
        NotLookedIntoError: malformed, or more fields than are read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._count = 0
        self._taken = 0

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields between two places, in order; others may be read in between."""
        at = start
        while at < end:
            self._count += 1
            if self._count > MAX_FIELDS:
                raise NotLookedIntoError(f"it has more than {MAX_FIELDS} fields")
            self._file.seek(at)
            key = self._varint(end)
            number, kind = key >> 3, key & 7
            if number == 0:
                raise NotLookedIntoError("it has a field without a number")
            if kind == _VARINT:
                value = self._varint(end)
                at = self._file.tell()
                yield Field(number, value)
                continue
            if kind == _LEN:
                length = self._varint(end)
            elif kind in {_I64, _I32}:
                length = 8 if kind == _I64 else 4
            else:
                raise NotLookedIntoError("it has a field of an unknown type")
            begin = self._file.tell()
            if length > end - begin:
                raise NotLookedIntoError("a length in it is larger than what holds it")
            at = begin + length
            yield Field(number, 0, begin, at)

    def raw(self, field: Field, limit: int) -> bytes:
        """The bytes of a field with a length."""
        if field.end - field.start > limit:
            raise NotLookedIntoError(f"it has a text or list of more than {limit} bytes")
        self._taken += field.end - field.start
        if self._taken > MAX_TEXT_BYTES:
            raise NotLookedIntoError(f"it has texts of more than {MAX_TEXT_BYTES} bytes")
        self._file.seek(field.start)
        return self._file.read(field.end - field.start)

    def text(self, field: Field, limit: int = 65_536) -> str:
        """A text; what is not UTF-8 is escaped."""
        return self.raw(field, limit).decode("utf-8", "backslashreplace")

    def _varint(self, end: int) -> int:
        value = 0
        for shift in range(0, 7 * _MAX_VARINT, 7):
            byte = self._file.read(1)
            if not byte or self._file.tell() > end:
                break
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:  # noqa: PLR2004 - the last one
                return value & (1 << 64) - 1
        raise NotLookedIntoError("it has a number that does not end")


def varints(data: bytes) -> list[int]:
    """Packed numbers.

    Raises:
        NotLookedIntoError: the last does not end.
    """
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last one
            found.append(value & (1 << 64) - 1)
            value = shift = 0
        elif shift > 7 * _MAX_VARINT:
            break
    if shift:
        raise NotLookedIntoError("it has a number that does not end")
    return found
