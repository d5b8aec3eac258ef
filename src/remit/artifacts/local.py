"""References to what is in the store of this machine."""

import msgspec

from remit.artifacts.errors import BadReferenceError
from remit.artifacts.kitread import MAX_CONFIG_BYTES
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.modelkit import Artifact, form_of, read_artifact
from remit.artifacts.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest
from remit.artifacts.oci.names import Reference
from remit.core.digest import Digest


def local_name(reference: Reference) -> str:
    """The name under which the store keeps what a reference with a tag names.

    Raises:
        BadReferenceError: it has a digest: a digest is no name that one can give.
    """
    if reference.digest:
        raise BadReferenceError(
            f"`{reference}` has a digest", hint="give a name with a tag, for example team/model:v1"
        )
    return str(msgspec.structs.replace(reference, tag=reference.tag or "latest"))


def find(layout: Layout, reference: Reference) -> Descriptor:
    """The manifest that a reference names.

    Raises:
        LayoutError: it is not in the store.
        ManifestError: what has the digest is no manifest.
    """
    if not reference.digest:
        return layout.resolve(local_name(reference))
    for descriptor in layout.names().values():
        if descriptor.digest == reference.digest:
            return descriptor
    data = layout.read(reference.digest, limit=MAX_MANIFEST_BYTES)
    manifest = parse_manifest(data)
    return Descriptor(
        media_type=manifest.media_type, digest=Digest(reference.digest), size=len(data)
    )


def read(layout: Layout, descriptor: Descriptor) -> tuple[Manifest, Artifact]:
    """The manifest and what it holds.

    Raises:
        LayoutError, ManifestError, DefinitionError: it is not there or malformed.
        DigestError: the store holds something else.
    """
    manifest, _ = layout.manifest(descriptor)
    config = b""
    if manifest.config is not None and form_of(manifest) in {"modelkit", "modelpack"}:
        if manifest.config.size > MAX_CONFIG_BYTES:
            raise LayoutError(f"the config of `{descriptor.digest}` is too large")
        config = layout.read(manifest.config.digest, limit=manifest.config.size)
    return manifest, read_artifact(manifest, config)
