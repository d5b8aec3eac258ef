"""Reading tar archives that somebody else made, so strictly that they have one meaning.

Accepted are POSIX.1-1988 (ustar) archives, and the same with the magic of GNU tar where its own
fields are empty, with POSIX.1-2001 (pax) headers that only name the next file or say its size.
Everything else is refused by name: links, devices and FIFOs, sparse files, GNU's long names, sizes
in base 256, global headers that change anything, a wrong checksum, an archive behind the archive.
Names are checked by :mod:`remit.artifacts.members`.

Sans I/O: :class:`TarReader` asks a callable for bytes and keeps one chunk in memory.
"""

import functools
import zlib
from collections.abc import Callable, Iterator

import msgspec

from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import LIMITS, Limits, Names, member_name, shown
from remit.artifacts.tarball import BLOCK, CHUNK_BYTES

Read = Callable[[int], bytes]
"""Gives up to so many bytes; none at the end."""

MAX_PAX = 64 * 1024
_ZEROS = bytes(BLOCK)
_IGNORED = ((108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Owner, group, time and device numbers of a header."""
_KINDS = {
    "1": "a hard link",
    "2": "a symbolic link",
    "3": "a character device",
    "4": "a block device",
    "6": "a FIFO",
    "7": "a contiguous file",
    "D": "a GNU directory dump",
    "K": "a GNU long link",
    "L": "a GNU long name",
    "M": "a continued file",
    "S": "a GNU sparse file",
    "V": "a GNU volume header",
}
_HARMLESS = ("mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment")
_HARMLESS_PREFIXES = ("SCHILY.xattr.", "LIBARCHIVE.", "RHT.security.")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of an archive.

    Attributes:
        name: relative path, checked.
        size: bytes of a file; 0 for a directory.
        mode: permission bits, as they are written there.
        directory: which of the two.
    """

    name: str
    size: int
    mode: int
    directory: bool


class TarReader:
    """The entries of an archive, in order, and the content of the one at hand.

    Args:
        read: gives the bytes of the archive.
        limits: how much there may be.
        names: the names that are taken already, in other layers.
    """

    def __init__(self, read: Read, limits: Limits = LIMITS, names: Names | None = None) -> None:
        self._read = read
        self._limits = limits
        self._own = Names(limits)
        self._shared = names
        self._left = 0
        self._padding = 0
        self._total = 0

    def __iter__(self) -> Iterator[Entry]:
        """Read entry after entry; content that was not asked for is skipped.

        Raises:
            ArchiveError: the archive is malformed, hostile or beyond a limit.
        """
        while (entry := self._next()) is not None:
            yield entry

    def content(self) -> Iterator[bytes]:
        """The content of the entry at hand, in chunks of at most 1 MiB.

        Raises:
            ArchiveError: the archive is cut off.
        """
        while self._left:
            chunk = self._some(min(self._left, CHUNK_BYTES))
            self._left -= len(chunk)
            yield chunk

    def _next(self) -> Entry | None:
        for _ in self.content():
            pass
        pax: dict[str, str] | None = None
        while True:
            # One read for what fills up the last block of a file and for the header behind it.
            block = self._exactly(self._padding + BLOCK)[self._padding :]
            self._padding = 0
            if block == _ZEROS:
                if pax is not None:
                    raise ArchiveError("the archive ends after a header for a file")
                self._end()
                return None
            kind = _checked(block)
            if kind == "x":
                if pax is not None:
                    raise ArchiveError("the archive has two headers for one file")
                pax = self._pax(block)
            elif kind == "g":
                if set(self._pax(block)) - {"comment"}:
                    raise ArchiveError("the archive has a header that changes every file")
            else:
                entry = self._entry(block, kind, pax or {})
                if entry is not None:
                    return entry
                pax = None

    def _entry(self, block: bytes, kind: str, pax: dict[str, str]) -> Entry | None:
        directory = kind == "5"
        name = pax["path"] if "path" in pax else _name(block)
        if kind not in {"0", "\0", "5"}:
            what = _KINDS.get(kind, "of an unknown kind")
            raise ArchiveError(
                f"the archive has an entry `{shown(name)}` that is {what}",
                hint="only files and directories are unpacked",
            )
        if directory:
            name = name.removesuffix("/")
            if name == ".":
                return None
        name = member_name(name.removeprefix("./"), self._limits)
        size = _number(block[124:136], "size")
        if "size" in pax:
            size = _pax_size(pax["size"], size, name)
        if directory and size:
            raise ArchiveError(f"the directory `{shown(name)}` of the archive has a size")
        if block[157:257].strip(b"\0"):
            raise ArchiveError(f"the entry `{shown(name)}` of the archive names a link")
        self._total += size
        if self._total > self._limits.total:
            raise ArchiveError(f"the archive unpacks to more than {self._limits.total} bytes")
        self._own.take(name, directory=directory)
        if self._shared is not None:
            self._shared.take(name, directory=directory)
        self._left, self._padding = size, -size % BLOCK
        mode = _number(block[100:108], "mode", optional=True) & 0o7777
        return Entry(name=name, size=size, mode=mode, directory=directory)

    def _pax(self, block: bytes) -> dict[str, str]:
        size = _number(block[124:136], "size")
        if size > MAX_PAX:
            raise ArchiveError(f"the archive has a header of more than {MAX_PAX} bytes")
        body = self._exactly(size)
        self._exactly(-size % BLOCK)
        return _records(body)

    def _end(self) -> None:
        if self._exactly(BLOCK) != _ZEROS:
            raise ArchiveError("the archive has one block of zeros where its end has two")
        padding = 0
        while chunk := self._read(CHUNK_BYTES):
            padding += len(chunk)
            if chunk.strip(b"\0") or padding > CHUNK_BYTES:
                raise ArchiveError("the archive has more behind its end")

    def _some(self, size: int) -> bytes:
        chunk = self._read(size)
        if not chunk:
            raise ArchiveError("the archive is cut off")
        return chunk

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            chunk = self._some(size)
            parts.append(chunk)
            size -= len(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _checked(block: bytes) -> str:
    """The type flag of a header block whose magic and checksum are right."""
    if block[257:265] != b"ustar\00000" and not (
        block[257:265] == b"ustar  \0" and not block[345:].strip(b"\0")
    ):
        raise ArchiveError(
            "this is no tar archive of the POSIX form",
            hint="`tar --format=posix` and every OCI tool write that form",
        )
    if _number(block[148:156], "checksum") != _sum(block):
        raise ArchiveError("a header of the archive has a wrong checksum")
    for start, end in _IGNORED:
        # Some readers stop where these are no numbers, and would not see what comes after.
        _ignored(block[start:end])
    return chr(block[156])


def _sum(block: bytes) -> int:
    """The sum of a header's bytes, those of the checksum itself taken as spaces.

    The lower half of Adler-32 (RFC 1950) is one more than the sum modulo 65,521, which that of 256
    bytes does not reach: two calls in place of 512 additions.
    """
    plain = block[:148] + b"        " + block[156:]
    low, high = zlib.adler32(plain[:256]), zlib.adler32(plain[256:])
    return (low & 0xFFFF) + (high & 0xFFFF) - 2


@functools.lru_cache(256)
def _ignored(field: bytes) -> None:
    """Check a number that nobody uses; archives have the same one in every header."""
    _number(field, "owner, time or device", optional=True)


def _text(raw: bytes) -> str:
    raw, _, rest = raw.partition(b"\0")
    if rest.strip(b"\0"):
        raise ArchiveError("a name in the archive has more behind its end")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ArchiveError("a name in the archive is not UTF-8") from None


def _name(block: bytes) -> str:
    name, prefix = _text(block[:100]), _text(block[345:500])
    return f"{prefix}/{name}" if prefix else name


def _number(field: bytes, what: str, *, optional: bool = False) -> int:
    """An octal number, ended by NUL or space; never one in base 256, which may be negative."""
    digits = field.strip(b" \0")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        if digits or not optional:
            raise ArchiveError(f"the {what} of an entry in the archive is not an octal number")
        return 0
    return int(digits, 8)


def _pax_size(text: str, written: int, name: str) -> int:
    """The size that a pax header gives; the block must say the same, or that it cannot say it."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):  # noqa: PLR2004 - 63 bits
        raise ArchiveError(f"the size of `{shown(name)}` in the archive is no number")
    size = int(text)
    if size != written and not (written == 0 and size >= 8 << 30):
        raise ArchiveError(f"the archive gives two sizes for `{shown(name)}`")
    return size


def _records(body: bytes) -> dict[str, str]:
    """The records ``LENGTH key=value`` of a pax header that this reader understands."""
    found: dict[str, str] = {}
    seen: set[bytes] = set()
    while body:
        length, space, _ = body[:20].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 3 < int(length) <= len(body):
            raise ArchiveError("a header of the archive is malformed")
        record, body = body[len(length) + 1 : int(length)], body[int(length) :]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or b"\0" in record or key in seen:
            raise ArchiveError("a header of the archive is malformed")
        seen.add(key)
        try:
            name, text = key.decode(), value[:-1].decode()
        except UnicodeDecodeError:
            raise ArchiveError("a name in the archive is not UTF-8") from None
        if name in {"path", "size"}:
            found[name] = text
        elif name == "comment":
            found.setdefault(name, text)
        elif name not in _HARMLESS and not name.startswith(_HARMLESS_PREFIXES):
            raise ArchiveError(f"the archive has a header `{shown(name)}`, which is not understood")
    return found
