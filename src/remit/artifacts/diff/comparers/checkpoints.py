"""PyTorch's checkpoints: a ZIP of one pickle and the storages that it refers to.

The pickle is compared by what it imports and calls, storages by size and changed bytes; which
tensor a storage belongs to is written in the pickle and not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Literal

from remit.artifacts.diff.base import Change, Pair, Work, capped
from remit.artifacts.diff.comparers.archives import is_zip
from remit.artifacts.diff.comparers.pickles import pickle_changes
from remit.artifacts.diff.formats.numbers import differing_bytes
from remit.artifacts.diff.formats.pickles import profile
from remit.artifacts.diff.formats.tensors import CHUNK_BYTES
from remit.artifacts.diff.text import shown
from remit.artifacts.diff.tree import Entry
from remit.artifacts.diff.zipped import ZipTree
from remit.core.digest import Digest

NAME = "checkpoints"
_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


class CheckpointComparer:
    """The pickle, the storages, and whatever else is in it."""

    name = NAME
    order = 250

    def takes(self, pair: Pair) -> bool:
        """A ZIP with a suffix of checkpoints."""
        return pair.suffix in _SUFFIXES and all(map(is_zip, pair.heads))

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """As archives, but with storages told apart."""
        with pair.a.open() as a, pair.b.open() as b:
            left = ZipTree(a, pair.a.size, pair.a.path)
            right = ZipTree(b, pair.b.size, pair.b.path)
            old, new = _parts(left), _parts(right)
            if old is None or new is None:
                yield from work.nested(pair.path, left, right)
                return
            with old[0].open() as file:
                before = profile(file, old[0].size)
            with new[0].open() as file:
                after = profile(file, new[0].size)
            yield from pickle_changes(pair.path, before, after)
            yield from capped(
                _storages(pair.path, old[1], new[1]),
                lambda count: Change(
                    comparer=NAME,
                    kind="storage.more",
                    path=pair.path,
                    severity="medium",
                    summary=f"{count} more storages differ",
                ),
            )
            yield from work.nested(pair.path, _Rest(left, old), _Rest(right, new))


_Parts = tuple[Entry, dict[str, Entry]]


def _parts(tree: ZipTree) -> _Parts | None:
    """The pickle, and storages by number; ``None`` if this is no checkpoint."""
    roots = [path for path in tree.entries() if path.rpartition("/")[2] == "data.pkl"]
    if len(roots) != 1 or roots[0].count("/") != 1:
        return None
    folder = roots[0].rpartition("/")[0] + "/data/"
    storages = {
        path.removeprefix(folder): entry
        for path, entry in tree.entries().items()
        if path.startswith(folder)
    }
    return tree.entries()[roots[0]], storages


class _Renamed:
    """An entry under another path."""

    def __init__(self, path: str, entry: Entry) -> None:
        self.path = path
        self.kind = entry.kind
        self.size = entry.size
        self.executable = entry.executable
        self._entry = entry

    @property
    def digest(self) -> Digest:
        return self._entry.digest

    def open(self) -> BinaryIO:
        return self._entry.open()


class _Rest:
    """What is neither the pickle nor a storage; the root's name is that of the file, so it goes."""

    kind: Literal["archive"] = "archive"
    metadata: None = None
    problems: Sequence[tuple[str, str]] = ()

    def __init__(self, tree: ZipTree, parts: _Parts) -> None:
        self.name = tree.name
        root = parts[0].path.rpartition("/")[0] + "/"
        apart = {parts[0].path, *(each.path for each in parts[1].values())}
        self._entries: dict[str, Entry] = {
            path.removeprefix(root): _Renamed(path.removeprefix(root), entry)
            for path, entry in tree.entries().items()
            if path not in apart
        }

    def entries(self) -> Mapping[str, Entry]:
        """Files by their path below the root."""
        return self._entries

    def close(self) -> None:
        """The archive is closed by whoever opened it."""


def _storages(path: str, old: dict[str, Entry], new: dict[str, Entry]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys(), key=lambda n: (len(n), n)):
        was, now = old.get(name), new.get(name)
        if was is not None and now is not None and was.size == now.size:
            with was.open() as a, now.open() as b:
                changed = differing_bytes(
                    iter(lambda: a.read(CHUNK_BYTES), b""), iter(lambda: b.read(CHUNK_BYTES), b"")
                )
            if changed:
                yield _storage(path, name, was, now, f"{changed} of {was.size} bytes changed")
        elif was is None or now is None:
            what = "added" if was is None else "removed"
            yield _storage(path, name, was, now, f"storage {what}")
        else:
            yield _storage(path, name, was, now, f"size {was.size} → {now.size} bytes")


def _storage(path: str, name: str, was: Entry | None, now: Entry | None, summary: str) -> Change:
    return Change(
        comparer=NAME,
        kind="storage.changed" if was and now else "storage.added" if now else "storage.removed",
        path=path,
        subject=f"storage {shown(name)}",
        severity="medium",
        summary=summary,
        before=was.size if was else None,
        after=now.size if now else None,
    )


COMPARER = CheckpointComparer()
