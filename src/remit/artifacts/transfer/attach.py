"""Putting a bundle beside the artifact that it is about, in a registry or a layout."""

from collections.abc import AsyncIterator, Sequence

from remit.artifacts.attestations import bundle_manifest
from remit.artifacts.layout import LayoutError
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.transfer.ports import Target
from remit.core.digest import Digest


class BytesSource:
    """Blobs in memory as an end to copy from."""

    def __init__(self, *blobs: bytes) -> None:
        self._blobs = {digest_of(each): each for each in blobs}

    async def fetch(self, name: str) -> Fetched:
        """It holds no manifest."""
        raise LayoutError(f"`{name}` is not there")

    async def child(self, descriptor: Descriptor) -> Fetched:
        """It holds no manifest."""
        raise LayoutError(f"`{descriptor.digest}` is not there")

    async def read(self, descriptor: Descriptor, offset: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a blob."""
        yield self._blobs[descriptor.digest][offset : offset + length]

    async def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """None."""
        del subject
        return ()

    def repositories(self, host: str, digest: Digest) -> Sequence[str]:
        """None."""
        del host, digest
        return ()


async def attach(
    target: Target, subject: Descriptor, bundle: bytes, predicate_type: str, created: str
) -> Descriptor:
    """Store ``bundle`` as a referrer of ``subject``: blobs first, the manifest by its digest last.

    Args:
        target: where the subject is.
        subject: the artifact, as its manifest is there.
        bundle: the signed bundle.
        predicate_type: of the statement in it.
        created: when, RFC 3339.

    Raises:
        ArtifactError: it cannot be stored; nothing refers to the subject then.
    """
    fetched = bundle_manifest(subject, bundle, predicate_type, created)
    source = BytesSource(b"{}", bundle)
    for blob in fetched.manifest.blobs:
        await target.put_blob(blob, source, lambda _: None)
    await target.put_manifest(fetched)
    await target.settle()
    return fetched.descriptor
