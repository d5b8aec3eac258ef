"""Attestations as OCI referrers: a Sigstore bundle in an artifact of its own, about another.

The layout is that of cosign 3: one layer with the bundle, the empty config, the subject, and
annotations that say what the statement is about. Annotations are not signed: they serve to find it.
"""

import datetime as dt
from collections.abc import AsyncIterator, Sequence

import msgspec

from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.digests import EMPTY_DIGEST, EMPTY_SIZE, digest_of
from remit.artifacts.oci.manifest import EMPTY, MANIFEST, Descriptor, parse_manifest
from remit.artifacts.transfer.ports import Target
from remit.attest.bundle import MEDIA_TYPE
from remit.core.digest import Digest

CONTENT = "dev.sigstore.bundle.content"
PREDICATE = "dev.sigstore.bundle.predicateType"
CREATED = "org.opencontainers.image.created"


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle, and the manifest that makes it a referrer."""

    bundle: bytes
    manifest: Fetched


def attestation(
    bundle: bytes, subject: Descriptor, predicate_type: str, created_us: int
) -> Attestation:
    """The referrer that carries ``bundle``.

    Args:
        bundle: a Sigstore bundle v0.3.
        subject: the manifest that its statement is about.
        predicate_type: of the statement.
        created_us: microseconds since the Unix epoch.
    """
    created = dt.datetime.fromtimestamp(created_us // 1_000_000, dt.UTC)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": {"mediaType": EMPTY, "digest": EMPTY_DIGEST, "size": EMPTY_SIZE},
        "layers": [{"mediaType": MEDIA_TYPE, "digest": digest_of(bundle), "size": len(bundle)}],
        "subject": {
            "mediaType": subject.media_type,
            "digest": subject.digest,
            "size": subject.size,
        },
        "annotations": {
            CONTENT: "dsse-envelope",
            PREDICATE: predicate_type,
            CREATED: f"{created:%Y-%m-%dT%H:%M:%SZ}",
        },
    }
    data = msgspec.json.encode(document)
    return Attestation(
        bundle=bundle,
        manifest=Fetched(
            descriptor=Descriptor(
                media_type=MANIFEST,
                digest=digest_of(data),
                size=len(data),
                artifact_type=MEDIA_TYPE,
            ),
            manifest=parse_manifest(data),
            data=data,
        ),
    )


async def attach(found: Attestation, target: Target) -> Descriptor:
    """Put an attestation where its subject is; its descriptor.

    Raises:
        ArtifactError: the target does not take it.
    """
    manifest = found.manifest.manifest
    assert manifest.config is not None
    blobs = {manifest.config.digest: b"{}", manifest.layers[0].digest: found.bundle}
    source = _Held(blobs)
    for each in (manifest.config, *manifest.layers):
        await target.put_blob(each, source, lambda _: None)
    await target.put_manifest(found.manifest)
    return found.manifest.descriptor


class _Held:
    """A few bytes as the source of a transfer."""

    def __init__(self, blobs: dict[Digest, bytes]) -> None:
        self._blobs = blobs

    async def fetch(self, name: str) -> Fetched:
        """There is no manifest here."""
        raise NotImplementedError(name)

    async def child(self, descriptor: Descriptor) -> Fetched:
        """There is no manifest here."""
        raise NotImplementedError(descriptor.digest)

    async def read(self, descriptor: Descriptor, offset: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a blob."""
        yield self._blobs[descriptor.digest][offset : offset + length]

    async def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """None are known."""
        del subject
        return ()

    def repositories(self, host: str, digest: Digest) -> Sequence[str]:
        """In no registry."""
        del host, digest
        return ()
