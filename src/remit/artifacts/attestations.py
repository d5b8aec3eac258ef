"""Attestations beside artifacts: Sigstore bundles as OCI referrers, as `cosign` v3 has them.

A bundle is the one layer of a manifest whose ``subject`` is the artifact. Its annotations repeat
what the bundle says and are signed by nobody: they may help to choose, never to decide.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from remit.artifacts.errors import ArtifactError, DigestError, ManifestError
from remit.artifacts.layout import Layout
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.digests import EMPTY_DIGEST, EMPTY_SIZE, algorithm_of, digest_of, hex_of
from remit.artifacts.oci.errors import NotFoundError, RegistryError
from remit.artifacts.oci.manifest import (
    EMPTY,
    MANIFEST,
    MANIFESTS,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Manifest,
    parse_manifest,
)
from remit.artifacts.subjects import referring
from remit.artifacts.transfer.ports import Source
from remit.attest.bundle import MEDIA_TYPE, dump_bundle
from remit.attest.dsse import sign
from remit.attest.ecdsa import Signer
from remit.attest.predicates.known import check
from remit.attest.statements import statement_payload
from remit.core.digest import Digest

CONTENT = "dev.sigstore.bundle.content"
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
CREATED = "org.opencontainers.image.created"
MAX_BUNDLE_BYTES = 24 * 1024 * 1024
"""Of one bundle: a statement of 16 MiB in base64, and some."""
MAX_ATTESTATIONS = 1000
MAX_TOTAL_BYTES = 256 * 1024 * 1024
_BUNDLES = "application/vnd.dev.sigstore.bundle"


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """A referrer of an artifact that says it holds a bundle; nothing of it is verified.

    Attributes:
        manifest: digest of the manifest that refers to the artifact.
        data: the bundle as it came; empty if it cannot be had.
        problem: why not.
    """

    manifest: Digest
    data: bytes = b""
    problem: ArtifactError | None = None


def make_bundle(
    name: str, subject: Digest, predicate_type: str, predicate: Mapping[str, Any], signer: Signer
) -> bytes:
    """The bundle of a statement about an artifact, signed.

    Args:
        name: ``HOST/REPOSITORY`` of the artifact, for people; may be empty.
        subject: digest of its manifest.
        predicate_type: URI.
        predicate: what is claimed; of a type that has a module, its form is checked.
        signer: whoever claims it.

    Raises:
        StatementError: the predicate has not the form of its type, or is no JSON.
        AttestError: the key cannot be used now.
    """
    check(predicate_type, predicate)
    payload = statement_payload(name, subject, predicate_type, predicate)
    return dump_bundle(sign(payload, signer), signer.public)


def bundle_manifest(
    subject: Descriptor,
    bundle: bytes,
    predicate_type: str,
    created: str,
    more: Mapping[str, str] | None = None,
) -> Fetched:
    """The manifest that makes a bundle a referrer, byte for byte as `cosign` writes it.

    Args:
        subject: the artifact.
        bundle: the bytes of the layer.
        predicate_type: of the statement in it.
        created: when, RFC 3339.
        more: annotations beside those of `cosign`.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": EMPTY,
            "size": EMPTY_SIZE,
            "digest": EMPTY_DIGEST,
            "artifactType": MEDIA_TYPE,
        },
        "layers": [{"mediaType": MEDIA_TYPE, "size": len(bundle), "digest": digest_of(bundle)}],
        "annotations": {
            CONTENT: "dsse-envelope",
            PREDICATE_TYPE: predicate_type,
            CREATED: created,
            **(more or {}),
        },
        "subject": {
            "mediaType": subject.media_type,
            "size": subject.size,
            "digest": subject.digest,
        },
        "artifactType": MEDIA_TYPE,
    }
    data = msgspec.json.encode(document)
    manifest = parse_manifest(data, MANIFEST)
    return Fetched(
        descriptor=Descriptor(
            media_type=MANIFEST, digest=digest_of(data), size=len(data), artifact_type=MEDIA_TYPE
        ),
        manifest=manifest,
        data=data,
    )


def bundle_layer(manifest: Manifest, subject: Digest) -> Descriptor | None:
    """The layer with the bundle; None if the manifest is about something else, or holds none.

    Raises:
        ManifestError: it says that it holds one, and has no layer, several, or one too large.
    """
    if manifest.subject is None or manifest.subject.digest != subject:
        return None  # a list may say so, the manifest decides
    if not manifest.kind.startswith(_BUNDLES):
        return None
    if len(manifest.layers) != 1:
        raise ManifestError("a manifest of a bundle has one layer")
    layer = manifest.layers[0]
    if layer.size > MAX_BUNDLE_BYTES:
        raise ManifestError(f"a bundle has more than {MAX_BUNDLE_BYTES} bytes")
    return layer


async def find_attestations(source: Source, subject: Digest) -> list[Attestation]:
    """All bundles that refer to ``subject`` in a registry or a layout, in the order of the list.

    One that is malformed or missing is in the list with its problem: it must not hide the others.

    Raises:
        RegistryError: the registry cannot be asked.
        ManifestError: more than :data:`MAX_ATTESTATIONS`, or :data:`MAX_TOTAL_BYTES` of them.
    """
    found: list[Attestation] = []
    total = 0
    for listed in _listed(await source.referrers(subject)):
        if len(found) >= MAX_ATTESTATIONS:
            raise _too_many(subject)
        try:
            layer = bundle_layer((await source.child(listed)).manifest, subject)
            if layer is None:
                continue
            total += layer.size
            if total > MAX_TOTAL_BYTES:
                raise _too_many(subject)
            data = await _whole(source.read(layer, 0, layer.size), layer)
            found.append(Attestation(manifest=listed.digest, data=data))
        except NotFoundError as error:
            found.append(Attestation(manifest=listed.digest, problem=error))
        except RegistryError:
            raise
        except TooManyError:
            raise
        except ArtifactError as error:
            found.append(Attestation(manifest=listed.digest, problem=error))
    return found


def stored_attestations(layout: Layout, subject: Digest) -> list[Attestation]:
    """The same for a layout, without a loop: what whoever loads an artifact offline asks.

    It takes as long as there are attestations of ``subject``, not as long as the store is large.

    Raises:
        LayoutError: the index of the layout cannot be read.
        ManifestError: too many.
    """
    found: list[Attestation] = []
    total, named = 0, hex_of(subject).encode()
    for listed in referring(layout, subject, _may_be_bundle):
        try:
            data = layout.read(listed.digest, limit=listed.size)
        except ArtifactError:
            continue  # nobody knows what it was about; what is asked for is found or not
        if named not in data:
            continue
        try:
            layer = bundle_layer(parse_manifest(data, listed.media_type), subject)
        except ArtifactError as error:
            found.append(Attestation(manifest=listed.digest, problem=error))
            continue
        if layer is None:
            continue
        total += layer.size
        if total > MAX_TOTAL_BYTES or len(found) >= MAX_ATTESTATIONS:
            raise _too_many(subject)
        try:
            data = layout.read(layer.digest, limit=layer.size)
            found.append(Attestation(manifest=listed.digest, data=data))
        except ArtifactError as error:
            found.append(Attestation(manifest=listed.digest, problem=error))
    return found


def _may_be_bundle(listed: Descriptor) -> bool:
    return (
        (not listed.artifact_type or listed.artifact_type.startswith(_BUNDLES))
        and listed.size <= MAX_MANIFEST_BYTES
        and listed.media_type in MANIFESTS
    )


class TooManyError(ManifestError):
    """More attestations than anybody reads."""

    code = "artifact.attestations"


def _listed(found: Sequence[Descriptor]) -> Sequence[Descriptor]:
    """Each once: a name in a layout lists a manifest again."""
    return list({each.digest: each for each in found}.values())


async def _whole(pieces: AsyncIterator[bytes], layer: Descriptor) -> bytes:
    data = b"".join([each async for each in pieces])
    if digest_of(data, algorithm_of(layer.digest)) != layer.digest:
        raise DigestError(f"the bundle `{layer.digest}` arrived as something else")
    return data


def _too_many(subject: str) -> TooManyError:
    return TooManyError(
        f"more attestations refer to `{subject}` than are read",
        hint=f"at most {MAX_ATTESTATIONS}, and {MAX_TOTAL_BYTES} bytes; delete those of no use",
    )
