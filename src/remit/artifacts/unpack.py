"""Unpacking: an artifact of the store of this machine becomes a directory.

1. The manifest and config are verified by their digests when they are read.
2. Each layer is hashed while it is extracted; its digest must be that of the manifest and of the
   config, and the digest of its unpacked form the ``diffId`` of the config.
3. Names are safe (:mod:`remit.artifacts.members`) and taken once in all layers together.
4. Only then the directory gets its name (:mod:`remit.artifacts.folder`). Before, it is not there.

Not checked here: who signed it, and whether it may be used.
"""

import posixpath
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from remit.artifacts.blob import Blob
from remit.artifacts.decompress import Decompressed
from remit.artifacts.errors import ArchiveError, DigestError, UnpackError
from remit.artifacts.folder import KEPT, Folder, Manner, fresh
from remit.artifacts.kitfile import Kitfile, Section, is_reference, yaml_bytes
from remit.artifacts.layout import Layout
from remit.artifacts.local import read
from remit.artifacts.members import LIMITS, Limits, Names, member_name, shown
from remit.artifacts.modelkit import Artifact, Layer
from remit.artifacts.oci.digests import Hasher, hasher
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.tarball import CHUNK_BYTES
from remit.artifacts.untar import TarReader
from remit.core.digest import Digest

KITFILE = "Kitfile"
FILTERS: dict[str, frozenset[Section]] = {
    "model": frozenset({"model", "modelpart"}),
    "code": frozenset({"code"}),
    "datasets": frozenset({"dataset"}),
    "docs": frozenset({"docs"}),
    "prompts": frozenset({"prompt"}),
    "mcpservers": frozenset({"mcpserver"}),
    "kitfile": frozenset(),
}
"""What can be asked for alone."""

Progress = Callable[[str, int, int], None]
"""Told which path is at hand, how many bytes of layers were read so far, and of how many in all."""


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What was unpacked.

    Attributes:
        artifact: what it was.
        files, bytes: how much is in the directory.
        elsewhere: references and URLs of what belongs to it and is not in it.
    """

    artifact: Artifact
    files: int
    bytes: int
    elsewhere: tuple[str, ...]


def unpack(
    layout: Layout,
    descriptor: Descriptor,
    target: Path,
    *,
    only: Collection[str] = (),
    limits: Limits = LIMITS,
    progress: Progress | None = None,
    manner: Manner = KEPT,
) -> Unpacked:
    """Unpack an artifact into ``target``, which appears whole or not at all.

    Args:
        layout: the store.
        descriptor: of the manifest.
        target: a directory that does not exist yet, or is empty; its parent exists.
        only: keys of :data:`FILTERS`; everything if empty.
        limits: for all layers together.
        progress: told what is done.
        manner: how the directory is made.

    Raises:
        UnpackError: it is no artifact of files, or the target is in use.
        LayoutError: a part of it is not in the store.
        ArchiveError: a layer is malformed, hostile or beyond a limit.
        DigestError: a layer is not what the manifest or the config say.
        ManifestError, DefinitionError: the manifest or the config is malformed.
        OSError: the disk is full or broken.
    """
    _, artifact = read(layout, descriptor)
    if artifact.form in {"image", "index"}:
        raise UnpackError(
            f"`{descriptor.digest}` is {_NOT_FILES[artifact.form]}, which is not unpacked",
            hint="run it with a container engine, or unpack one of the artifacts in it",
        )
    wanted = frozenset().union(*(FILTERS[each] for each in only)) if only else None
    layers = [each for each in artifact.layers if wanted is None or each.section in wanted]
    with fresh(target, manner) as folder:
        work = _Work(layout, folder, limits, sum(x.descriptor.size for x in layers), progress)
        if artifact.form in {"modelkit", "modelpack"} and (not only or "kitfile" in only):
            work.kitfile(artifact.kitfile)
        for layer in layers:
            work.layer(layer)
        folder.publish()
    return Unpacked(
        artifact=artifact,
        files=work.files,
        bytes=work.bytes,
        elsewhere=_elsewhere(artifact.kitfile),
    )


_NOT_FILES = {"image": "a container image", "index": "a list of artifacts"}


def _elsewhere(kitfile: Kitfile) -> tuple[str, ...]:
    found = [each.remote_path for each in kitfile.of("dataset") if each.remote_path]
    found += [each.path for each in kitfile.of("model") if is_reference(each.path)]
    return tuple(found)


class _Work:
    def __init__(
        self,
        layout: Layout,
        folder: Folder,
        limits: Limits,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._layout = layout
        self._folder = folder
        self._limits = limits
        self._names = Names(limits, shared=True)
        self._seen: set[Digest] = set()
        self._total = total
        self._done = 0
        self._at = ""
        self._progress = progress
        self.files = 0
        self.bytes = 0

    def kitfile(self, kitfile: Kitfile) -> None:
        self._names.take(KITFILE, directory=False)
        self._write(KITFILE, iter((yaml_bytes(kitfile),)), 0o644)

    def layer(self, layer: Layer) -> None:
        digest = layer.descriptor.digest
        if digest in self._seen:
            return  # two entries with the same content in the same place
        self._seen.add(digest)
        blob = Blob(self._layout, layer.descriptor, self._told)
        try:
            stream = Decompressed(blob.read, layer.compression, self._limits)
            unpacked = _Hashed(stream, hasher("sha256") if layer.compression else None)
            if layer.archive:
                self._archive(unpacked)
            else:
                self._single(layer, unpacked)
            if unpacked.read(1):
                raise ArchiveError(f"the layer `{digest}` has more behind its end")
            blob.verify()
        finally:
            blob.close()
        said = layer.entry.diff_id if layer.entry else ""
        if said.startswith("sha256:") and said != (unpacked.digest or digest):
            raise DigestError(
                f"the layer `{digest}` unpacks to something else than the config says"
            )

    def _archive(self, stream: "_Reads") -> None:
        reader = TarReader(stream.read, self._limits, self._names)
        for entry in reader:
            if entry.directory:
                self._folder.directory(entry.name, entry.mode)
            else:
                self._write(entry.name, reader.content(), entry.mode)

    def _single(self, layer: Layer, stream: "_Reads") -> None:
        if not layer.path:
            raise UnpackError(
                f"the layer `{layer.descriptor.digest}` of type"
                f" `{shown(layer.descriptor.media_type)}` has no name to unpack it to"
            )
        name = member_name(posixpath.normpath(layer.path), self._limits)
        self._names.take(name, directory=False)
        self._write(name, iter(lambda: stream.read(CHUNK_BYTES), b""), 0o644)

    def _write(self, name: str, chunks: Iterator[bytes], mode: int) -> None:
        self._at = name
        self.files += 1
        self._folder.file(name, self._counted(chunks), mode)

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.bytes += len(chunk)
            if self.bytes > self._limits.total:
                raise ArchiveError(f"the artifact unpacks to more than {self._limits.total} bytes")
            yield chunk

    def _told(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._at, self._done, self._total)


class _Reads(Protocol):
    def read(self, size: int) -> bytes: ...


class _Hashed:
    """A stream that is hashed while it is read, where somebody wants to know."""

    def __init__(self, stream: _Reads, hashes: Hasher | None) -> None:
        self._stream = stream
        self._hasher = hashes

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if self._hasher is not None:
            self._hasher.update(data)
        return data

    @property
    def digest(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}" if self._hasher else ""
