"""A repository of a registry as an end of a transfer."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from remit.artifacts.oci.client import Fetched, Repository
from remit.artifacts.oci.errors import DeniedError
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.referral import refer, settle
from remit.artifacts.oci.referrers import referrer
from remit.artifacts.oci.uploads import CHUNK_BYTES, Outcome, Upload
from remit.artifacts.transfer.memory import Uploads
from remit.artifacts.transfer.ports import Source
from remit.core.digest import Digest


class RegistrySource:
    """A repository to copy from.

    Args:
        repository: the repository.
        host: of its registry, as it stands in references.
    """

    def __init__(self, repository: Repository, host: str) -> None:
        self.repository = repository
        self.host = host

    async def fetch(self, name: str) -> Fetched:
        """A manifest by its tag or digest."""
        return await self.repository.manifest(name)

    async def child(self, descriptor: Descriptor) -> Fetched:
        """A manifest that another names."""
        return await self.repository.manifest(descriptor.digest, descriptor.size)

    def read(self, descriptor: Descriptor, offset: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a blob."""
        return self.repository.read_blob(descriptor, offset, length)

    async def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """What refers to ``subject``."""
        return await self.repository.referrers(subject)

    def repositories(self, host: str, digest: Digest) -> Sequence[str]:
        """This one, if the blob goes to the same registry."""
        del digest
        return (self.repository.name,) if host == self.host else ()


class RegistryTarget:
    """A repository to copy to.

    Args:
        repository: the repository.
        host: of its registry, as it stands in references.
        uploads: memory of uploads of earlier processes.
        chunk: bytes of a chunk of a large blob.
    """

    def __init__(
        self,
        repository: Repository,
        host: str,
        uploads: Uploads | None = None,
        chunk: int = CHUNK_BYTES,
    ) -> None:
        self.repository = repository
        repository.writes = True
        self.host = host
        self._uploads = uploads
        self._chunk = chunk
        self._referred: list[tuple[Digest, Descriptor]] = []

    async def has_manifest(self, descriptor: Descriptor) -> bool:
        """Whether it is there: a registry takes no manifest without its blobs."""
        try:
            found = await self.repository.head_manifest(descriptor.digest)
        except DeniedError:
            return False  # an answer to HEAD has no reason; that to what follows will
        return found is not None and found.digest == descriptor.digest

    async def put_blob(
        self, descriptor: Descriptor, source: Source, moved: Callable[[int], None]
    ) -> Outcome:
        """Send a blob, unless it is there or can be mounted; the registry verifies it."""
        origin = str(self.repository.session.origin)
        mounts = [
            each
            for each in source.repositories(self.host, descriptor.digest)
            if each != self.repository.name
        ]
        with contextlib.ExitStack() as stack:
            slot = None
            if self._uploads is not None and descriptor.size > self._chunk:
                slot = stack.enter_context(
                    self._uploads.slot(origin, self.repository.name, descriptor.digest)
                )
            upload = Upload(
                repository=self.repository,
                descriptor=descriptor,
                reader=lambda offset, length: source.read(descriptor, offset, length),
                mounts=mounts,
                slot=slot,
                moved=moved,
                chunk=self._chunk,
            )
            return await upload.run()

    async def put_manifest(self, fetched: Fetched, name: str = "") -> None:
        """Store a manifest; one that refers to another is made found there."""
        descriptor, manifest = fetched.descriptor, fetched.manifest
        noted = await self.repository.put_manifest(
            name or descriptor.digest, descriptor.media_type, fetched.data
        )
        subject = manifest.subject
        if subject is not None and noted != subject.digest:
            listed = referrer(manifest, descriptor.digest, descriptor.size)
            await refer(self.repository, subject.digest, listed)
            self._referred.append((subject.digest, listed))

    async def settle(self) -> None:
        """See that the lists of referrers that were changed stay so."""
        await settle(self.repository, self._referred)
