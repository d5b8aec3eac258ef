"""Writing what comes out of an archive into a fresh directory that appears whole or not at all.

The directory is made beside its target under another name; everything in it is opened relative to
a descriptor, part by part, without following links (``openat``, ``O_NOFOLLOW``, ``O_EXCL``), so a
link that somebody plants meanwhile is an error and never a way out. :meth:`Folder.publish` renames
it to the target. What a killed process leaves is removed by the next one for the same target.

System calls of a whole unpack: ``mkdirat`` beside the target, ``flock`` on it, ``mkdirat``,
``openat``, ``write`` in it, ``renameat``.

LIMIT: files are not synchronised one by one; after a loss of power unpack again.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from remit.artifacts.errors import UnpackError
from remit.artifacts.members import shown

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SUFFIX = ".partial"


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a directory is made.

    Attributes:
        durable: whether it is there after a loss of power; what lives as long as a process need
            not be.
        mask: permission bits that its files may have.
    """

    durable: bool = True
    mask: int = 0o755


KEPT = Manner()


class Folder:
    """A directory that is being filled; :func:`fresh` makes one."""

    def __init__(self, parent: int, name: str, target: str, manner: Manner = KEPT) -> None:
        self._parent = parent
        self._name = name
        self._target = target
        self._root = os.open(name, _DIRECTORY, dir_fd=parent)
        fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._at = ""
        self._open = os.dup(self._root)
        self._manner = manner
        self.published = False

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Make a directory, and those above it.

        Args:
            name: relative path that :func:`~remit.artifacts.members.member_name` accepted.
            mode: permission bits; never writable by others, always readable by the owner.

        Raises:
            UnpackError: something else is in its place.
            OSError: the disk is full or broken.
        """
        self._enter(name, mode & 0o755 | 0o700)

    def file(self, name: str, chunks: Iterable[bytes], mode: int = 0o644) -> int:
        """Write a file, and make the directories above it; its size in bytes.

        Args:
            name: relative path, as for :meth:`directory`.
            chunks: its content.
            mode: permission bits, as for :meth:`directory`.

        Raises:
            UnpackError: there is something in its place.
            OSError: the disk is full or broken.
        """
        parent, _, last = name.rpartition("/")
        self._enter(parent)
        try:
            file = os.open(last, _NEW, mode & self._manner.mask | 0o400, dir_fd=self._open)
        except FileExistsError:
            raise UnpackError(f"`{shown(name)}` is there already") from None
        size = 0
        try:
            for chunk in chunks:
                size += len(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(file, view) :]
        finally:
            os.close(file)
        return size

    def publish(self) -> None:
        """Give the directory its name, for good.

        Raises:
            UnpackError: the target is there and not an empty directory.
            OSError: it cannot be renamed.
        """
        if self._manner.durable:
            os.fsync(self._root)
        there = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        if not os.path.samestat(there, os.fstat(self._root)):
            raise UnpackError(f"somebody replaced the directory beside `{shown(self._target)}`")
        try:
            os.rename(self._name, self._target, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        except (FileExistsError, NotADirectoryError, OSError) as error:
            raise UnpackError(
                f"`{shown(self._target)}` cannot be put in its place: {error.strerror}",
                hint="unpack into a directory that does not exist yet",
            ) from error
        self.published = True
        if self._manner.durable:
            os.fsync(self._parent)

    def close(self) -> None:
        """Remove what was not published and close every descriptor."""
        if not self.published:
            shutil.rmtree(self._name, dir_fd=self._parent, ignore_errors=True)
        os.close(self._open)
        os.close(self._root)

    def _enter(self, name: str, mode: int = 0o755) -> None:
        """Make ``self._open`` the descriptor of the directory ``name``, made if missing."""
        if name == self._at:
            return
        below = name.startswith(self._at + "/") if self._at else bool(name)
        current = os.dup(self._open if below else self._root)
        rest = name[len(self._at) :].lstrip("/") if below else name
        try:
            parts = rest.split("/") if rest else []
            for at, part in enumerate(parts, 1):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, mode if at == len(parts) else 0o755, dir_fd=current)
                try:
                    deeper = os.open(part, _DIRECTORY, dir_fd=current)
                except OSError as error:
                    raise UnpackError(
                        f"`{shown(name)}` is not a directory: {error.strerror}"
                    ) from error
                os.close(current)
                current = deeper
        except BaseException:
            os.close(current)
            raise
        os.close(self._open)
        self._open, self._at = current, name


@contextlib.contextmanager
def fresh(target: Path, manner: Manner = KEPT) -> Iterator[Folder]:
    """A directory that becomes ``target`` when it is published, and is gone otherwise.

    Args:
        target: does not exist yet, or is an empty directory; its parent exists.
        manner: how it is made.

    Raises:
        UnpackError: ``target`` is in use, or its parent is missing.
        OSError: nothing can be made there.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - links in it stay
    if not target.name:
        raise UnpackError("the root of the file system is no place to unpack")
    try:
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UnpackError(
            f"`{target.parent}` is no directory: {error.strerror}", hint="make it first"
        ) from error
    try:
        _check_free(parent, target)
        _sweep(parent, target.name)
        name = f".{target.name[:100]}.{secrets.token_hex(8)}{_SUFFIX}"
        os.mkdir(name, 0o755, dir_fd=parent)
        folder = Folder(parent, name, target.name, manner)
        try:
            yield folder
        finally:
            folder.close()
    finally:
        os.close(parent)


def _check_free(parent: int, target: Path) -> None:
    try:
        status = os.stat(target.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or any(target.iterdir()):
        raise UnpackError(
            f"`{target}` is there already and not empty",
            hint="remove it, or name another directory: what is there is never mixed with what"
            " comes out of an artifact",
        )


def _sweep(parent: int, name: str) -> None:
    """Remove what processes for the same target left that do not live any more."""
    pattern = re.compile(re.escape(f".{name[:100]}.") + r"[0-9a-f]{16}" + re.escape(_SUFFIX))
    for each in os.listdir(parent):
        if pattern.fullmatch(each) is None:
            continue
        with contextlib.suppress(OSError):
            held = os.open(each, _DIRECTORY, dir_fd=parent)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(each, dir_fd=parent, ignore_errors=True)
            finally:
                os.close(held)
