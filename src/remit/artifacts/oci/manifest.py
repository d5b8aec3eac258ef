"""Manifests, indexes and descriptors (OCI image-spec 1.1; Docker's schema 2, which is the same).

What is stored and sent on are always the bytes that came; these types are a reading of them.
Unknown fields are kept in the bytes and ignored here, as the specification asks.
"""

from typing import Any

import msgspec

from remit.artifacts.errors import ManifestError
from remit.artifacts.oci.digests import is_digest
from remit.core.digest import Digest
from remit.core.strictjson import StrictJsonError, parse

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""What a registry must accept (distribution-spec, "Pushing Manifests"), and no more."""
MAX_MANIFEST_DEPTH = 32
MAX_DESCRIPTORS = 20_000

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"
INDEXES = frozenset({INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({MANIFEST, DOCKER_MANIFEST})
ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
"""What a client says that it reads."""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What describes a piece of content: its type, its digest and its size in bytes."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}
    urls: tuple[str, ...] = ()
    data: str = ""
    platform: dict[str, Any] = {}

    @property
    def foreign(self) -> bool:
        """Whether its bytes are not in the registry: they have URLs or may not be distributed."""
        return bool(self.urls) or "nondistributable" in self.media_type


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or an index.

    Attributes:
        media_type: one of :data:`MANIFESTS` or :data:`INDEXES`.
        artifact_type: what it declares itself to be; empty if it does not.
        config: of a manifest; an index has none.
        layers: of a manifest, in order.
        manifests: children of an index, in order.
        subject: what this one is about.
        annotations: of the manifest itself.
    """

    media_type: str
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """The artifact type as a referrers list shows it: its own, else that of its config."""
        return self.artifact_type or (self.config.media_type if self.config else "")

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers whose bytes a registry keeps."""
        found = (self.config, *self.layers) if self.config else self.layers
        return tuple(each for each in found if not each.foreign)


def essence(media_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ManifestError(f"`{where}` is not a text")
    return value


def _type(value: Any, where: str) -> str:
    text = _text(value, where)
    if any(each < " " for each in text):
        raise ManifestError(f"`{where}` is not a media type")
    return text


def _annotations(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ManifestError(f"`{where}` is not an object")
    return {key: _text(each, f"{where}.{key[:60]}") for key, each in value.items()}


def _descriptor(value: Any, where: str) -> Descriptor:
    if not isinstance(value, dict):
        raise ManifestError(f"`{where}` is not a descriptor")
    digest = _text(value.get("digest"), f"{where}.digest")
    if not is_digest(digest):
        raise ManifestError(f"`{where}.digest` is not a digest")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
        raise ManifestError(f"`{where}.size` is not a number of bytes")
    urls = value.get("urls") or []
    if not isinstance(urls, list):
        raise ManifestError(f"`{where}.urls` is not a list")
    platform = value.get("platform") or {}
    if not isinstance(platform, dict):
        raise ManifestError(f"`{where}.platform` is not an object")
    return Descriptor(
        media_type=_type(value.get("mediaType"), f"{where}.mediaType"),
        digest=Digest(digest),
        size=size,
        artifact_type=_type(value.get("artifactType", ""), f"{where}.artifactType"),
        annotations=_annotations(value.get("annotations"), f"{where}.annotations"),
        urls=tuple(_text(each, f"{where}.urls") for each in urls),
        data=_text(value.get("data", ""), f"{where}.data"),
        platform=platform,
    )


def _list(document: dict[str, Any], name: str) -> tuple[Descriptor, ...]:
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ManifestError(f"`{name}` is not a list")
    if len(value) > MAX_DESCRIPTORS:
        raise ManifestError(f"`{name}` has more than {MAX_DESCRIPTORS} descriptors")
    return tuple(_descriptor(each, f"{name}[{at}]") for at, each in enumerate(value))


def parse_manifest(data: bytes, content_type: str = "") -> Manifest:
    """Read a manifest or an index.

    Args:
        data: the bytes that came.
        content_type: what the sender calls them; where the document says what it is, both must
            agree, because a document that is read in two ways can be judged as one and used as
            the other.

    Raises:
        ManifestError: malformed, too large, both a manifest and an index, or not what
            ``content_type`` says.
    """
    try:
        document = parse(
            data, fold_keys=False, max_bytes=MAX_MANIFEST_BYTES, max_depth=MAX_MANIFEST_DEPTH
        )
    except StrictJsonError as error:
        raise ManifestError(f"the manifest cannot be read: {error.message}") from error
    if not isinstance(document, dict):
        raise ManifestError("the manifest is not a JSON object")
    if document.get("schemaVersion") != 2:  # noqa: PLR2004 - the only one there is
        raise ManifestError("`schemaVersion` is not 2")
    declared = _text(document.get("mediaType", ""), "mediaType")
    said = essence(content_type)
    if declared and said and declared != said:
        raise ManifestError(
            f"the manifest says that it is `{declared[:80]}`, sent as `{said[:80]}`"
        )
    media_type = declared or said or (INDEX if "manifests" in document else MANIFEST)
    if media_type not in MANIFESTS | INDEXES:
        raise ManifestError(f"`{media_type[:80]}` is no kind of manifest that this registry keeps")
    index = media_type in INDEXES
    if index and ("layers" in document or "config" in document):
        raise ManifestError("an index has neither `config` nor `layers`")
    if not index and ("manifests" in document or "config" not in document):
        raise ManifestError("a manifest has a `config` and no `manifests`")
    subject = document.get("subject")
    return Manifest(
        media_type=media_type,
        artifact_type=_type(document.get("artifactType", ""), "artifactType"),
        config=None if index else _descriptor(document["config"], "config"),
        layers=_list(document, "layers"),
        manifests=_list(document, "manifests"),
        subject=None if subject is None else _descriptor(subject, "subject"),
        annotations=_annotations(document.get("annotations"), "annotations"),
    )
