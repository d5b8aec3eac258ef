"""A directory that is to be packed: its files and directories, in the order of an archive.

Links are not followed and nothing but files and directories is taken, as with ``kit``; what was
left out is kept in :attr:`Tree.skipped`, so that somebody can be told.
"""

import contextlib
import os
import stat
from pathlib import Path

from remit.artifacts.errors import ArchiveError, PackError
from remit.artifacts.ignore import FILE, MAX_BYTES, Ignore, parse_ignore
from remit.artifacts.members import member_name, shown

ALWAYS_SKIPPED = frozenset(
    {".git", ".gitattributes", ".gitignore", ".cache", ".hg", ".svn", "__pycache__", ".DS_Store"}
)
"""Left out of directories without a Kitfile: what tools keep there is no part of an artifact."""
MAX_FILES = 500_000


class Tree:
    """The files and directories below a directory, as they were when it was made.

    Args:
        root: the directory; or one file, which is then all that there is.
        skip: names that are left out wherever they are.

    Attributes:
        root: the directory.
        name: what it is called; of a file, without its ending.
        files: relative path → size in bytes, in the order of an archive.
        modes: relative path → mode as of ``lstat``, of files and directories, in that order.
        skipped: relative paths of links, sockets and devices.

    Raises:
        PackError: it is no directory, holds names that no archive may have, or too many.
        DefinitionError: its ``.kitignore`` cannot be read.
        OSError: it cannot be read.
    """

    def __init__(self, root: Path, *, skip: frozenset[str] = ALWAYS_SKIPPED) -> None:
        single = not root.is_dir()
        if single and not root.is_file():
            raise PackError(f"`{root}` is no directory", hint="name the directory to pack")
        self.root = root.parent if single else root
        self.name = root.stem if single else root.resolve().name
        self.files: dict[str, int] = {}
        self.modes: dict[str, int] = {}
        self.skipped: list[str] = []
        self._skip = skip
        self._once: dict[int, int] = {}
        self._ignore = Ignore()
        if single:
            self._walk(root.name)
            return
        with contextlib.suppress(FileNotFoundError):
            self._ignore = parse_ignore(self.read(FILE, MAX_BYTES))
        self._walk("")

    def _walk(self, start: str) -> None:
        pending = [start]
        while pending:
            at = pending.pop()
            if at and not self._take(at):
                continue
            below = f"{at}/" if at else ""
            here = {each.name for each in (self.root / at).iterdir()}
            names = sorted(here - self._skip, key=os.fsencode)
            pending.extend(below + name for name in reversed(names))

    def _take(self, path: str) -> bool:
        """Take a file or directory; whether to go into it."""
        status = (self.root / path).lstat()
        directory = stat.S_ISDIR(status.st_mode)
        name = _checked(path)
        ignored = self._ignore.matches(name)
        if not directory and not stat.S_ISREG(status.st_mode):
            if not ignored:
                self.skipped.append(name)
            return False
        if ignored:
            return directory and self._ignore.takes_back
        if len(self.modes) >= MAX_FILES:
            raise PackError(f"`{self.root}` has more than {MAX_FILES} files and directories")
        self.modes[name] = self._once.setdefault(status.st_mode, status.st_mode)
        if not directory:
            self.files[name] = status.st_size
        return directory

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file of the directory; links are not followed.

        Raises:
            PackError: it is larger than ``limit`` bytes.
            OSError: it cannot be read.
        """
        with open(opened(self.root / name), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise PackError(f"`{shown(name)}` is larger than {limit} bytes")
        return data

    def text(self, name: str, limit: int) -> str:
        """The content of a text file.

        Raises:
            PackError: it is larger than ``limit`` bytes, or not UTF-8.
            OSError: it cannot be read.
        """
        try:
            return self.read(name, limit).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PackError(f"`{shown(name)}` is not UTF-8") from error


def opened(path: Path) -> int:
    """A descriptor of a regular file that is no link.

    Raises:
        PackError: it is something else.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PackError(f"`{shown(path.name)}` is no file")
    return descriptor


def _checked(path: str) -> str:
    try:
        return member_name(path)
    except ArchiveError as error:
        problem = error.message.rpartition(": ")[2]
        raise PackError(
            f"`{shown(path)}` cannot be packed: {problem}",
            hint="rename it, or list it in `.kitignore`",
        ) from error
