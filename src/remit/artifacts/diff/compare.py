"""Compare two trees: pair their files, ask who knows their kind, lose nothing.

Rules, in this order:

1. Files of equal digest are equal and nobody looks into them.
2. A file that is on one side only is added, removed, or moved if its content is on the other.
3. Aspects see whole trees; a path that they claim and say something about is explained.
4. Every other pair goes to the first comparer that takes it. Whatever it raises makes the pair
   *not looked into*, which is a difference.
5. A pair that differs and about which nobody said anything has ``bytes.changed``.

Not checked: signatures of anything, and whether either side is fit for use.
"""

import functools
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

import remit.artifacts.diff.comparers
from remit.artifacts.diff import base
from remit.artifacts.diff.base import (
    Aspect,
    Change,
    Comparer,
    Difference,
    NotLookedIntoError,
    Pair,
    Side,
    Unread,
)
from remit.artifacts.diff.text import shown
from remit.artifacts.diff.tree import Entry, Metadata, Tree, TreeError
from remit.core.errors import RemitError

MAX_NESTING = 4
MAX_NESTED = 200
"""Archives that are opened in one comparison."""
MAX_UNREAD = 1000
NAME = "files"


@functools.cache
def _modules() -> tuple[object, ...]:
    package = remit.artifacts.diff.comparers
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return tuple(importlib.import_module(f"{package.__name__}.{name}") for name in names)


@functools.cache
def comparers() -> tuple[Comparer, ...]:
    """Every comparer, in the order in which they are asked."""
    found: list[Comparer] = [m.COMPARER for m in _modules() if hasattr(m, "COMPARER")]
    return tuple(sorted(found, key=lambda each: (each.order, each.name)))


@functools.cache
def aspects() -> tuple[Aspect, ...]:
    """Every aspect, by name."""
    return tuple(m.ASPECT for m in _modules() if hasattr(m, "ASPECT"))


def _never() -> bool:
    return False


def compare(
    a: Tree, b: Tree, *, more: Sequence[Aspect] = (), expired: Callable[[], bool] = _never
) -> Difference:
    """The difference of two trees.

    Args:
        a: as it was.
        b: as it is.
        more: aspects besides those of this package.
        expired: asked before each file; once it says so, nothing more is looked into.

    Raises:
        TreeError: a side cannot be listed at all.
    """
    comparison = _Comparison((*more, *aspects()), expired)
    changes = list(comparison.trees(a, b))
    if len(changes) > base.MAX_TOTAL_CHANGES:
        left = len(changes) - base.MAX_TOTAL_CHANGES
        changes = changes[: base.MAX_TOTAL_CHANGES]
        comparison.unread("", f"{left} more changes are not listed")
    unread = comparison.notes()
    if not changes and not unread and a.metadata and b.metadata:
        changes += _manifests(a.metadata, b.metadata)
    return Difference(
        a=_side(a),
        b=_side(b),
        equal=not changes and not unread,
        changes=tuple(changes),
        unread=unread,
    )


def _manifests(a: Metadata, b: Metadata) -> list[Change]:
    """Rule 5 for artifacts: bytes of the manifests that differ without any other difference."""
    if a.digest == b.digest:
        return []
    return [
        Change(
            comparer=NAME,
            kind="manifest.changed",
            summary="the manifests differ, and nothing that was compared does",
            before=a.digest,
            after=b.digest,
        )
    ]


def _side(tree: Tree) -> Side:
    entries = tree.entries()
    return Side(
        name=tree.name,
        kind=tree.kind,
        digest=tree.metadata.digest if tree.metadata else "",
        files=len(entries),
        size=sum(each.size for each in entries.values()),
    )


class _Comparison:
    """One run; implements :class:`~remit.artifacts.diff.base.Work`."""

    def __init__(self, found: Sequence[Aspect], expired: Callable[[], bool]) -> None:
        self.aspects = found
        self.expired = expired
        self._found: dict[Unread, None] = {}
        self._made = 0
        self._left_out = 0
        self._prefix = ""
        self._depth = 0
        self._opened = 0

    # -- Work ----------------------------------------------------------------------------------

    def unread(self, path: str, reason: str, side: Literal["a", "b", "both"] = "both") -> None:
        """Note something, once."""
        note = Unread(path=self._prefix + path, side=side, reason=reason)
        if note in self._found or len(self._found) < MAX_UNREAD:
            self._found[note] = None
        else:
            self._left_out += 1

    def notes(self) -> tuple[Unread, ...]:
        """Everything that was noted, and how much was not."""
        notes = tuple(self._found)
        if self._left_out:
            more = Unread(path="", reason=f"{self._left_out} more were not looked into")
            notes = (*notes, more)
        return notes

    def nested(self, path: str, a: Tree, b: Tree) -> Iterator[Change]:
        """Compare two archives."""
        self._opened += 1
        if self._depth >= MAX_NESTING:
            raise NotLookedIntoError(f"it is nested deeper than {MAX_NESTING} archives")
        if self._opened > MAX_NESTED:
            raise NotLookedIntoError(f"more than {MAX_NESTED} archives are not opened")
        prefix = self._prefix
        self._prefix, self._depth = f"{prefix}{path}!/", self._depth + 1
        try:
            # All at once: the prefix must not be seen by whoever works in between.
            inside = list(self.trees(a, b))
        finally:
            self._prefix, self._depth = prefix, self._depth - 1
        for change in inside:
            yield _within(change, f"{path}!/")

    # -- trees ---------------------------------------------------------------------------------

    def trees(self, a: Tree, b: Tree) -> Iterator[Change]:
        """Everything that differs."""
        left, right = a.entries(), b.entries()
        for tree, side in ((a, "a"), (b, "b")):
            for path, reason in tree.problems:
                self.unread(path, reason, "a" if side == "a" else "b")
        explained: set[str] = set()
        for aspect in self.aspects:
            changes = list(self._aspect(aspect, a, b))
            claimed = aspect.claims(a, b) if changes else frozenset()
            explained |= claimed & {change.path for change in changes}
            yield from changes
        pairs, gone, come = self._paired(a, b, left, right)
        for path, was, now in pairs:
            if path not in explained:
                if was.path != now.path and not a.kind == b.kind == "file":
                    yield _moved(was, now)
                yield from self._pair(path, was, now)
        yield from (self._single(entry, "removed") for entry in gone if entry.path not in explained)
        yield from (self._single(entry, "added") for entry in come if entry.path not in explained)

    def _aspect(self, aspect: Aspect, a: Tree, b: Tree) -> Iterator[Change]:
        try:
            with base.explained():
                yield from aspect.compare(a, b, self)
        except RemitError as error:
            self.unread("", f"{aspect.name}: {error.message}")

    def _paired(
        self, a: Tree, b: Tree, left: Mapping[str, Entry], right: Mapping[str, Entry]
    ) -> tuple[list[tuple[str, Entry, Entry]], list[Entry], list[Entry]]:
        if a.kind == b.kind == "file":
            (was,), (now,) = left.values(), right.values()
            return [(now.path, was, now)], [], []
        pairs = [(path, left[path], right[path]) for path in sorted(left.keys() & right.keys())]
        gone = {path: left[path] for path in sorted(left.keys() - right.keys())}
        come = {path: right[path] for path in sorted(right.keys() - left.keys())}
        for was, now in [*self._same_content(gone, come), *_alike(gone, come)]:
            if was.path in gone and now.path in come:
                del gone[was.path], come[now.path]
                pairs.append((now.path, was, now))
        return pairs, list(gone.values()), list(come.values())

    def _same_content(
        self, gone: Mapping[str, Entry], come: Mapping[str, Entry]
    ) -> Iterator[tuple[Entry, Entry]]:
        """Files whose content is under another name now; only those of equal size are read."""
        sizes: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in gone.values():
            if entry.size:
                sizes[entry.size].append(entry)
        taken: set[str] = set()
        for now in come.values():
            for was in sizes.get(now.size, ()):
                if was.path not in taken and self._equal(was, now):
                    taken.add(was.path)
                    yield was, now
                    break

    # -- one file ------------------------------------------------------------------------------

    def _equal(self, a: Entry, b: Entry) -> bool:
        if a.size != b.size or a.kind != b.kind:
            return False
        try:
            return a.digest == b.digest
        except RemitError as error:
            self.unread(b.path, error.message)
            return False

    def _pair(self, path: str, a: Entry, b: Entry) -> Iterator[Change]:
        if a.executable != b.executable:
            yield Change(
                comparer=NAME,
                kind="file.mode",
                path=b.path,
                severity="low" if a.executable else "medium",
                summary="may be executed now" if b.executable else "may no longer be executed",
                before=a.executable,
                after=b.executable,
            )
        if self._equal(a, b):
            return
        if a.kind == "link" or b.kind == "link":
            yield self._link(path, a, b)
            return
        changes, reason = self._ask(path, a, b)
        self._made += len(changes)
        yield from changes
        if reason:
            self.unread(path, reason)
        if reason or not changes:
            yield self._bytes(path, a, b, looked=not reason)

    def _ask(self, path: str, a: Entry, b: Entry) -> tuple[list[Change], str]:
        """What the comparer of this kind says, and why it did not look, if so."""
        changes: list[Change] = []
        if self._made > base.MAX_TOTAL_CHANGES:
            return [], "there are too many changes before it"
        if self.expired():
            return [], "the time was over"
        try:
            pair = Pair(path, a, b)
            for comparer in comparers():
                if comparer.takes(pair):
                    with base.explained():
                        made = iter(comparer.compare(pair, self))
                        # What was said before a failure is kept.
                        while (change := next(made, None)) is not None:
                            changes.append(change)
                    return base.worst_first(changes), ""
        except RemitError as error:
            return changes, error.message
        return [], "no comparer knows this kind of file"

    def _bytes(self, path: str, a: Entry, b: Entry, *, looked: bool) -> Change:
        try:
            digests = a.digest, b.digest
        except RemitError:
            digests = None
        return Change(
            comparer=NAME,
            kind="bytes.changed",
            path=path,
            severity="info" if looked else "medium",
            summary="the bytes differ, and nothing that was compared does"
            if looked
            else "the bytes differ; what changed was not looked into",
            before={"size": a.size, "digest": digests[0]} if digests else {"size": a.size},
            after={"size": b.size, "digest": digests[1]} if digests else {"size": b.size},
        )

    def _link(self, path: str, a: Entry, b: Entry) -> Change:
        targets = []
        for entry in (a, b):
            with entry.open() as file:
                text = file.read(4096).decode("utf-8", "backslashreplace")
            targets.append(shown(text, 1000) if entry.kind == "link" else None)
        return Change(
            comparer=NAME,
            kind="link.changed",
            path=path,
            severity="medium",
            summary="a link leads elsewhere now"
            if all(targets)
            else ("a file became a link" if targets[1] else "a link became a file"),
            before=targets[0],
            after=targets[1],
        )

    def _single(self, entry: Entry, what: Literal["added", "removed"]) -> Change:
        try:
            known: dict[str, object] = {"size": entry.size, "digest": entry.digest}
        except RemitError as error:
            self.unread(entry.path, error.message, "b" if what == "added" else "a")
            known = {"size": entry.size}
        return Change(
            comparer=NAME,
            kind=f"file.{what}",
            path=entry.path,
            severity=_severity(entry, what),
            summary=f"{'link' if entry.kind == 'link' else 'file'} {what}, {entry.size} bytes",
            before=known if what == "removed" else None,
            after=known if what == "added" else None,
        )


_RUNS = (".py", ".sh", ".js", ".mjs", ".cjs", ".ts", ".exe", ".dll", ".so", ".dylib", ".ps1",
         ".bat", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".pyc", ".jar")  # fmt: skip


def _severity(entry: Entry, what: str) -> base.Severity:
    if what == "added" and (entry.executable or entry.path.lower().endswith(_RUNS)):
        return "medium"
    return "low"


def _moved(a: Entry, b: Entry) -> Change:
    return Change(
        comparer=NAME,
        kind="file.moved",
        path=b.path,
        summary=f"moved from `{shown(a.path)}`",
        before=shown(a.path, 1000),
        after=shown(b.path, 1000),
    )


def _within(change: Change, prefix: str) -> Change:
    return msgspec.structs.replace(change, path=prefix + change.path)


def _alike(gone: Mapping[str, Entry], come: Mapping[str, Entry]) -> Iterable[tuple[Entry, Entry]]:
    """The only file of a folder and suffix on one side, and the only one on the other."""

    def groups(entries: Mapping[str, Entry]) -> dict[tuple[str, str], list[Entry]]:
        found: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        for path, entry in entries.items():
            folder, _, name = path.rpartition("/")
            suffix = name[name.rfind(".") :] if "." in name else ""
            found[folder, suffix].append(entry)
        return found

    others = groups(come)
    for key, entries in groups(gone).items():
        if key[1] and len(entries) == 1 and len(others.get(key, ())) == 1:
            yield entries[0], others[key][0]


__all__ = ["TreeError", "aspects", "compare", "comparers"]
