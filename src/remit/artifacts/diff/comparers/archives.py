"""ZIP archives, by what is in them: MCPB bundles, packages, NumPy's .npz, checkpoints."""

from collections.abc import Iterator

from remit.artifacts.diff.base import Change, Pair, Work
from remit.artifacts.diff.zipped import ZipTree

NAME = "archives"
_MAGIC = b"PK\x03\x04"


class ArchiveComparer:
    """Members are files of their own; equal members packed otherwise are equal."""

    name = NAME
    order = 300

    def takes(self, pair: Pair) -> bool:
        """Both begin as an archive that is not empty."""
        return all(head.startswith(_MAGIC) for head in pair.heads)

    def compare(self, pair: Pair, work: Work) -> Iterator[Change]:
        """Compare member by member."""
        with pair.a.open() as a, pair.b.open() as b:
            left = ZipTree(a, pair.a.size, pair.a.path)
            right = ZipTree(b, pair.b.size, pair.b.path)
            yield from work.nested(pair.path, left, right)


COMPARER = ArchiveComparer()
