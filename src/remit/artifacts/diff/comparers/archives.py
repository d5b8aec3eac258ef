"""Archives, by what is in them: ZIP (MCPB bundles, packages, NumPy's .npz) and tar."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Literal

from remit.artifacts.decompress import Compression
from remit.artifacts.diff.base import Change, Pair, Work
from remit.artifacts.diff.tarred import tar_entries, unpacked
from remit.artifacts.diff.tree import Entry, Tree
from remit.artifacts.diff.zipped import ZipTree

NAME = "archives"
_ZIP = b"PK\x03\x04"
_COMPRESSIONS: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tzst")


class ArchiveComparer:
    """Members are files of their own; equal members packed otherwise are equal."""

    name = NAME
    order = 300

    def takes(self, pair: Pair) -> bool:
        """Both begin as an archive that is not empty."""
        return all(_form(pair.name, head) for head in pair.heads)

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Compare member by member."""
        with contextlib.ExitStack() as stack:
            trees: list[Tree] = []
            for entry, head in ((pair.a, pair.head_a), (pair.b, pair.head_b)):
                file = stack.enter_context(entry.open())
                if _form(pair.name, head) == "zip":
                    trees.append(ZipTree(file, entry.size, entry.path))
                else:
                    trees.append(_tar(file, entry.path, head, stack))
                stack.callback(trees[-1].close)
            yield from work.nested(pair.path, trees[0], trees[1])


def is_zip(head: bytes) -> bool:
    """Whether a file that starts so is a ZIP archive that is not empty."""
    return head.startswith(_ZIP)


def _form(name: str, head: bytes) -> Literal["zip", "tar", ""]:
    if is_zip(head):
        return "zip"
    packed = name.endswith(_COMPRESSED) and any(
        head.startswith(magic) for magic, _ in _COMPRESSIONS
    )
    return "tar" if packed or head[257:262] == b"ustar" else ""


def _tar(file: BinaryIO, name: str, head: bytes, stack: contextlib.ExitStack) -> "_TarTree":
    for magic, compression in _COMPRESSIONS:
        if head.startswith(magic):
            file = unpacked(file, compression)
            stack.callback(file.close)
    return _TarTree(name, {entry.path: entry for entry in tar_entries(file)})


class _TarTree:
    """The files of a tar archive."""

    kind: Literal["archive"] = "archive"
    metadata: None = None
    problems: Sequence[tuple[str, str]] = ()

    def __init__(self, name: str, entries: Mapping[str, Entry]) -> None:
        self.name = name
        self._entries = entries

    def entries(self) -> Mapping[str, Entry]:
        return self._entries

    def close(self) -> None:
        """The archive is closed by whoever opened it."""


COMPARER = ArchiveComparer()
