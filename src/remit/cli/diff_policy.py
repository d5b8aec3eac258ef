"""Policy bundles in ``remit diff``: ``policy`` knows their meaning, ``artifacts`` their files."""

from collections.abc import Iterator

import msgspec

from remit.artifacts.diff.base import Change, Work
from remit.artifacts.diff.comparers.text import text_changes
from remit.artifacts.diff.structure import short
from remit.artifacts.diff.text import read_bytes, shown
from remit.artifacts.diff.tree import Tree

_MARK = "bundle.toml"
MAX_BUNDLES = 100


class PolicyAspect:
    """Bundles are where both trees have a ``bundle.toml``."""

    name = "policies"

    def claims(self, a: Tree, b: Tree) -> frozenset[str]:
        """The files that :func:`remit.policy.difference.reads` names."""
        return frozenset(
            folder + path
            for folder in _folders(a, b)
            for tree in (a, b)
            for path in _paths(tree, folder)
        )

    def compare(self, a: Tree, b: Tree, work: Work) -> Iterator[Change]:
        """Bundle by bundle."""
        from remit.policy.difference import compare_bundles

        for folder in _folders(a, b)[:MAX_BUNDLES]:
            changes, problems = compare_bundles(_files(a, folder), _files(b, folder))
            for problem in problems:
                work.unread(folder + problem.file, shown(problem.message, 300))
            for change in changes:
                like = Change(
                    comparer=self.name,
                    kind=change.kind,
                    path=folder + change.file,
                    subject=shown(change.subject),
                    severity=change.severity,
                    summary=change.summary,
                    before=short(change.before),
                    after=short(change.after),
                )
                if change.text is None:
                    yield like
                    continue
                for each in text_changes(like, *change.text):
                    same = each.kind == like.kind
                    yield msgspec.structs.replace(each, summary=like.summary) if same else each


def _folders(a: Tree, b: Tree) -> list[str]:
    """Where bundles are, each with ``/`` at its end, or empty for the root."""
    both = a.entries().keys() & b.entries().keys()
    return sorted(
        path.removesuffix(_MARK) for path in both if path == _MARK or path.endswith(f"/{_MARK}")
    )


def _paths(tree: Tree, folder: str) -> list[str]:
    from remit.policy.difference import reads

    below = (p.removeprefix(folder) for p in tree.entries() if p.startswith(folder))
    return [path for path in below if reads(path)]


def _files(tree: Tree, folder: str) -> dict[str, bytes]:
    from remit.policy.bundle import MAX_FILE_BYTES

    entries = tree.entries()
    return {
        path: read_bytes(entries[folder + path], MAX_FILE_BYTES)
        for path in _paths(tree, folder)
        if entries[folder + path].kind == "file"
    }
