"""Writing tar archives, byte for byte as ``kit pack`` does, so that digests are the same.

POSIX.1-1988 (ustar) headers: owner 1000:0, no time, no names of owners, device numbers ``0000000``,
no ``/`` after directories; names beyond 100 bytes go into the ``prefix`` field. What does not fit
(other names than ASCII, names without a place to cut, files of 8 GiB and more) has a POSIX.1-2001
(pax) header before it. The end is exactly two blocks of zeros.

The standard library's writer differs in the device fields, in ``/`` and in the length of the end.
"""

import os
import stat
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from remit.artifacts.errors import PackError
from remit.artifacts.members import shown

BLOCK = 512
END = bytes(2 * BLOCK)
CHUNK_BYTES = 1024 * 1024
_NAME, _PREFIX = 100, 155
_MAX_OCTAL = 8 * 1024**3 - 1
_OWNER = 1000
_MODE = 0o7777

Write = Callable[[bytes | memoryview], None]
"""Takes the next bytes of an archive."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory that goes into an archive.

    Attributes:
        name: its path in the archive, parts separated by ``/``, none after it.
        mode: permission bits, with set-id and sticky bits.
        size: bytes of a file; 0 for a directory.
        directory: which of the two.
    """

    name: str
    mode: int = 0o644
    size: int = 0
    directory: bool = False

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> "Member":
        """The member that the result of ``os.stat`` describes."""
        directory = stat.S_ISDIR(status.st_mode)
        return cls(
            name=name,
            mode=status.st_mode & _MODE,
            size=0 if directory else status.st_size,
            directory=directory,
        )


class Source(Protocol):
    """A file that is read; :class:`io.FileIO` is one."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer with the next bytes and say how many."""
        ...


def header(member: Member) -> bytes:
    """The blocks that come before the content of ``member``."""
    raw = member.name.encode()
    plain = raw.isascii()
    records = {}
    if not plain or len(raw) > _NAME:
        records[b"path"] = raw
    if member.size > _MAX_OCTAL:
        records[b"size"] = b"%d" % member.size
    cut = _cut(raw) if plain and len(raw) > _NAME else None
    if b"size" not in records and (cut is not None or b"path" not in records):
        prefix, name = cut or (b"", raw)
        return _block(name, member, prefix=prefix)
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    short = _ascii(raw)
    before = _before(raw, len(body)) + body + bytes(-len(body) % BLOCK)
    return before + _block(short[:_NAME], member)


def _cut(raw: bytes) -> tuple[bytes, bytes] | None:
    """The name in two at a ``/``, if both fit."""
    at = raw.rfind(b"/", 0, min(len(raw), _PREFIX + 1))
    if at <= 0 or not 0 < len(raw) - at - 1 <= _NAME:
        return None
    return raw[:at], raw[at + 1 :]


def _ascii(raw: bytes) -> bytes:
    return bytes(c for c in raw if 0 < c < 0x80)  # noqa: PLR2004 - ASCII


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH key=value``, where the length counts its own digits."""
    size = len(key) + len(value) + 3
    total = size + len(str(size))
    if len(str(total)) + size != total:
        total = size + len(str(total))
    return b"%d %b=%b\n" % (total, key, value)


def _before(raw: bytes, size: int) -> bytes:
    """The header block of a pax header of ``size`` bytes."""
    directory, slash, file = raw.rpartition(b"/")
    name = _ascii(directory + slash + b"PaxHeaders.0/" + file)[:_NAME].rstrip(b"/")
    return _sealed(
        name.ljust(_NAME, b"\0")
        + b"0000000\0" * 3
        + b"%011o\0" % size
        + b"00000000000\0"
        + b" " * 8
        + b"x"
        + bytes(100)
        + b"ustar\00000"
    )


def _block(name: bytes, member: Member, *, prefix: bytes = b"") -> bytes:
    if len(name) == _NAME and name.endswith(b"/"):  # a file must not look like a directory
        name = name.rstrip(b"/")
    size = member.size if member.size <= _MAX_OCTAL else 0
    return _sealed(
        name.ljust(_NAME, b"\0")
        + b"%07o\0%07o\0%07o\0" % (member.mode & _MODE, _OWNER, 0)
        + b"%011o\0" % size
        + b"00000000000\0"
        + b" " * 8
        + (b"5" if member.directory else b"0")
        + bytes(100)
        + b"ustar\00000"
        + bytes(64)
        + b"0000000\0" * 2
        + prefix
    )


def _sealed(block: bytes) -> bytes:
    """The block with its checksum: the sum of its bytes, those of the checksum as spaces."""
    return (
        block[:148] + b"%06o\0 " % (sum(block) & 0o777777) + block[156:].ljust(BLOCK - 156, b"\0")
    )


def add(write: Write, member: Member, file: Source | None = None) -> None:
    """Write one member.

    Args:
        write: takes the bytes.
        member: what it is.
        file: where the content of a file comes from; opened without buffering it is fastest.

    Raises:
        PackError: the file has more or fewer bytes than ``member`` says: it changed meanwhile.
        OSError: it cannot be read.
    """
    write(header(member))
    if member.directory:
        return
    buffer = memoryview(bytearray(min(CHUNK_BYTES, member.size) or 1))
    left = member.size
    while left and file is not None:
        got = file.readinto(buffer[: min(left, len(buffer))])
        if not got:
            break
        write(buffer[:got])
        left -= got
    if left or (file is not None and file.readinto(buffer[:1])):
        raise PackError(
            f"the file `{shown(member.name)}` changed while it was packed",
            hint="pack again when nothing writes to the directory",
        )
    write(bytes(-member.size % BLOCK))


def write_tar(write: Write, members: Iterable[tuple[Member, Source | None]]) -> None:
    """Write an archive of ``members``, in their order, each with its open file.

    Raises:
        PackError, OSError: as :func:`add`.
    """
    for member, file in members:
        add(write, member, file)
    write(END)
