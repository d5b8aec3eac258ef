"""An image layout as an end of a transfer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from remit.artifacts.errors import ArtifactError, DigestError, ManifestError
from remit.artifacts.layout import CHUNK_BYTES, Layout, LayoutError
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.digests import is_digest
from remit.artifacts.oci.errors import UnreachableError
from remit.artifacts.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, parse_manifest
from remit.artifacts.oci.names import Reference
from remit.artifacts.oci.uploads import Outcome
from remit.artifacts.transfer.partial import Partial, take_up
from remit.artifacts.transfer.ports import Source
from remit.core.digest import Digest

ATTEMPTS = 5
MAX_NAMES_READ = 500


class LayoutSource:
    """A layout to copy from."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._holders: dict[str, dict[Digest, list[str]]] = {}

    async def fetch(self, name: str) -> Fetched:
        """What is called ``name``, or has it as its digest; an empty name: the only thing there.

        Raises:
            LayoutError: there is no such thing.
        """
        if is_digest(name):
            return self._fetched(self._described(Digest(name)))
        if not name:
            entries = self.layout.entries()
            if len(entries) != 1:
                raise LayoutError(
                    f"`{self.layout.root}` holds {len(entries)} artifacts",
                    hint="say which, by its tag or digest",
                )
            return self._fetched(entries[0])
        return self._fetched(self.layout.resolve(name))

    async def child(self, descriptor: Descriptor) -> Fetched:
        """A manifest that another names."""
        return self._fetched(descriptor)

    async def read(self, descriptor: Descriptor, offset: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a blob; who takes them verifies them.

        Raises:
            LayoutError: it is not there, or not as long as its descriptor says.
        """
        try:
            with self.layout.path(descriptor.digest).open("rb", buffering=0) as file:
                file.seek(offset)
                while length:
                    data = file.read(min(CHUNK_BYTES, length))
                    if not data:
                        raise LayoutError(
                            f"the file of `{descriptor.digest}` in `{self.layout.root}` is too"
                            " short",
                            hint="remove it and pull the artifact again",
                        )
                    length -= len(data)
                    yield data
        except OSError as error:
            raise LayoutError(
                f"`{descriptor.digest}` in `{self.layout.root}` cannot be read: {error.strerror}"
            ) from error

    async def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """Everything in the index of the layout that has ``subject``."""
        found: list[Descriptor] = []
        for each in self.layout.entries():
            try:
                manifest, _ = self.layout.manifest(each)
            except ArtifactError:
                continue  # of another program; what is asked for is found or not
            if manifest.subject is not None and manifest.subject.digest == subject:
                found.append(each)
        return found

    def repositories(self, host: str, digest: Digest) -> Sequence[str]:
        """Repositories of ``host`` by whose name something with this blob is kept here."""
        if host not in self._holders:
            self._holders[host] = self._holders_of(host)
        return self._holders[host].get(digest, ())

    def _holders_of(self, host: str) -> dict[Digest, list[str]]:
        found: dict[Digest, list[str]] = {}
        for name, descriptor in list(self.layout.names().items())[-MAX_NAMES_READ:]:
            try:
                reference = Reference.parse(name)
                if reference.host != host:
                    continue
                left = [self.layout.manifest(descriptor)[0]]
                while left:
                    manifest = left.pop()
                    left += [
                        self.layout.manifest(each)[0]
                        for each in manifest.manifests
                        if self.layout.has(each.digest)
                    ]
                    for blob in manifest.blobs:
                        held = found.setdefault(blob.digest, [])
                        if reference.repository not in held:
                            held.append(reference.repository)
            except ArtifactError:
                continue
        return found

    def _fetched(self, descriptor: Descriptor) -> Fetched:
        if descriptor.size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"`{descriptor.digest}` is too large for a manifest")
        manifest, data = self.layout.manifest(descriptor)
        return Fetched(
            descriptor=Descriptor(
                media_type=manifest.media_type,
                digest=descriptor.digest,
                size=len(data),
                artifact_type=manifest.artifact_type,
            ),
            manifest=manifest,
            data=data,
        )

    def _described(self, digest: Digest) -> Descriptor:
        data = self.layout.read(digest, limit=MAX_MANIFEST_BYTES)
        return Descriptor(media_type=parse_manifest(data).media_type, digest=digest, size=len(data))


class LayoutTarget:
    """A layout to copy to.

    Args:
        layout: where to.
        pause: waits before another attempt; is given how many there were.
        attempts: how often a download is taken up again without getting further.
    """

    def __init__(
        self,
        layout: Layout,
        pause: Callable[[int], Awaitable[None]] | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.layout = layout
        self._pause = pause
        self._attempts = attempts

    async def has_manifest(self, descriptor: Descriptor) -> bool:
        """Never so sure that its blobs need not be looked at: others write here too."""
        del descriptor
        return False

    async def put_blob(
        self, descriptor: Descriptor, source: Source, moved: Callable[[int], None]
    ) -> Outcome:
        """Receive a blob, from where it broke off; digest and size are verified.

        Raises:
            DigestError: it is another blob; nothing of it is kept.
            ArtifactError: it cannot be had; what arrived is kept for the next time.
        """
        if self.layout.has(descriptor.digest, descriptor.size):
            moved(descriptor.size)
            return "exists"
        with take_up(self.layout, descriptor) as partial:
            resumed = partial.size > 0
            await self._receive(partial, source, moved)
            if resumed and partial.digest != descriptor.digest:
                partial.restart()
                await self._receive(partial, source, moved)
            if partial.digest != descriptor.digest:
                arrived = partial.digest
                partial.restart()
                raise DigestError(
                    f"`{descriptor.digest}` arrived with the digest `{arrived}`",
                    hint="what was sent is not what the manifest names; nothing was kept",
                )
            self.layout.commit(partial, descriptor.digest)
        return "resumed" if resumed else "sent"

    async def put_manifest(self, fetched: Fetched, name: str = "") -> None:
        """Store a manifest; one that refers to another gets into the index of the layout."""
        self.layout.put(fetched.data, fetched.descriptor.digest)
        if name:
            self.layout.name(name, fetched.descriptor)
        elif fetched.manifest.subject is not None:
            self.layout.record(fetched.descriptor)

    async def settle(self) -> None:
        """What is stored here stays: who changes the index holds its lock."""

    async def _receive(
        self, partial: Partial, source: Source, moved: Callable[[int], None]
    ) -> None:
        size = partial.descriptor.size
        failures = 0
        while partial.size < size:
            begin = partial.size
            moved(begin)
            try:
                async for data in source.read(partial.descriptor, begin, size - begin):
                    partial.checked_write(data)
                    moved(partial.size)
            except DigestError:
                partial.restart()
                raise
            except UnreachableError:
                failures = 1 if partial.size > begin else failures + 1
                if failures >= self._attempts or self._pause is None:
                    raise
                await self._pause(failures)
