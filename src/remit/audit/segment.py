"""Frames: how records lie in segment files. Pure.

A frame is ``u32 length | u32 crc32(length ‖ bytes) | bytes``, big endian. A segment holds the
frames of 65,536 records and is named after the index of its first: ``seg/000000065536.seg``.
The checksum finds torn writes and failing disks; against tampering there is the tree.
"""

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

from remit.audit.record import MAX_RECORD_BYTES

RECORDS = 65_536
HEADER = Struct(">II")
_LENGTH = Struct(">I")
_SECTOR = 512


def name(first: int, suffix: str = "seg") -> str:
    """File name of the segment whose first record is ``first``."""
    return f"{first:012d}.{suffix}"


def first_of(file_name: str, suffix: str = "seg") -> int:
    """Index of the first record of a segment file, -1 if the name is not that of a segment."""
    stem, dot, end = file_name.partition(".")
    if not (dot and end == suffix and len(stem) == 12 and stem.isascii() and stem.isdigit()):  # noqa: PLR2004
        return -1
    return int(stem)


def frame(entry: bytes) -> bytes:
    """The frame of one entry."""
    length = _LENGTH.pack(len(entry))
    return b"".join((length, _LENGTH.pack(crc32(entry, crc32(length))), entry))


def entry_at(data: bytes | memoryview, offset: int, limit: int = MAX_RECORD_BYTES) -> bytes | None:
    """The entry of the frame at ``offset``; ``None`` if it is incomplete, too long or damaged."""
    if len(data) - offset < HEADER.size:
        return None
    length, check = HEADER.unpack_from(data, offset)
    start = offset + HEADER.size
    if not 0 < length <= limit or len(data) - start < length:
        return None
    entry = bytes(data[start : start + length])
    return entry if crc32(entry, crc32(_LENGTH.pack(length))) == check else None


def entries(
    data: bytes | memoryview, offset: int = 0, limit: int = MAX_RECORD_BYTES
) -> Iterator[tuple[int, bytes]]:
    """Entries from ``offset`` to the first bad frame, each with the offset after its frame."""
    while (entry := entry_at(data, offset, limit)) is not None:
        offset += HEADER.size + len(entry)
        yield offset, entry


def next_valid(data: bytes, offset: int, limit: int = MAX_RECORD_BYTES) -> int:
    """Offset of the first valid record frame after a bad one at ``offset``; -1 if there is none.

    Records are JSON objects with at least one key, so only ``{"`` can start an entry.
    """
    found = data.find(b'{"', offset + 1)
    while found >= 0:
        start = found - HEADER.size
        if start > offset and entry_at(data, start, limit) is not None:
            return start
        found = data.find(b'{"', found + 1)
    return -1


def lost_sector(data: bytes, start: int, end: int) -> bool:
    """Whether an aligned sector was never written, as far as it lies in [start, end).

    That is what a power cut leaves of a write that had not been synced. Four zero bytes cannot
    occur in frames: a length is never zero, and JSON holds no zero byte.
    """
    for sector in range(start - start % _SECTOR, end, _SECTOR):
        part = data[max(sector, start) : min(sector + _SECTOR, end)]
        if len(part) >= _LENGTH.size and part.count(0) == len(part):
            return True
    return False
