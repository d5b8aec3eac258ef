"""What is compared: trees of files, wherever they are, with the metadata of an artifact."""

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.manifest import Manifest
from remit.core.digest import Digest

CHUNK_BYTES = 1024 * 1024
MAX_ENTRIES = 100_000
MAX_DEPTH = 64


class TreeError(ArtifactError):
    """A tree or a file of one that cannot be read."""

    code = "artifact.diff.tree"


class Entry(Protocol):
    """A file of a tree."""

    @property
    def path(self) -> str:
        """Relative, parts separated by ``/``."""
        ...

    @property
    def kind(self) -> Literal["file", "link"]:
        """A link's content is its target."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def executable(self) -> bool:
        """Whether its owner may run it."""
        ...

    @property
    def digest(self) -> Digest:
        """Of its content; reads all of it the first time.

        Raises:
            TreeError: it cannot be read.
        """
        ...

    def open(self) -> BinaryIO:
        """Its content, seekable, to be read in pieces and closed.

        Raises:
            TreeError: it cannot be read.
        """
        ...


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that refers to an artifact: a signature, an attestation, a scan.

    Attributes:
        artifact_type: what it declares itself to be.
        digest: of its manifest.
        annotations: of its manifest.
        layers: media type, annotations and bytes of each small layer.
    """

    artifact_type: str
    digest: Digest
    annotations: Mapping[str, str] = {}
    layers: tuple[tuple[str, Mapping[str, str], bytes], ...] = ()


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact has besides files.

    Attributes:
        manifest: the manifest.
        digest: of it.
        config: bytes of the configuration, empty if it is none of JSON.
        referrers: what refers to it.
    """

    manifest: Manifest
    digest: Digest
    config: bytes = b""
    referrers: tuple[Referrer, ...] = ()


class Tree(Protocol):
    """Files, and what is said about them."""

    @property
    def name(self) -> str:
        """As its user calls it."""
        ...

    @property
    def kind(self) -> Literal["directory", "file", "artifact", "archive"]:
        """Where it is."""
        ...

    @property
    def metadata(self) -> Metadata | None:
        """Of an artifact; nothing else has any."""
        ...

    @property
    def problems(self) -> Sequence[tuple[str, str]]:
        """Path and reason of what is there and is not among the entries."""
        ...

    def entries(self) -> Mapping[str, Entry]:
        """Every file by its path.

        Raises:
            TreeError: it cannot be listed.
        """
        ...

    def close(self) -> None:
        """Let go of what is open; entries cannot be read any more."""
        ...


def digest_stream(file: BinaryIO) -> Digest:
    """SHA-256 of what is left to read."""
    taken = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        taken.update(chunk)
    return Digest(f"sha256:{taken.hexdigest()}")


class FileEntry:
    """A file of the disk, opened without following links."""

    executable: bool

    def __init__(self, path: str, place: Path, status: os.stat_result) -> None:
        self.path = path
        self.place = place
        self.kind: Literal["file", "link"] = "link" if stat.S_ISLNK(status.st_mode) else "file"
        self.size = status.st_size
        self.executable = self.kind == "file" and bool(status.st_mode & stat.S_IXUSR)

    @functools.cached_property
    def digest(self) -> Digest:
        """SHA-256 of the content."""
        with self.open() as file:
            return digest_stream(file)

    def open(self) -> BinaryIO:
        """The content.

        Raises:
            TreeError: it cannot be read, or is no regular file any more.
        """
        import io

        try:
            if self.kind == "link":
                return io.BytesIO(os.fsencode(self.place.readlink()))
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self.place, flags | getattr(os, "O_BINARY", 0))
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise TreeError(f"`{self.path}` is no regular file")
            return open(descriptor, "rb")  # noqa: PTH123 - the caller closes it
        except OSError as error:
            raise TreeError(f"`{self.path}` cannot be read: {error.strerror}") from error


class FileTree:
    """One file on its own; two of these are compared whatever their names are."""

    kind: Literal["file"] = "file"
    metadata: None = None
    problems: Sequence[tuple[str, str]] = ()

    def __init__(self, path: Path, name: str = "") -> None:
        self.name = name or str(path)
        self._path = path

    def entries(self) -> Mapping[str, Entry]:
        """The file, by its own name."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise TreeError(f"`{self.name}` cannot be read: {error.strerror}") from error
        entry = FileEntry(self._path.name, self._path.resolve(), status)
        return {entry.path: entry}

    def close(self) -> None:
        """Nothing stays open."""


class DirectoryTree:
    """A directory and what is below it. Links are compared by their target and never followed."""

    kind: Literal["directory"] = "directory"
    metadata: None = None

    def __init__(self, root: Path, name: str = "") -> None:
        self.name = name or str(root)
        self._root = root
        self._problems: list[tuple[str, str]] = []
        self._entries: dict[str, Entry] | None = None

    @property
    def problems(self) -> Sequence[tuple[str, str]]:
        """What could not be listed; known once :meth:`entries` was called."""
        return self._problems

    def entries(self) -> Mapping[str, Entry]:
        """Every regular file and link, by path."""
        if self._entries is None:
            self._entries = self._listed()
        return self._entries

    def close(self) -> None:
        """Nothing stays open."""

    def _listed(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for path, place, status in self._walk():
            if len(found) >= MAX_ENTRIES:
                raise TreeError(f"`{self.name}` has more than {MAX_ENTRIES} files")
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                found[path] = FileEntry(path, place, status)
            else:
                self._problems.append((path, "is neither a file nor a directory"))
        return found

    def _walk(self) -> Iterator[tuple[str, Path, os.stat_result]]:
        waiting = [("", self._root, 0)]
        while waiting:
            prefix, folder, depth = waiting.pop()
            try:
                names = sorted(each.name for each in os.scandir(folder))
            except OSError as error:
                if not prefix:
                    raise TreeError(f"`{self.name}` cannot be listed: {error.strerror}") from error
                self._problems.append((prefix, f"cannot be listed: {error.strerror}"))
                continue
            for name in names:
                place = folder / name
                path = prefix + os.fsencode(name).decode("utf-8", "backslashreplace")
                with contextlib.suppress(FileNotFoundError):
                    status = place.lstat()
                    if not stat.S_ISDIR(status.st_mode):
                        yield path, place, status
                    elif depth < MAX_DEPTH:
                        waiting.append((f"{path}/", place, depth + 1))
                    else:
                        self._problems.append((path, "is nested too deeply"))
