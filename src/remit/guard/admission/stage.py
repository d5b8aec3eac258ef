"""The private copy of an artifact that runs: made anew for every start, from hashed bytes.

Each layer is hashed while it is unpacked (:mod:`remit.artifacts.unpack`): what lands in the copy
are the very bytes that had the digest, and nothing reads the store again afterwards. So whoever
changes the store meanwhile, or swaps files in it, changes either nothing or the digest, and then
there is no copy. An MCP bundle inside is unpacked from the copy, never from the store.

The copy is below a directory of Guard's own, ``0700``, below directories that nobody else may
write; its files are not writable, and it is gone when its server is.

LIMIT: another process of the same user can change the copy; see docs/guide/run-from-registry.md.
"""

import contextlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from remit.artifacts.folder import Manner
from remit.artifacts.mcpb import extract_mcpb
from remit.artifacts.unpack import unpack
from remit.guard.admission.shelf import Held
from remit.guard.errors import GuardError

FILES, BUNDLE = "files", "bundle"
_COPY = Manner(durable=False, mask=0o555)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Stage:
    """A copy that exists until :meth:`close`.

    Attributes:
        root: the directory of the artifact's files.
    """

    def __init__(self, directory: Path, root: Path) -> None:
        self._directory = directory
        self.root = root

    def close(self) -> None:
        """Remove it; once or more."""
        _remove(self._directory)


def stage(held: Held, parent: Path) -> Stage:
    """Make a copy of an artifact.

    Args:
        held: the artifact.
        parent: Guard's directory of copies, made when missing.

    Raises:
        GuardError: others may write where the copy would be.
        ArtifactError: the store holds something else than the manifest says, or it is refused.
        OSError: the disk is full or broken; nothing is left.
    """
    with contextlib.suppress(FileExistsError):
        parent.mkdir(mode=0o700, parents=True)
    check_private(parent)
    directory = parent / secrets.token_hex(16)
    directory.mkdir(mode=0o700)
    try:
        return Stage(directory, _filled(held, directory))
    except BaseException:
        _remove(directory)
        raise


def _filled(held: Held, directory: Path) -> Path:
    """Unpack into ``directory``; where the server's files are."""
    bundles = [each.path for each in held.artifact.layers if each.section == "mcpserver"]
    if len(bundles) > 1:
        raise GuardError("the artifact holds several MCP servers", code="artifact.several")
    unpack(held.layout, held.descriptor, directory / FILES, manner=_COPY)
    if not bundles:
        return directory / FILES
    extract_mcpb(directory / FILES / bundles[0], directory / BUNDLE, _COPY)
    return directory / BUNDLE


def check_private(directory: Path) -> None:
    """See that nobody but this user, and root, can put something else in the place of a directory.

    Raises:
        GuardError: somebody can, at the directory or above it.
    """
    place = directory.absolute()
    for each in (place, *place.parents):
        found = each.lstat()
        ours = found.st_uid in {0, os.geteuid()}
        own_group = found.st_gid == os.getegid() and found.st_uid == os.geteuid()
        writable = found.st_mode & (stat.S_IWOTH if own_group else _OTHERS)
        sticky = each != place and found.st_mode & stat.S_ISVTX
        if stat.S_ISLNK(found.st_mode):
            if ours:
                check_private(each.resolve())
                continue
            writable = stat.S_IWOTH
        if not ours or (writable and not sticky):
            raise GuardError(
                f"others can change `{each}`, below which artifacts would run",
                hint="give Guard a state directory that only its user can write, with --state",
                code="artifact.place",
            )


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
