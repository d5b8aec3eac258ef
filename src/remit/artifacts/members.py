"""Names and limits of what is inside an archive, the same for tar and zip.

A name is accepted only if every platform and every reader understands the same file by it. What is
refused, and why:

1. absolute names, ``..`` and ``.`` parts, empty parts: they leave the folder or have two spellings;
2. backslashes, and parts that begin like a drive (``C:``): on Windows they are other paths;
3. NUL and other control characters, and what is not UTF-8: readers cut or replace them;
4. a name twice, or two that differ by case or by Unicode normalisation only: on macOS and Windows
   the second overwrites the first;
5. a file where another entry has a directory.

Not checked: names that only Windows reserves (``aux``), which fail there without harm.
"""

import re

import msgspec

from remit.artifacts.errors import ArchiveError
from remit.core.text import normal, printable

_DRIVE = re.compile(r"[A-Za-z]:")
_ORDINARY_PART = r"\.?[A-Za-z0-9_@+-][A-Za-z0-9_@+. -]*"
_ORDINARY = re.compile(rf"(?:{_ORDINARY_PART}/)*{_ORDINARY_PART}")
"""Names that keep all of the rules but those of length; nearly all names are such."""
_MAX_PART = 255
_LAST_CONTROL = 0x1F
_DELETE = 0x7F
_FILE, _DIRECTORY, _IMPLIED = "file", "directory", "implied"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an archive may hold.

    Attributes:
        entries: files and directories.
        total: bytes of all files together, unpacked.
        name: bytes of a name in UTF-8.
        depth: parts of a name.
        ratio: unpacked bytes for each packed one, once there are more than ``free``.
        free: bytes that may always be unpacked, whatever their ratio.
    """

    entries: int = 500_000
    total: int = 4 << 40
    name: int = 1024
    depth: int = 64
    ratio: int = 200
    free: int = 64 << 20


LIMITS = Limits()
"""For layers of artifacts: models are large, and data sets have many files."""


def shown(name: str) -> str:
    """A name for a message: short, with nothing that acts on a terminal."""
    return printable(name, 120).replace("\n", "\\n")


def member_name(name: str, limits: Limits = LIMITS) -> str:
    """``name`` if it is the one relative path that every reader understands.

    Raises:
        ArchiveError: it is not; the message says what is wrong.
    """
    problem = _problem(name, limits)
    if problem:
        raise ArchiveError(
            f"the archive has an entry `{shown(name)}`: {problem}",
            hint="this is how files are written outside of a folder; do not use another program"
            " to unpack it, ask for a clean archive",
        )
    return name


def _problem(name: str, limits: Limits) -> str:
    short = len(name) <= min(_MAX_PART, limits.name) and name.count("/") < limits.depth
    if short and _ORDINARY.fullmatch(name):
        return ""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    parts = name.split("/")
    checks = (
        (not name, "it has no name"),
        (size > limits.name, f"its name is longer than {limits.name} bytes"),
        (len(parts) > limits.depth, f"it is more than {limits.depth} directories deep"),
        (name.startswith("/"), "its name is absolute"),
        ("\\" in name, "its name holds a backslash"),
        (any(ord(c) <= _LAST_CONTROL or ord(c) == _DELETE for c in name), "control characters"),
        (".." in parts, "its name leaves the folder"),
        ("" in parts or "." in parts, "its name has an empty part"),
        (any(_DRIVE.match(part) for part in parts), "its name begins like a Windows drive"),
        (
            size > _MAX_PART and any(len(part.encode()) > _MAX_PART for part in parts),
            f"a part of its name is longer than {_MAX_PART} bytes",
        ),
    )
    return next((text for wrong, text in checks if wrong), "")


class Names:
    """The names that were taken so far: of one archive, or of all layers of an artifact.

    Args:
        limits: how many there may be.
        shared: whether a directory may come again, as in layers that share one.
    """

    def __init__(self, limits: Limits = LIMITS, *, shared: bool = False) -> None:
        self._limits = limits
        self._shared = shared
        # The kind; with the spelling before it where that is another than the key.
        self._taken: dict[str, str | tuple[str, str]] = {}
        # Directories above files, as they were spelt: once one, a name stays a directory.
        self._above: set[str] = set()

    def take(self, name: str, *, directory: bool) -> None:
        """Take ``name``, which :func:`member_name` accepted.

        Raises:
            ArchiveError: it is taken, or collides with what is, or there are too many.
        """
        above = name.rpartition("/")[0]
        if above and above not in self._above:
            at = name.find("/")
            while at >= 0:
                self._directory(name[:at])
                at = name.find("/", at + 1)
            self._above.add(above)
        key, kind = self._look(name)
        if kind and not (directory and kind == _IMPLIED):
            if not (directory and kind == _DIRECTORY):
                raise ArchiveError(f"the archive has the entry `{shown(name)}` twice")
            if not self._shared:
                raise ArchiveError(f"the archive has the directory `{shown(name)}` twice")
        self._put(key, name, _DIRECTORY if directory else _FILE)

    def _directory(self, name: str) -> None:
        key, kind = self._look(name)
        if kind == _FILE:
            raise ArchiveError(f"the archive has `{shown(name)}` as a file and as a directory")
        if not kind:
            self._put(key, name, _IMPLIED)

    def _look(self, name: str) -> tuple[str, str]:
        key = name.lower() if name.isascii() else normal("NFC", normal("NFC", name).casefold())
        found = self._taken.get(key)
        if found is None:
            return key, ""
        spelt, kind = (key, found) if isinstance(found, str) else found
        if spelt != name:
            raise ArchiveError(
                f"the archive has `{shown(spelt)}` and `{shown(name)}`, which are one file on"
                " macOS and Windows",
                hint="rename one of them",
            )
        return key, kind

    def _put(self, key: str, name: str, kind: str) -> None:
        if key not in self._taken and len(self._taken) >= self._limits.entries:
            raise ArchiveError(f"the archive has more than {self._limits.entries} entries")
        if key == name:
            self._taken[name] = kind
        else:
            self._taken[key] = (name, kind)
