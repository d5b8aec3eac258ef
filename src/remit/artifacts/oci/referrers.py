"""Who refers to a manifest (OCI distribution-spec 1.1, "Listing Referrers").

A registry without the API keeps the same index under a tag that is made from the digest.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from remit.artifacts.oci.digests import algorithm_of, hex_of
from remit.artifacts.oci.manifest import INDEX, Descriptor, Manifest
from remit.core.digest import Digest

_MAX_ALGORITHM = 32
_MAX_HEX = 64


def fallback_tag(subject: Digest) -> str:
    """The tag under which referrers of ``subject`` are where the API is missing."""
    return f"{algorithm_of(subject)[:_MAX_ALGORITHM]}-{hex_of(subject)[:_MAX_HEX]}"


def referrer(manifest: Manifest, digest: Digest, size: int) -> Descriptor:
    """How ``manifest`` is listed among the referrers of its subject."""
    return Descriptor(
        media_type=manifest.media_type,
        digest=digest,
        size=size,
        artifact_type=manifest.kind,
        annotations=manifest.annotations,
    )


def index_bytes(found: Sequence[Descriptor] | Iterable[Descriptor]) -> bytes:
    """The index that lists ``found``."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": list(found),
    }
    return msgspec.json.encode(document)
