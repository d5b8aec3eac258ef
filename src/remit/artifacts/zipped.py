"""Reading zip archives (APPNOTE 6.3) that somebody else made, so that they have one meaning.

A zip file says everything twice, in the headers before the files and in the directory at its end,
and programs differ in which one they believe. So both must say the same, and the file must consist
of nothing else:

1. the first header is at byte 0, headers, data and descriptors follow each other without a gap, the
   directory follows at once, then one end record, whose comment ends the file;
2. name, flags, method, checksum and sizes are equal in both places;
3. no encryption, no method but stored and deflate, no second name in an extra field; no zip64
   unless it is asked for (torch and numpy write it always), and then it says the same, too;
4. names as in :mod:`remit.artifacts.members`; files and directories only, no links;
5. data unpack to exactly the size and the CRC-32 that were said, within the limits.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator

import msgspec

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import Limits, Names, member_name, shown
from remit.artifacts.tarball import CHUNK_BYTES

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_MAX_COMMENT = 0xFFFF
_MAX_COUNT, _MAX_OFFSET = 0xFFFF, 0xFFFFFFFF
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_FLAGS = 0x0006 | _DESCRIPTOR | _UTF8
_MAX_DIRECTORY = 64 << 20
_STORED, _DEFLATED = 0, 8
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_WRONG = "the zip archive is ambiguous"


class ZipEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of a zip archive.

    Attributes:
        name: relative path, checked.
        size: bytes of a file.
        mode: permission bits; 0644 and 0755 where the archive has none.
        directory: which of the two.
        start, packed: where its data are, in bytes from the start of the file.
        method: 0 stored, 8 deflated.
        crc: CRC-32 of its content.
    """

    name: str
    size: int
    mode: int
    directory: bool
    start: int
    packed: int
    method: int
    crc: int


class _Said(msgspec.Struct, frozen=True):
    """What both places say of an entry."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    attributes: int


class ZipArchive:
    """A zip archive, checked as a whole when it is opened.

    Args:
        file: descriptor of the file; it stays open as long as this is used.
        limits: how much it may hold.
        size: where the archive ends in the file; by default with the file.
        zip64: whether sizes and offsets may be in the 64-bit records.

    Attributes:
        entries: in the order of their data.

    Raises:
        ArchiveError: it is malformed, ambiguous, hostile or beyond a limit.
    """

    def __init__(
        self, file: int, limits: Limits, size: int | None = None, *, zip64: bool = False
    ) -> None:
        self._file = file
        self._zip64 = zip64
        self._limits = limits
        self._size = os.fstat(file).st_size if size is None else size
        self.entries: tuple[ZipEntry, ...] = self._all()

    def content(self, entry: ZipEntry) -> Iterator[bytes]:
        """The content of a file in chunks of at most 1 MiB.

        Raises:
            ArchiveError: it is not what was said, after the chunks that were given.
        """
        crc, size = 0, 0
        for chunk in self._chunks(entry):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            if size > entry.size:
                break
            yield chunk
        if size != entry.size or crc != entry.crc:
            raise ArchiveError(f"`{shown(entry.name)}` in the archive is not what was said of it")

    def read(self, entry: ZipEntry, limit: int) -> bytes:
        """The content of a file of at most ``limit`` bytes.

        Raises:
            ArchiveError: it is larger, or not what was said.
        """
        if entry.size > limit:
            raise ArchiveError(f"`{shown(entry.name)}` in the archive is larger than {limit} bytes")
        return b"".join(self.content(entry))

    def _chunks(self, entry: ZipEntry) -> Iterator[bytes]:
        at, end = entry.start, entry.start + entry.packed
        stream = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == _DEFLATED else None
        while at < end:
            data = self._at(at, min(CHUNK_BYTES // 4, end - at))
            at += len(data)
            if stream is None:
                yield data
                continue
            while data and not stream.eof:
                try:
                    out = stream.decompress(data, CHUNK_BYTES)
                except zlib.error as error:
                    raise ArchiveError(f"`{shown(entry.name)}` in the archive is broken") from error
                data = stream.unconsumed_tail
                if out:
                    yield out
            if stream.eof and (stream.unused_data or at < end):
                raise ArchiveError(f"`{shown(entry.name)}` has more behind its end")
        while stream is not None and not stream.eof:
            out = stream.decompress(b"", CHUNK_BYTES)
            if not out:
                raise ArchiveError(f"`{shown(entry.name)}` in the archive is cut off")
            yield out

    # -- the whole file ------------------------------------------------------------------------

    def _all(self) -> tuple[ZipEntry, ...]:
        count, start, length, end = self._end()
        if start + length != end:
            raise ArchiveError(f"{_WRONG}: there is something around its directory")
        if count > self._limits.entries:
            raise ArchiveError(f"the archive has more than {self._limits.entries} entries")
        said = sorted(self._central(start, length, count), key=lambda each: each.offset)
        names, found, at, total = Names(self._limits), [], 0, 0
        for each in said:
            if each.offset != at:
                raise ArchiveError(f"{_WRONG}: its files overlap or have gaps between them")
            entry, at = self._local(each, start)
            names.take(entry.name, directory=entry.directory)
            total += entry.size
            found.append(entry)
        if at != start:
            raise ArchiveError(f"{_WRONG}: there is something before its directory")
        if total > self._limits.total:
            raise ArchiveError(f"the archive unpacks to more than {self._limits.total} bytes")
        if total > max(self._limits.free, self._limits.ratio * self._size):
            raise ArchiveError(
                f"the archive unpacks to more than {self._limits.ratio} times its size"
            )
        return tuple(found)

    def _end(self) -> tuple[int, int, int, int]:
        """Number of entries, start and length of the directory, and where the end record is."""
        start = max(0, self._size - _END.size - _MAX_COMMENT)
        tail = self._at(start, self._size - start)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < _END.size:
            raise ArchiveError("this is no zip archive", hint="it has no end record")
        _, disk, first, here, count, length, start, comment = _END.unpack_from(tail, at)
        if at + _END.size + comment != len(tail):
            raise ArchiveError(f"{_WRONG}: its end record is not at its end")
        if disk or first or here != count:
            raise ArchiveError("the zip archive is one part of several")
        end = self._size - len(tail) + at
        if length > _MAX_DIRECTORY:
            raise ArchiveError(f"the directory of the zip archive is over {_MAX_DIRECTORY} bytes")
        if self._zip64 and self._at(max(0, end - _LOCATOR.size), 4) == b"PK\6\7":
            return self._end64(end - _LOCATOR.size, (count, length, start))
        if count == _MAX_COUNT or _MAX_OFFSET in {length, start} or length > end:
            raise ArchiveError("the zip archive is of the zip64 form, which is not accepted")
        return count, start, length, end

    def _end64(self, at: int, short: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """The same from the 64-bit record before its locator, which must be all there is."""
        _, disk, end, disks = _LOCATOR.unpack(self._at(at, _LOCATOR.size))
        data = self._at(end, _END64.size) if end + _END64.size == at else b""
        if disk or disks != 1 or len(data) != _END64.size:
            raise ArchiveError(f"{_WRONG}: there is something around its directory")
        mark, size, _, _, disk, first, here, count, length, start = _END64.unpack(data)
        if mark != b"PK\6\6" or size != _END64.size - 12 or disk or first or here != count:
            raise ArchiveError("the directory of the zip archive is malformed")
        limits = (_MAX_COUNT, _MAX_OFFSET, _MAX_OFFSET)
        for said, truth, unsaid in zip(short, (count, length, start), limits, strict=True):
            if said not in {truth, unsaid}:
                raise ArchiveError(f"{_WRONG}: its two end records differ")
        if length > _MAX_DIRECTORY:
            raise ArchiveError(f"the directory of the zip archive is over {_MAX_DIRECTORY} bytes")
        return count, start, length, end

    def _wide(self, extra: bytes, values: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes, and the offset, of which a 64-bit field has those that are all ones."""
        found = _check_extra(extra, zip64=self._zip64)
        if found is None:
            return values
        wide = list(struct.unpack(f"<{len(found) // 8}Q", found[: len(found) // 8 * 8]))
        if len(wide) < values.count(_MAX_OFFSET):
            raise ArchiveError("the directory of the zip archive is malformed")
        return tuple(wide.pop(0) if each == _MAX_OFFSET else each for each in values)

    def _central(self, start: int, length: int, count: int) -> Iterator[_Said]:
        data, at = self._at(start, length), 0
        for _ in range(count):
            if len(data) - at < _CENTRAL.size:
                raise ArchiveError("the directory of the zip archive is cut off")
            fields = _CENTRAL.unpack_from(data, at)
            signature, _, _, flags, method, _, _, crc, packed, size = fields[:10]
            name_size, extra_size, comment_size, disk, _, attributes, offset = fields[10:]
            at += _CENTRAL.size
            raw, extra = data[at : at + name_size], data[at + name_size :][:extra_size]
            at += name_size + extra_size + comment_size
            if signature != b"PK\1\2" or at > len(data) or disk:
                raise ArchiveError("the directory of the zip archive is malformed")
            size, packed, offset = self._wide(extra, (size, packed, offset))
            yield _Said(raw, flags, method, crc, packed, size, offset, attributes)
        if at != len(data):
            raise ArchiveError(f"{_WRONG}: its directory has more than its entries")

    def _local(self, said: _Said, limit: int) -> tuple[ZipEntry, int]:
        """The entry whose local header agrees with ``said``, and where the next one begins."""
        name, directory = _name(said)
        head = self._at(said.offset, _LOCAL.size)
        if len(head) < _LOCAL.size:
            raise ArchiveError("the zip archive is cut off")
        signature, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(
            head
        )
        at = said.offset + _LOCAL.size
        rest = self._at(at, name_size + extra_size)
        at += name_size + extra_size
        later = bool(flags & _DESCRIPTOR)
        size, packed = self._wide(rest[name_size:], (size, packed))
        numbers = (crc, packed, size)
        truth = (said.crc, said.packed, said.size)
        if (
            signature != b"PK\3\4"
            or rest[:name_size] != said.raw
            or (flags, method) != (said.flags, said.method)
            or (numbers != truth and not (later and numbers == (0, 0, 0)))
        ):
            raise ArchiveError(f"{_WRONG}: it says two things of `{shown(name)}`")
        end = at + said.packed
        if end > limit:
            raise ArchiveError(f"`{shown(name)}` in the zip archive is cut off")
        if said.method == _STORED and said.packed != said.size:
            raise ArchiveError(f"{_WRONG}: it gives two sizes for `{shown(name)}`")
        entry = ZipEntry(
            name=name,
            size=said.size,
            mode=_mode(said, name, directory=directory),
            directory=directory,
            start=at,
            packed=said.packed,
            method=said.method,
            crc=said.crc,
        )
        return entry, end + (self._descriptor(end, truth, name) if later else 0)

    def _descriptor(self, at: int, truth: tuple[int, int, int], name: str) -> int:
        plain = struct.pack("<3L", *truth)
        data = self._at(at, 24)
        wide = struct.pack("<L2Q", *truth)
        if self._zip64 and wide in {data[4:24], data[:20]}:
            return 24 if data[:4] == b"PK\7\10" else 20
        if data[:16] == b"PK\7\10" + plain:
            return 16
        if data[:12] == plain:
            return 12
        raise ArchiveError(f"{_WRONG}: it says two things of `{shown(name)}`")

    def _at(self, at: int, size: int) -> bytes:
        parts = []
        while size > 0:
            part = os.pread(self._file, size, at)
            if not part:
                break
            parts.append(part)
            at += len(part)
            size -= len(part)
        return b"".join(parts)


def _name(said: _Said) -> tuple[str, bool]:
    if said.flags & ~_FLAGS:
        raise ArchiveError("the zip archive is encrypted or has flags that are not understood")
    if not said.raw.isascii() and not said.flags & _UTF8:
        raise ArchiveError("a name in the zip archive is in no known encoding")
    try:
        name = said.raw.decode()
    except UnicodeDecodeError:
        raise ArchiveError("a name in the zip archive is not UTF-8") from None
    if said.method not in {_STORED, _DEFLATED}:
        raise ArchiveError(f"`{shown(name)}` is packed by a method that is not accepted")
    directory = name.endswith("/")
    if directory and said.size:
        raise ArchiveError(f"the directory `{shown(name)}` of the zip archive has a size")
    return member_name(name.removesuffix("/")), directory


def _mode(said: _Said, name: str, *, directory: bool) -> int:
    mode = said.attributes >> 16
    wanted = stat.S_IFDIR if directory else stat.S_IFREG
    if stat.S_IFMT(mode) not in {0, wanted}:
        raise ArchiveError(
            f"the zip archive has an entry `{shown(name)}` that is a link or no file",
            hint="only files and directories are unpacked",
        )
    return stat.S_IMODE(mode) or (0o755 if directory else 0o644)


def _check_extra(extra: bytes, *, zip64: bool = False) -> bytes | None:
    """Refuse the fields that say a second name or size; the 64-bit field if it is accepted."""
    at, found = 0, None
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _UNICODE_PATH or (kind == _ZIP64 and (not zip64 or found is not None)):
            raise ArchiveError("the zip archive has a second name or size for an entry")
        if kind == _ZIP64:
            found = extra[at + 4 : at + 4 + size]
        at += 4 + size
    return found
