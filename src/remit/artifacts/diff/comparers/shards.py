"""Models in several files of safetensors: if they were cut anew, their tensors are compared.

Only where the names of the files differ; else each file is compared with its successor.
"""

import contextlib
import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from remit.artifacts.diff.base import Change, NotLookedIntoError, Work
from remit.artifacts.diff.comparers.tensors import tensor_changes
from remit.artifacts.diff.formats import safetensors
from remit.artifacts.diff.formats.tensors import MAX_TENSORS, Model, Tensor
from remit.artifacts.diff.tree import Tree

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NAME = "shards"
MAX_SHARDS = 1000
_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-\d{5}\.safetensors")


class ShardAspect:
    """Sets of files ``NAME-00001-of-00004.safetensors``."""

    name = NAME

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """All files of sets that were cut anew."""
        return frozenset(path for old, new in _cut(a, b).values() for path in (*old, *new))

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterator[Change]:
        """Tensors of each set by their name, whatever file they are in."""
        for stem, (old, new) in _cut(a, b).items():
            path = f"{stem}-*.safetensors"
            try:
                with contextlib.ExitStack() as stack:
                    before, left = _joined(a, old, stack)
                    after, right = _joined(b, new, stack)
                    yield from tensor_changes(path, before, left, after, right)
            except NotLookedIntoError as error:
                work.unread(path, error.message)
            for shard in sorted({*old, *new}):
                what = "removed" if shard not in new else "added" if shard not in old else "kept"
                yield Change(
                    comparer=NAME,
                    kind=f"shard.{what}",
                    path=shard,
                    summary=f"{len(old)} → {len(new)} files; tensors are compared over all of them",
                )


def _cut(a: Tree, b: Tree) -> dict[str, tuple[list[str], list[str]]]:
    """Sets whose files have other names on the other side, by stem."""
    old, new = _sets(a), _sets(b)
    return {
        stem: (old[stem], new[stem]) for stem in sorted(old.keys() & new.keys())
        if old[stem] != new[stem]
    }  # fmt: skip


def _sets(tree: Tree) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(tree.entries()):
        match = _SHARD.fullmatch(path)
        if match is not None:
            found.setdefault(match["stem"], []).append(path)
    return found


def _joined(tree: Tree, paths: list[str], stack: contextlib.ExitStack) -> tuple[Model, BinaryIO]:
    """All tensors of a set, and a file that reads as one shard after the other."""
    if len(paths) > MAX_SHARDS:
        raise NotLookedIntoError(f"it is cut into more than {MAX_SHARDS} files")
    tensors: dict[str, Tensor] = {}
    parts: list[tuple[int, BinaryIO]] = []
    start = 0
    for path in paths:
        entry = tree.entries()[path]
        file = stack.enter_context(entry.open())
        for name, each in safetensors.read(file, entry.size).tensors.items():
            if name in tensors:
                raise NotLookedIntoError("a tensor is in two of its files")
            if len(tensors) >= MAX_TENSORS:
                raise NotLookedIntoError(f"it has more than {MAX_TENSORS} tensors")
            tensors[name] = msgspec.structs.replace(each, offset=each.offset + start)
        parts.append((start, file))
        start += entry.size
    return Model(tensors=tensors), io.BufferedReader(_Joined(parts, start), 1024 * 1024)


class _Joined(io.RawIOBase):
    """Files that are read as if they were one."""

    def __init__(self, parts: list[tuple[int, BinaryIO]], size: int) -> None:
        self._parts = parts
        self._starts = [start for start, _ in parts]
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size:
            return 0
        index = bisect_right(self._starts, self._at) - 1
        start, file = self._parts[index]
        end = self._starts[index + 1] if index + 1 < len(self._parts) else self._size
        file.seek(self._at - start)
        data = file.read(min(len(view), end - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


ASPECT = ShardAspect()
