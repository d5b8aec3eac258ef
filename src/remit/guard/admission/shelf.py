"""Artifacts of this machine: what a digest names in the store, and who vouches for it."""

import os
from pathlib import Path

import msgspec

from remit.artifacts.attestations import Attestation, stored_attestations
from remit.artifacts.kinds.stored import stored_kind
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.local import find, read
from remit.artifacts.modelkit import Artifact
from remit.artifacts.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, parse_manifest
from remit.artifacts.oci.names import Reference
from remit.core.digest import Digest
from remit.core.paths import user_state


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact in the store; nobody's word about it is verified yet.

    Attributes:
        layout: the store.
        descriptor: of its manifest, whose bytes have that digest.
        artifact: what it is.
        kind: of :data:`remit.artifacts.kinds.stored.STORED_KINDS`.
        attestations: everything that refers to it.
    """

    layout: Layout
    descriptor: Descriptor
    artifact: Artifact
    kind: str
    attestations: tuple[Attestation, ...]


def store_path(configured: Path | None) -> Path:
    """Where artifacts are: as configured, or the user's store."""
    return configured or user_state(os.environ) / "artifacts"


def look(root: Path, reference: Reference) -> Held:
    """What has the digest of ``reference``.

    Raises:
        LayoutError: there is no store, or it does not have it.
        DigestError: the store holds something else under its digest.
        ManifestError, DefinitionError: it is malformed.
    """
    layout = Layout.open(root)
    # By its digest it is found without the list of names, which may be long.
    descriptor = (
        _described(layout, reference.digest) if reference.digest else find(layout, reference)
    )
    manifest, artifact = read(layout, descriptor)
    for layer in artifact.layers:
        if not layout.has(layer.descriptor.digest):
            raise LayoutError(
                f"`{layer.descriptor.digest}` is not in the store `{layout.root}`",
                hint="`remit pull` fetches what is missing",
            )
    return Held(
        layout=layout,
        descriptor=descriptor,
        artifact=artifact,
        kind=stored_kind(manifest, artifact.kitfile),
        attestations=tuple(stored_attestations(layout, descriptor.digest)),
    )


def _described(layout: Layout, digest: Digest) -> Descriptor:
    data = layout.read(digest, limit=MAX_MANIFEST_BYTES)
    manifest = parse_manifest(data)
    return Descriptor(media_type=manifest.media_type, digest=digest, size=len(data))


def repository_of(reference: Reference) -> str:
    """``HOST/NAME`` of a reference, or its name in this machine's store."""
    return f"{reference.host}/{reference.repository}" if reference.host else reference.repository
