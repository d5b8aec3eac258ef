"""Artifacts of a local layout as trees.

Every blob is verified against its digest while it is read. Layers are read where they lie; only
what a compressed layer unpacks to goes into a temporary file without a name. Nothing is unpacked
to the names that an archive gives.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from remit.artifacts.diff.tarred import PartEntry, tar_entries, unpacked
from remit.artifacts.diff.tree import CHUNK_BYTES, Entry, Metadata, Referrer, TreeError
from remit.artifacts.errors import ArtifactError, DefinitionError, ManifestError
from remit.artifacts.layout import Layout, LayoutError
from remit.artifacts.modelkit import Artifact, Layer, read_artifact
from remit.artifacts.oci.digests import algorithm_of, hasher, hex_of
from remit.artifacts.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest
from remit.artifacts.oci.names import Reference
from remit.core.digest import Digest

MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_REFERRERS = 1000
MAX_REFERRER_BYTES = 4 * 1024 * 1024
MAX_REFERRERS_BYTES = 64 * 1024 * 1024
"""Of the layers of all referrers."""


class ArtifactTree:
    """An artifact of a layout.

    Args:
        layout: where it is.
        descriptor: of its manifest.
        name: as the user calls it.
        skip: digests of layers that need not be read, because the other side has them, too.
    """

    kind: Literal["artifact"] = "artifact"

    def __init__(
        self,
        layout: Layout,
        descriptor: Descriptor,
        name: str,
        skip: frozenset[Digest] = frozenset(),
    ) -> None:
        self.name = name
        self.problems: list[tuple[str, str]] = []
        self.manifest, _ = layout.manifest(descriptor)
        if self.manifest.manifests:
            raise TreeError(
                f"`{name}` is an index of {len(self.manifest.manifests)} artifacts",
                hint=f"compare one of them, by its digest: {self.manifest.manifests[0].digest}",
            )
        self.metadata = Metadata(
            manifest=self.manifest,
            digest=descriptor.digest,
            config=_config(layout, self.manifest),
            referrers=tuple(_referrers(layout, descriptor.digest, self.problems)),
        )
        self._layout = layout
        self._skip = skip
        self._open = contextlib.ExitStack()
        self._entries: dict[str, Entry] | None = None

    def close(self) -> None:
        """Close the layers."""
        self._open.close()

    def without(self, skip: frozenset[Digest]) -> "ArtifactTree":
        """The same, but for layers that the other side has, too."""
        descriptor = Descriptor(
            media_type=self.manifest.media_type,
            digest=self.metadata.digest,
            size=MAX_MANIFEST_BYTES,
        )
        return ArtifactTree(self._layout, descriptor, self.name, skip)

    def entries(self) -> Mapping[str, Entry]:
        """Every file of every layer that is read, by path."""
        if self._entries is None:
            self._entries = self._listed()
        return self._entries

    def _listed(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for number, layer in enumerate(self._layers()):
            digest = layer.descriptor.digest
            if digest in self._skip:
                continue
            where = f"(layer {number}, {layer.descriptor.media_type[:100]})"
            if layer.descriptor.foreign or not self._layout.has(digest):
                self.problems.append((where, "its content is not in the store"))
                continue
            try:
                for entry in self._layer(layer, number):
                    if entry.path in found:
                        self.problems.append((entry.path, "is in more than one layer"))
                    found[entry.path] = entry
            except ArtifactError as error:
                self.problems.append((where, error.message))
        return found

    def _layers(self) -> tuple[Layer, ...]:
        artifact = Artifact(form="artifact")
        try:
            artifact = read_artifact(self.manifest, self.metadata.config)
        except (ManifestError, DefinitionError) as error:
            self.problems.append(("(configuration)", error.message))
        known = {each.descriptor.digest: each for each in artifact.layers}
        return tuple(
            known.get(each.digest) or Layer(descriptor=each, archive="tar" in each.media_type)
            for each in self.manifest.layers
        )

    def _layer(self, layer: Layer, number: int) -> Iterator[PartEntry]:
        file = self._verified(layer.descriptor)
        if layer.compression:
            file = unpacked(file, layer.compression)
            self._open.callback(file.close)
        if not layer.archive:
            size = file.seek(0, io.SEEK_END)
            path = layer.path or layer.descriptor.annotations.get(
                "org.opencontainers.image.title", ""
            )
            yield PartEntry(path or f"layer-{number}", file, (0, size), 0o644)
            return
        yield from tar_entries(file)

    def _verified(self, descriptor: Descriptor) -> BinaryIO:
        """The blob, once all of it has the digest; it stays open, so it stays what it is.

        Raises:
            TreeError: it has another.
        """
        path = self._layout.path(descriptor.digest)
        try:
            file = self._open.enter_context(path.open("rb"))
            taken = hasher(algorithm_of(descriptor.digest))
            while chunk := file.read(CHUNK_BYTES):
                taken.update(chunk)
        except OSError as error:
            raise TreeError(f"`{descriptor.digest}` cannot be read: {error.strerror}") from error
        if taken.hexdigest() != hex_of(descriptor.digest):
            raise TreeError(f"the file of `{descriptor.digest}` in the store holds something else")
        file.seek(0)
        return file


def open_stored(root: Path, reference: str) -> ArtifactTree:
    """The artifact that ``reference`` names in the layout ``root``.

    Raises:
        LayoutError: there is none.
        ArtifactError: the reference or the manifest is malformed.
    """
    layout = Layout.open(root)
    wanted = Reference.parse(reference)
    for each in layout.entries():
        if wanted.digest and each.digest == wanted.digest:
            return ArtifactTree(layout, each, reference)
    if wanted.digest:
        raise LayoutError(
            f"`{reference}` is not in the store `{root}`",
            hint="`remit pull` fetches it from its registry",
        )
    names = layout.names()
    full = reference if wanted.tag else f"{reference}:latest"
    if reference in names:
        full = reference
    return ArtifactTree(layout, layout.resolve(full), reference)


def share(a: ArtifactTree, b: ArtifactTree) -> tuple[ArtifactTree, ArtifactTree]:
    """Both without the layers that both have: what is equal need not be read."""
    layers = [{each.digest for each in tree.manifest.layers} for tree in (a, b)]
    both = frozenset(layers[0] & layers[1])
    return a.without(both), b.without(both)


def _config(layout: Layout, manifest: Manifest) -> bytes:
    config = manifest.config
    if config is None or config.size > MAX_CONFIG_BYTES or not config.media_type.endswith("json"):
        return b""
    return layout.read(config.digest, limit=config.size)


def _referrers(
    layout: Layout, subject: Digest, problems: list[tuple[str, str]]
) -> Iterator[Referrer]:
    """Everything in the index of the layout that is about ``subject``."""
    count = size = 0
    for each in layout.entries():
        try:
            manifest, _ = layout.manifest(each)
        except ArtifactError:
            continue  # of another program, or not here; it says nothing about this one
        if manifest.subject is None or manifest.subject.digest != subject:
            continue
        count += 1
        size += sum(min(layer.size, MAX_REFERRER_BYTES) for layer in manifest.layers)
        if count > MAX_REFERRERS or size > MAX_REFERRERS_BYTES:
            problems.append(("(referrers)", "there are more of them than are read"))
            return
        layers = []
        for layer in manifest.layers:
            with contextlib.suppress(ArtifactError):
                data = layout.read(layer.digest, limit=min(layer.size, MAX_REFERRER_BYTES))
                layers.append((layer.media_type, layer.annotations, data))
        yield Referrer(
            artifact_type=manifest.kind,
            digest=each.digest,
            annotations=manifest.annotations,
            layers=tuple(layers),
        )
