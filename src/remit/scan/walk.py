"""Every file of an artifact, and every file of the archives in it.

Archives are unpacked into a scratch directory of the sandbox, strictly: one that two readers could
understand differently is an ``error``, like one beyond the limits. A file may be several formats at
once, so an archive is offered to scanners as a file, too.
"""

import bz2
import lzma
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from remit.artifacts.decompress import Decompressed
from remit.artifacts.errors import ArtifactError
from remit.artifacts.members import Limits
from remit.artifacts.untar import Read, TarReader
from remit.artifacts.zipped import ZipArchive
from remit.scan.base import Coverage, Finding, Result

HEAD = 4096
CHUNK = 1024 * 1024
MAX_DEPTH = 4
_END_SIZE = 22
_MAX_COMMENT = 0xFFFF
LIMITS = Limits(entries=10_000, total=4 << 30, ratio=100)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MAGIC = (257, b"ustar")
_TAR_BLOCK = 512
_ZLIB_LEAST = 8
_OPAQUE = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress",
    b"LZIP": "lzip",
}
_STREAMS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd",
}


class FileMember:
    """A file on disk."""

    def __init__(self, path: str, place: Path) -> None:
        self.path = path
        self.place = place
        self.size = place.stat().st_size
        with place.open("rb") as file:
            self.head = file.read(HEAD)

    def open(self) -> BinaryIO:
        """Its bytes."""
        return self.place.open("rb")


class Budget(msgspec.Struct):
    """What may still be unpacked, of the artifact as a whole."""

    entries: int = LIMITS.entries
    total: int = LIMITS.total


class TooMuchError(ArtifactError):
    """The artifact unpacks to more than is looked at."""

    code = "scan.limit"


class Walk:
    """Lists members of a directory, unpacking archives below ``scratch``.

    Attributes:
        results: what is wrong with archives, and coverage of what could not be unpacked.
    """

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root = root
        self._scratch = scratch
        self._budget = Budget()
        self._number = 0
        self._taken: set[str] = set()
        self.results: list[Result] = []

    def members(self) -> Iterator[FileMember]:
        """Every regular file; whatever else there is gets an ``error``."""
        for folder, names, files in os.walk(self._root, onerror=self._closed):
            names.sort()
            links = [name for name in names if (Path(folder) / name).is_symlink()]
            for name in sorted((*files, *links)):
                place = Path(folder) / name
                path = self._shown(place)
                try:
                    if not stat.S_ISREG(place.lstat().st_mode):
                        self._unread(path, "it is neither a file nor a directory", "special")
                        continue
                    member = FileMember(path, place)
                except OSError as error:
                    self._unread(path, f"it cannot be read: {error.strerror}", "unreadable")
                    continue
                yield from self._with_archive(member, 0)

    def _shown(self, place: Path) -> str:
        """The path in the artifact; bytes that are no UTF-8 are escaped."""
        path = place.relative_to(self._root).as_posix()
        return self._own(os.fsencode(path).decode("utf-8", "backslashreplace"))

    def _own(self, path: str) -> str:
        """A name that no other member has: who read one must not answer for another."""
        while path in self._taken:
            path += "~"
        self._taken.add(path)
        return path

    def _closed(self, error: OSError) -> None:
        """A directory that cannot be listed."""
        path = self._shown(Path(error.filename))
        self._unread(path, f"it cannot be listed: {error.strerror}", "unreadable")

    def _with_archive(self, member: FileMember, depth: int) -> Iterator[FileMember]:
        yield member
        kind = archive_kind(member)
        if not kind:
            return
        if kind in _OPAQUE.values():
            self._unread(member.path, f"{kind} archives are not unpacked", kind)
            return
        if depth >= MAX_DEPTH:
            self._unread(member.path, f"archives are nested deeper than {MAX_DEPTH}", kind)
            return
        self._number += 1
        folder = self._scratch / str(self._number)
        folder.mkdir()
        inside: list[FileMember] = []
        try:
            unpacked = self._unpacked(member, kind, folder)
            # Those before an error are looked at, too.
            while (each := next(unpacked, None)) is not None:
                inside.append(each)
        except (ArtifactError, OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as error:
            text = error.message if isinstance(error, ArtifactError) else str(error)
            self._unread(member.path, text, kind)
            self.results.append(
                Finding(
                    rule="archive.malformed",
                    title="an archive that readers may understand differently",
                    severity="high",
                    member=member.path,
                    evidence=text[:300],
                    scanner="archives",
                )
            )
        else:
            self.results.append(
                Coverage(member=member.path, status="complete", executes=True, format=kind)
            )
        for found in inside:
            yield from self._with_archive(found, depth + 1)

    def _unread(self, path: str, reason: str, kind: str) -> None:
        self.results.append(
            Coverage(member=path, status="error", reason=reason, executes=True, format=kind)
        )

    def _unpacked(self, member: FileMember, kind: str, folder: Path) -> Iterator[FileMember]:
        if kind == "zip":
            yield from self._zip(member, folder)
        elif kind == "tar":
            with member.open() as file:
                yield from self._tar(member, file.read, folder)
        else:
            yield self._stream(member, kind, folder)

    def _limits(self) -> Limits:
        return msgspec.structs.replace(
            LIMITS, entries=self._budget.entries, total=self._budget.total
        )

    def _spend(self, size: int) -> None:
        self._budget.entries -= 1
        self._budget.total -= size
        if self._budget.entries < 0 or self._budget.total < 0:
            raise TooMuchError(
                f"the artifact unpacks to more than {LIMITS.entries} files or {LIMITS.total} bytes"
            )

    def _zip(self, member: FileMember, folder: Path) -> Iterator[FileMember]:
        with member.open() as file:
            archive = ZipArchive(file.fileno(), self._limits(), zip64=True)
            for number, entry in enumerate(archive.entries):
                if entry.directory:
                    continue
                self._spend(entry.size)
                place = folder / str(number)
                with place.open("wb") as out:
                    for piece in archive.content(entry):
                        out.write(piece)
                yield FileMember(self._own(f"{member.path}!/{entry.name}"), place)

    def _tar(self, member: FileMember, read: Read, folder: Path) -> Iterator[FileMember]:
        reader = TarReader(read, self._limits())
        for number, entry in enumerate(reader):
            if entry.directory:
                continue
            self._spend(entry.size)
            place = folder / str(number)
            with place.open("wb") as out:
                for piece in reader.content():
                    out.write(piece)
            yield FileMember(self._own(f"{member.path}!/{entry.name}"), place)

    def _stream(self, member: FileMember, kind: str, folder: Path) -> FileMember:
        place = folder / "0"
        size = 0
        limit = min(self._budget.total, max(LIMITS.free, member.size * LIMITS.ratio))
        with member.open() as file, place.open("wb") as out:
            opened = _opened(file, kind, self._limits())
            while piece := opened.read(CHUNK):
                size += len(piece)
                if size > limit:
                    raise TooMuchError(f"it unpacks to more than {limit} bytes")
                out.write(piece)
        self._spend(size)
        return FileMember(self._own(f"{member.path}!/content"), place)


def archive_kind(member: FileMember) -> str:
    """Which archive a file is, by its content; empty if it is none."""
    head = member.head
    if head.startswith(_ZIP) or (member.size >= _END_SIZE and _ends_as_zip(member)):
        return "zip"
    at, magic = _TAR_MAGIC
    if head[at : at + len(magic)] == magic or _is_old_tar(head):
        return "tar"
    for mark, kind in (*_OPAQUE.items(), *_STREAMS.items()):
        if head.startswith(mark):
            return kind
    return "zlib" if _is_zlib(head) else ""


def _is_old_tar(head: bytes) -> bool:
    """Whether the checksum of a tar header without magic is right: readers accept that."""
    block = head[:512]
    said = block[148:156].strip(b" \0")
    if len(block) < _TAR_BLOCK or re.fullmatch(rb"[0-7]+", said) is None:
        return False
    return int(said, 8) == sum(block[:148]) + 8 * 0x20 + sum(block[156:])


def _is_zlib(head: bytes) -> bool:
    """Whether it begins as a zlib stream (RFC 1950), which joblib writes without any magic."""
    first = int.from_bytes(head[:2], "big")
    if len(head) < _ZLIB_LEAST or head[:1] != b"\x78" or first % 31 or first & 0x20:
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 1))
    except zlib.error:
        return False


def _ends_as_zip(member: FileMember) -> bool:
    """Whether readers that look for a directory at the end would find one."""
    with member.open() as file:
        file.seek(max(0, member.size - _END_SIZE - _MAX_COMMENT))
        return b"PK\x05\x06" in file.read()


def _opened(file: BinaryIO, kind: str, limits: Limits) -> "_Readable":
    if kind == "gzip":
        return Decompressed(file.read, "gzip", limits)
    if kind == "zstd":
        return Decompressed(file.read, "zstd", limits)
    if kind == "zlib":
        return _Zlib(file)
    return bz2.open(file) if kind == "bzip2" else lzma.open(file)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Zlib:
    """A zlib stream to its end, with nothing behind it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = zlib.decompressobj()

    def read(self, size: int, /) -> bytes:
        """Some bytes, none at the end."""
        while not self._stream.eof:
            data = self._stream.unconsumed_tail or self._file.read(CHUNK)
            if not data:
                raise EOFError("the stream is cut off")
            if out := self._stream.decompress(data, size):
                return out
        if self._stream.unused_data or self._file.read(1):
            raise ValueError("there is something behind the end of the stream")
        return b""
