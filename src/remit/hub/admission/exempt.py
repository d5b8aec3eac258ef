"""Which manifests are evidence about others, and so may be pulled while these may not.

All of these hold, and each is looked at, not believed:

1. It has a subject, or is pushed under a tag of cosign's old scheme (``sha256-<hex>.sig``).
2. Its config is OCI's empty one, or an image config that is JSON.
3. It has a layer; each is of a type in :data:`TYPES` and of :data:`MAX_LAYER_BYTES` at most.
4. Each layer is a JSON object with the members that such evidence has. So nothing that a loader
   would run gets out under the name of a signature.

Not checked here: whether anybody should believe the evidence.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from remit.artifacts.modelkit import IMAGE_CONFIGS
from remit.artifacts.oci.manifest import EMPTY, Descriptor, Manifest
from remit.core.strictjson import StrictJsonError, parse

MAX_LAYERS = 64
MAX_LAYER_BYTES = 24 * 1024 * 1024
MAX_CONFIG_BYTES = 1024 * 1024
BUNDLES = re.compile(
    r"application/vnd\.dev\.sigstore\.bundle(?:\.v0\.[1-9]\+json|\+json;version=0\.[1-9])"
)
_DSSE = frozenset({"payload", "payloadType", "signatures"})
TYPES: dict[str, frozenset[str]] = {
    "application/vnd.dsse.envelope.v1+json": _DSSE,
    "application/vnd.dev.cosign.simplesigning.v1+json": frozenset({"critical"}),
    "application/vnd.in-toto+json": frozenset({"_type", "subject"}),
}
"""Media types of evidence besides bundles, and the members that their objects have."""
_EMPTY_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
_BUNDLE = frozenset({"mediaType", "verificationMaterial"})
_TAG = re.compile(r"(?:sha256|sha512)-[0-9a-f]{64,128}\.(?:sig|att)")

Reads = Callable[[Descriptor, int], Awaitable[bytes | None]]
"""Reads a blob of the manifest's repository; ``None`` if it is not there or larger."""


def legacy_tag(tag: str) -> bool:
    """Whether cosign names signatures and attestations of something so."""
    return _TAG.fullmatch(tag) is not None


async def is_evidence(manifest: Manifest, reads: Reads) -> bool:
    """Whether rules 2 to 4 hold of a manifest.

    Args:
        manifest: to be stored.
        reads: gives its blobs.
    """
    config = manifest.config
    if config is None or not 0 < len(manifest.layers) <= MAX_LAYERS:
        return False
    if any(_members(each) is None or each.urls for each in manifest.layers):
        return False
    if any(each.size > MAX_LAYER_BYTES for each in manifest.layers):
        return False
    if config.urls or any(each.data for each in (config, *manifest.layers)):
        return False
    if config.media_type == EMPTY:
        if config.digest != _EMPTY_DIGEST:
            return False
    elif config.media_type not in IMAGE_CONFIGS or (
        _object(await reads(config, MAX_CONFIG_BYTES), MAX_CONFIG_BYTES) is None
    ):
        return False
    for layer in manifest.layers:
        found = _object(await reads(layer, MAX_LAYER_BYTES), MAX_LAYER_BYTES)
        needed = _members(layer)
        if found is None or needed is None or not needed <= set(found):
            return False
    return True


def _members(layer: Descriptor) -> frozenset[str] | None:
    if BUNDLES.fullmatch(layer.media_type):
        return _BUNDLE
    return TYPES.get(layer.media_type)


def _object(data: bytes | None, limit: int) -> dict[str, Any] | None:
    if data is None:
        return None
    try:
        found = parse(data, fold_keys=False, max_bytes=limit)
    except StrictJsonError:
        return None
    return found if isinstance(found, dict) else None
