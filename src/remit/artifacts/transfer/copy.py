"""Moving an artifact from one end to the other.

Blobs first, several at a time; then manifests, children before parents; then what refers to them;
the name last, when all that it stands for is there.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.uploads import Outcome
from remit.artifacts.transfer.ports import Each, Source, Target, Watcher
from remit.artifacts.transfer.tree import for_platform, plan
from remit.core.digest import Digest

PARALLEL = 4


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A blob, and how it came to be there."""

    digest: Digest
    size: int
    media_type: str
    outcome: Outcome


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """What was moved.

    Attributes:
        descriptor: of the artifact.
        blobs: in the order of the manifests.
        manifests: how many, without those that refer to them.
        referrers: how many manifests that refer to them.
    """

    descriptor: Descriptor
    blobs: tuple[Moved, ...]
    manifests: int
    referrers: int

    @property
    def bytes_moved(self) -> int:
        """Size of the blobs that were not there before."""
        return sum(each.size for each in self.blobs if each.outcome in {"sent", "resumed"})


class Transfer(msgspec.Struct, kw_only=True):
    """How artifacts are moved.

    Attributes:
        source: from where.
        target: to where.
        each: does several works at a time.
        watcher: is told how it goes.
        parallel: blobs at a time.
        referrers: whether what refers to the artifact comes too.
        platform: the one manifest of an index that is wanted; empty for all of it.
    """

    source: Source
    target: Target
    each: Each
    watcher: Watcher
    parallel: int = PARALLEL
    referrers: bool = False
    platform: str = ""

    async def run(self, name: str, to: str = "") -> Transferred:
        """Move what is called ``name`` at the source, to be called ``to`` at the target.

        Args:
            name: tag, digest or name.
            to: its new name; empty for its digest alone.

        Raises:
            ArtifactError: it cannot be had, or cannot be stored. What was moved so far stays
                where it is and is not moved again; the name is not there.
        """
        root = await self.source.fetch(name)
        if self.platform:
            root = await for_platform(self.source, root, self.platform)
        tree = await plan(self.source, root, referrers=self.referrers)
        there = {
            node.descriptor.digest: await self.target.has_manifest(node.descriptor)
            for node in (*tree.nodes, *tree.referrers)
        }
        found = list(tree.blobs())
        outcomes: dict[Digest, Outcome] = {}
        wanted: list[Descriptor] = []
        for node, blob in found:
            if there[node.descriptor.digest]:
                outcomes[blob.digest] = "exists"
            else:
                wanted.append(blob)
        self.watcher.planned(wanted)
        await self.each((self._work(blob, outcomes) for blob in wanted), self.parallel)
        last = "" if tree.referrers else to
        for node in tree.nodes:
            await self._put(node, last if node is tree.root else "", there)
        for node in tree.referrers:
            await self._put(node, "", there)
        await self.target.settle()
        if tree.referrers and to:
            await self.target.put_manifest(tree.root, to)
        return Transferred(
            descriptor=root.descriptor,
            blobs=tuple(
                Moved(
                    digest=blob.digest,
                    size=blob.size,
                    media_type=blob.media_type,
                    outcome=outcomes[blob.digest],
                )
                for _, blob in found
            ),
            manifests=len(tree.nodes),
            referrers=len(tree.referrers),
        )

    async def _put(self, node: Fetched, name: str, there: dict[Digest, bool]) -> None:
        # A manifest with a subject is put again: the list of its referrers may lack it.
        known = there[node.descriptor.digest] and node.manifest.subject is None
        if name or not known:
            await self.target.put_manifest(node, name)

    def _work(
        self, blob: Descriptor, outcomes: dict[Digest, Outcome]
    ) -> Callable[[], Awaitable[Any]]:
        async def work() -> None:
            outcome = await self.target.put_blob(
                blob, self.source, lambda there: self.watcher.moved(blob, there)
            )
            outcomes[blob.digest] = outcome
            self.watcher.ended(blob, outcome)

        return work
