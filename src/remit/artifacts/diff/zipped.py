"""ZIP archives as trees: MCPB, wheels, NumPy's .npz, PyTorch's checkpoints.

The directory at the end is measured before it is read: entries and bytes of it are bounded. What
members unpack to is counted against one bound for the archive and a ratio.
"""

import functools
import stat
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from typing import BinaryIO, Literal, cast

from remit.artifacts.diff.base import NotLookedIntoError
from remit.artifacts.diff.text import shown
from remit.artifacts.diff.tree import CHUNK_BYTES, Entry, digest_stream
from remit.core.digest import Digest

MAX_MEMBERS = 20_000
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
MAX_RATIO = 200
MAX_EXPANDED_BYTES = 64 << 30
FREE_BYTES = 64 << 20
"""What may be unpacked whatever the ratio."""
MEMORY_BYTES = 8 * 1024 * 1024
"""Content up to this size stays in memory; more goes to a private temporary file."""
_END = b"PK\x05\x06"
_END_SIZE = 22
_COMMENT = 65535


class ZipMember:
    """A file in an archive."""

    kind: Literal["file", "link"]

    def __init__(self, tree: "ZipTree", info: zipfile.ZipInfo) -> None:
        mode = info.external_attr >> 16
        self.path = info.filename
        self.size = info.file_size
        self.kind = "link" if stat.S_ISLNK(mode) else "file"
        self.executable = self.kind == "file" and bool(mode & stat.S_IXUSR)
        self._tree = tree
        self._info = info

    @functools.cached_property
    def digest(self) -> Digest:
        """SHA-256 of what it unpacks to."""
        with self.open() as file:
            return digest_stream(file)

    def open(self) -> BinaryIO:
        """What it unpacks to, in memory or in a temporary file."""
        return self._tree.unpack(self._info)


class ZipTree:
    """An archive; ``file`` stays open as long as the tree is used.

    Raises:
        NotLookedIntoError: it is none, or larger than what is read.
    """

    kind: Literal["archive"] = "archive"
    metadata: None = None

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.name = name
        self.problems: list[tuple[str, str]] = []
        self._budget = max(FREE_BYTES, min(MAX_EXPANDED_BYTES, size * MAX_RATIO))
        self._paid: dict[str, int] = {}
        _measured(file, size)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise NotLookedIntoError(f"it is no complete ZIP archive: {str(error)[:80]}") from error
        self._members = self._listed()
        if min((info.header_offset for info in self._zip.infolist()), default=0):
            self.problems.append(("", "it has data before its first member"))

    def entries(self) -> Mapping[str, Entry]:
        """Every member but directories."""
        return self._members

    def close(self) -> None:
        """Let go of the archive; its file is whoever's opened it."""
        self._zip.close()

    def _listed(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for info in self._zip.infolist():
            if info.orig_filename.endswith("/"):
                continue
            if info.filename in found:
                raise NotLookedIntoError("it has two members of one name")
            found[info.filename] = ZipMember(self, info)
        return found

    def unpack(self, info: zipfile.ZipInfo) -> BinaryIO:
        """The content of a member.

        Raises:
            NotLookedIntoError: encrypted, broken, or more than the archive may unpack to.
        """
        out = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - given away
        try:
            self._pour(info, out)
        except NotLookedIntoError:
            out.close()
            raise
        except Exception as error:
            # Decompressors raise whatever they like on hostile bytes.
            out.close()
            why = shown(str(error), 80) or type(error).__name__
            raise NotLookedIntoError(f"a member cannot be unpacked: {why}") from error
        out.seek(0)
        return cast("BinaryIO", out)

    def _pour(self, info: zipfile.ZipInfo, out: "tempfile.SpooledTemporaryFile[bytes]") -> None:
        size = 0
        with self._zip.open(info) as member:
            while chunk := member.read(CHUNK_BYTES):
                size += len(chunk)
                # A member that is opened again counts once.
                if size - self._paid.get(info.filename, 0) > self._budget:
                    raise NotLookedIntoError(
                        f"the archive unpacks to more than {MAX_RATIO} times its size"
                    )
                out.write(chunk)
        self._budget -= max(0, size - self._paid.get(info.filename, 0))
        self._paid[info.filename] = max(size, self._paid.get(info.filename, 0))


def _measured(file: BinaryIO, size: int) -> None:
    """Refuse a directory whose size would fill the memory."""
    if size < _END_SIZE:
        raise NotLookedIntoError("it is too short for a ZIP archive")
    length = min(size, _END_SIZE + _COMMENT)
    file.seek(size - length)
    tail = file.read(length)
    file.seek(0)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise NotLookedIntoError("it has no directory as a ZIP archive")
    (comment,) = struct.unpack("<H", tail[at + 20 : at + 22])
    if at + _END_SIZE + comment != len(tail):
        raise NotLookedIntoError("it has data behind its end")
    (count, directory) = struct.unpack("<HI", tail[at + 10 : at + 16])
    if count == 0xFFFF or directory == 0xFFFFFFFF:  # noqa: PLR2004 - the real ones are in ZIP64
        count, directory = _zip64(file, size - length + at)
    if count > MAX_MEMBERS or directory > MAX_DIRECTORY_BYTES:
        raise NotLookedIntoError(
            f"it has more than {MAX_MEMBERS} members, or a directory too large"
        )


def _zip64(file: BinaryIO, end: int) -> tuple[int, int]:
    locator = b""
    if end >= 20:  # noqa: PLR2004 - the locator stands before the end
        file.seek(end - 20)
        locator = file.read(20)
    if not locator.startswith(b"PK\x06\x07"):
        return 0xFFFF, 0xFFFFFFFF
    file.seek(end - 20 - 56)
    record = file.read(56)
    file.seek(0)
    if not record.startswith(b"PK\x06\x06"):
        raise NotLookedIntoError("its ZIP64 directory is not where it should be")
    count, directory = struct.unpack("<QQ", record[32:48])
    return count, directory
