"""What belongs to an artifact: the children of an index, and what refers to any of them."""

import re
from collections.abc import Iterator

import msgspec

from remit.artifacts.errors import ArtifactError, ManifestError
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.manifest import INDEXES, MANIFESTS, Descriptor
from remit.artifacts.transfer.ports import Source
from remit.core.digest import Digest

MAX_MANIFESTS = 20_000
MAX_BYTES = 128 * 1024 * 1024
MAX_DEPTH = 8
_PLATFORM = re.compile(r"[a-z0-9]{1,32}(?:/[a-z0-9_]{1,32}){1,2}")


class Tree(msgspec.Struct, kw_only=True):
    """Manifests of an artifact in the order in which they are stored: children first.

    Attributes:
        root: the one that was asked for.
        nodes: it and its children; it is the last.
        referrers: what refers to them, each after its subject.
    """

    root: Fetched
    nodes: list[Fetched] = []
    referrers: list[Fetched] = []

    def blobs(self) -> Iterator[tuple[Fetched, Descriptor]]:
        """Each blob once, with a manifest that names it."""
        sizes: dict[Digest, int] = {}
        for node in (*self.nodes, *self.referrers):
            for blob in node.manifest.blobs:
                if blob.digest not in sizes:
                    sizes[blob.digest] = blob.size
                    yield node, blob
                elif sizes[blob.digest] != blob.size:
                    raise ManifestError(f"`{blob.digest}` is said to have two sizes")


class _Walk:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[Digest] = set()
        self._bytes = 0

    async def down(self, node: Fetched, nodes: list[Fetched], depth: int = 0) -> None:
        """Add ``node`` behind its children."""
        if node.descriptor.digest in self._seen:
            return
        self._take(node)
        if depth > MAX_DEPTH:
            raise ManifestError(f"indexes are nested deeper than {MAX_DEPTH}")
        for child in node.manifest.manifests:
            if child.foreign or child.digest in self._seen:
                continue
            if child.media_type not in MANIFESTS | INDEXES:
                raise ManifestError(f"the index holds `{child.media_type[:80]}`, no manifest")
            await self.down(await self._source.child(child), nodes, depth + 1)
        nodes.append(node)

    async def referrers(self, nodes: list[Fetched]) -> list[Fetched]:
        """What refers to ``nodes``, and to what refers to them."""
        found: list[Fetched] = []
        left = list(nodes)
        while left:
            node = left.pop(0)
            for each in await self._source.referrers(node.descriptor.digest):
                if each.digest in self._seen:
                    continue
                below: list[Fetched] = []
                fetched = await self._source.child(each)
                subject = fetched.manifest.subject
                if subject is None or subject.digest != node.descriptor.digest:
                    continue  # a list may say so, the manifest decides
                await self.down(fetched, below, 1)
                found += below
                left += below
        return found

    def _take(self, node: Fetched) -> None:
        self._seen.add(node.descriptor.digest)
        self._bytes += len(node.data)
        if len(self._seen) > MAX_MANIFESTS or self._bytes > MAX_BYTES:
            raise ManifestError(
                f"more than {MAX_MANIFESTS} manifests or {MAX_BYTES} bytes of them belong to it"
            )


async def plan(source: Source, root: Fetched, *, referrers: bool = False) -> Tree:
    """Find what belongs to ``root``.

    Raises:
        ManifestError: too much, or nested too deeply.
        ArtifactError: something of it cannot be had.
    """
    tree = Tree(root=root)
    walk = _Walk(source)
    await walk.down(root, tree.nodes)
    if referrers:
        tree.referrers = await walk.referrers(tree.nodes)
    return tree


async def for_platform(source: Source, root: Fetched, platform: str) -> Fetched:
    """The manifest of an index that is for ``platform``; ``root`` itself if it is no index.

    Args:
        source: where its children are.
        root: what was asked for.
        platform: ``OS/ARCHITECTURE[/VARIANT]``, as in ``linux/arm64``.

    Raises:
        ArtifactError: malformed, or none is for it.
    """
    if _PLATFORM.fullmatch(platform) is None:
        raise ArtifactError(
            f"`{platform[:80]}` is not a platform", hint="for example linux/amd64 or linux/arm/v7"
        )
    if root.manifest.media_type not in INDEXES:
        return root
    system, architecture, *variant = platform.split("/")
    for child in root.manifest.manifests:
        has = child.platform
        if has.get("os") != system or has.get("architecture") != architecture:
            continue
        if not variant or has.get("variant") == variant[0]:
            return await for_platform(source, await source.child(child), platform)
    there = sorted(
        {
            f"{each.platform['os']}/{each.platform.get('architecture')}"
            for each in root.manifest.manifests
            if isinstance(each.platform.get("os"), str)
        }
    )
    raise ArtifactError(
        f"nothing of it is for `{platform}`",
        hint=f"it has {', '.join(there)[:300]}" if there else "it does not say any platform",
    )
