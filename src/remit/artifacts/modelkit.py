"""ModelKits, ModelPacks and other OCI artifacts: what a manifest holds, and how we write one.

Written is the ModelKit form of generation 2 (KitOps 2026) or 1, which every ``kit`` reads: layers
of the types that KitOps defines and no others, exactly one entry of the config for each, the kind
in an annotation of the manifest. Read are both generations, ModelPack (the media types of its
specification and those that some versions of ``kit`` use instead), container images, and artifacts
of whatever type, whose layers have a title.
"""

import re
from typing import Literal

import msgspec

from remit.artifacts.decompress import Compression
from remit.artifacts.errors import ManifestError
from remit.artifacts.kitfile import Entry, Kitfile, Section
from remit.artifacts.kitread import MAX_CONFIG_BYTES, parse_config
from remit.artifacts.oci.manifest import MANIFEST, Descriptor, Manifest
from remit.core.strictjson import StrictJsonError, parse

ARTIFACT_TYPE = "application/vnd.kitops.modelkit.manifest.v1+json"
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
PACK_ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
PACK_CONFIG = "application/vnd.cncf.model.config.v1+json"
IMAGE_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
KIND = "example.remit.artifact.kind"
"""Annotation of a manifest: which of :data:`~remit.artifacts.kinds.base.KINDS` it is."""
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"
FILE_PATH = "org.cncf.model.filepath"
SUBTYPE = "ml.kitops.modelkit.layer-subtype"
PACK_KITFILE = "ml.kitops.modelkit.kitfile"

Form = Literal["modelkit", "modelpack", "image", "artifact", "index"]
Generation = Literal[1, 2]

_KIT_LAYER = re.compile(
    r"application/vnd\.kitops\.modelkit\.(model|modelpart|code|dataset|docs|mcpb)\.v1\."
    r"(tar|raw)(?:\+(gzip|zstd))?"
)
_PACK_LAYER = re.compile(
    r"application/vnd\.cncf\.model\."
    r"(weight\.config|weight|doc|code|dataset|model|modelpart|docs)\.v1\.(tar|raw)(?:\+(gzip|zstd))?"
)
_OTHER_TAR = re.compile(r"application/(?:.+\.)?(?:tar|x-tar)(?:[+.-](gzip|zstd))?|application/gzip")
_COMPRESSIONS: dict[str | None, Compression] = {None: "", "gzip": "gzip", "zstd": "zstd"}
_SECTIONS: dict[str, Section] = {
    "model": "model",
    "modelpart": "modelpart",
    "code": "code",
    "dataset": "dataset",
    "docs": "docs",
    "mcpb": "mcpserver",
    "weight": "model",
    "weight.config": "modelpart",
    "doc": "docs",
}


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer, and what it is.

    Attributes:
        descriptor: of the manifest.
        section: of a ModelKit; empty if the layer is of no known kind.
        archive: whether it is a tar archive; else it is one file.
        compression: of the layer.
        entry: what the config says of it, if it says anything.
        path: where a single file belongs; empty for an archive, whose entries have names.
    """

    descriptor: Descriptor
    section: Section | Literal[""] = ""
    archive: bool = True
    compression: Compression = ""
    entry: Entry | None = None
    path: str = ""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest describes.

    Attributes:
        form: in which specification's form it is.
        kind: the kind that it was packed as, ``image``, or empty if it does not say.
        kitfile: what is in it; empty for other forms than ModelKit and ModelPack.
        layers: in order.
        generation: of a ModelKit.
    """

    form: Form
    kind: str = ""
    kitfile: Kitfile = Kitfile()
    layers: tuple[Layer, ...] = ()
    generation: int = 0


# -- writing -----------------------------------------------------------------------------------


def layer_type(section: Section, *, gzip: bool = False) -> str:
    """The media type of a new layer. Prompts are ``code``, with an annotation."""
    if section == "mcpserver":
        return "application/vnd.kitops.modelkit.mcpb.v1.raw"
    name = "code" if section == "prompt" else section
    return f"application/vnd.kitops.modelkit.{name}.v1.tar{'+gzip' if gzip else ''}"


def manifest_bytes(
    config: Descriptor,
    layers: tuple[Descriptor, ...],
    annotations: dict[str, str],
    *,
    generation: Generation = 2,
) -> bytes:
    """A manifest, with its members in the order of the image specification.

    Args:
        config: of type :data:`CONFIG`.
        layers: as many as the config has entries with layers.
        annotations: of the manifest, sorted here.
        generation: 1 has neither types in the manifest nor annotations of layers.
    """
    typed = {"mediaType": MANIFEST, "artifactType": ARTIFACT_TYPE} if generation > 1 else {}
    if generation == 1:
        layers = tuple(msgspec.structs.replace(each, annotations={}) for each in layers)
    document = {
        "schemaVersion": 2,
        **typed,
        "config": config,
        "layers": layers,
        "annotations": dict(sorted(annotations.items())),
    }
    return msgspec.json.encode(document)


# -- reading -----------------------------------------------------------------------------------


def form_of(manifest: Manifest) -> Form:
    """In which form an artifact is; a ModelKit before a ModelPack, as ``kit`` looks."""
    if manifest.config is None:
        return "index"
    types = {manifest.artifact_type, manifest.config.media_type}
    if ARTIFACT_TYPE in types or CONFIG in types:
        return "modelkit"
    if PACK_ARTIFACT_TYPE in types or PACK_CONFIG in types:
        return "modelpack"
    return "image" if manifest.config.media_type in IMAGE_CONFIGS else "artifact"


def read_artifact(manifest: Manifest, config: bytes) -> Artifact:
    """What ``manifest`` holds.

    Args:
        manifest: as it was parsed.
        config: the bytes of its config; they are read for ModelKits and ModelPacks only.

    Raises:
        ManifestError: the layers and the entries of the config do not fit together.
        DefinitionError: the config is malformed.
    """
    form = form_of(manifest)
    if form == "index":
        return Artifact(form=form)
    if form == "modelkit":
        kitfile = parse_config(config)
        return Artifact(
            form=form,
            kind=manifest.annotations.get(KIND, ""),
            kitfile=kitfile,
            layers=_kit_layers(manifest, kitfile),
            generation=2 if manifest.artifact_type else 1,
        )
    if form == "modelpack":
        return _modelpack(manifest, config)
    kind = "image" if form == "image" else manifest.annotations.get(KIND, "")
    return Artifact(form=form, kind=kind, layers=tuple(map(_other_layer, manifest.layers)))


def _kit_layers(manifest: Manifest, kitfile: Kitfile) -> tuple[Layer, ...]:
    """Each layer with its entry: the one with its digest, else the next of its section."""
    known = {each.digest: each for each in kitfile.entries if each.digest}
    waiting: dict[Section, list[Entry]] = {}
    for each in kitfile.entries:
        if each.layered:
            waiting.setdefault(each.section, []).append(each)
    found = []
    for at, descriptor in enumerate(manifest.layers):
        layer = kit_layer(descriptor)
        if not layer.section:
            raise ManifestError(
                f"`layers[{at}]` is `{descriptor.media_type[:100]}`, no layer of a ModelKit"
            )
        queue = waiting.get(layer.section, [])
        entry = known.get(descriptor.digest)
        if entry is None or entry not in queue:
            entry = queue[0] if queue else None
        if entry is None:
            raise ManifestError(f"`layers[{at}]` has no entry in the config")
        queue.remove(entry)
        if entry.digest and entry.digest != descriptor.digest:
            raise ManifestError(f"`layers[{at}]` has another digest than its entry in the config")
        path = "" if layer.archive else entry.path
        found.append(msgspec.structs.replace(layer, entry=entry, path=path))
    left = [each for queue in waiting.values() for each in queue]
    if left:
        raise ManifestError(f"an entry `{left[0].section}` of the config has no layer")
    return tuple(found)


def kit_layer(descriptor: Descriptor) -> Layer:
    """What a layer of a ModelKit is by its media type; no section if it is none."""
    matched = _KIT_LAYER.fullmatch(descriptor.media_type)
    if matched is None:
        return Layer(descriptor=descriptor)
    name, form, compression = matched.groups()
    section = _SECTIONS[name]
    if section == "code" and descriptor.annotations.get(SUBTYPE) == "prompt":
        section = "prompt"
    return Layer(
        descriptor=descriptor,
        section=section,
        archive=form == "tar",
        compression=_COMPRESSIONS[compression],
    )


def _modelpack(manifest: Manifest, config: bytes) -> Artifact:
    found = []
    for at, descriptor in enumerate(manifest.layers):
        matched = _PACK_LAYER.fullmatch(descriptor.media_type)
        if matched is None:
            raise ManifestError(
                f"`layers[{at}]` is `{descriptor.media_type[:100]}`, no layer of a ModelPack"
            )
        name, form, compression = matched.groups()
        path = descriptor.annotations.get(FILE_PATH, "")
        if form == "raw" and not path:
            raise ManifestError(f"`layers[{at}]` is a single file without `{FILE_PATH}`")
        entry = Entry(section=_SECTIONS[name], path=path, digest=descriptor.digest)
        found.append(
            Layer(
                descriptor=descriptor,
                section=entry.section,
                archive=form == "tar",
                compression=_COMPRESSIONS[compression],
                entry=entry,
                path="" if form == "tar" else path,
            )
        )
    kitfile = _pack_kitfile(config, tuple(each.entry for each in found if each.entry))
    return Artifact(
        form="modelpack",
        kind=manifest.annotations.get(KIND, "") or "model",
        kitfile=kitfile,
        layers=tuple(
            msgspec.structs.replace(layer, entry=entry)
            for layer, entry in zip(found, kitfile.entries, strict=True)
        ),
    )


def _pack_kitfile(config: bytes, entries: tuple[Entry, ...]) -> Kitfile:
    """What a ModelPack's config says in the terms of a Kitfile, with the diff ids of its layers."""
    try:
        value = parse(config, fold_keys=False, max_bytes=MAX_CONFIG_BYTES)
    except StrictJsonError as error:
        raise ManifestError(
            f"the config of the ModelPack cannot be read: {error.message}"
        ) from error
    if not isinstance(value, dict):
        raise ManifestError("the config of the ModelPack is no object")

    def part(name: str) -> dict[str, object]:
        found = value.get(name)
        return found if isinstance(found, dict) else {}

    def texts(found: object) -> tuple[str, ...]:
        return tuple(map(str, found)) if isinstance(found, list) else ()

    described, files = part("descriptor"), part("modelfs")
    diff_ids = texts(files.get("diffIds")) or texts(files.get("diff_ids"))
    if diff_ids and len(diff_ids) != len(entries):
        raise ManifestError("the config of the ModelPack has not one diff id for each layer")
    if diff_ids:
        entries = tuple(
            msgspec.structs.replace(entry, diff_id=diff_id)
            for entry, diff_id in zip(entries, diff_ids, strict=True)
        )
    return Kitfile(
        name=str(described.get("name") or ""),
        version=str(described.get("version") or ""),
        description=str(described.get("description") or ""),
        license=" AND ".join(texts(described.get("licenses"))),
        authors=texts(described.get("authors")),
        entries=entries,
    )


def _other_layer(descriptor: Descriptor) -> Layer:
    """A layer of an image or of an artifact of another type: an archive by its media type."""
    title = descriptor.annotations.get(TITLE, "")
    matched = _OTHER_TAR.fullmatch(descriptor.media_type)
    if matched is None or title:
        return Layer(descriptor=descriptor, archive=False, path=title)
    compression: Compression = (
        "zstd" if matched[1] == "zstd" else "gzip" if "gzip" in descriptor.media_type else ""
    )
    return Layer(descriptor=descriptor, compression=compression)
