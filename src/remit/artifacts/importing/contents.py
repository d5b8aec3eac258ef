"""The files in a packed artifact, with their digests: read from the layers, not from the directory.

What is said about files is then about the very bytes that were packed, whatever happened to the
directory meanwhile.
"""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from remit.artifacts.decompress import Decompressed
from remit.artifacts.importing.errors import ImportRefusedError
from remit.artifacts.layout import CHUNK_BYTES, Layout
from remit.artifacts.local import read
from remit.artifacts.members import shown
from remit.artifacts.modelkit import Layer
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.untar import TarReader

LFS_HEAD = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER = 1024


class PackedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a layer.

    Attributes:
        path: where it belongs.
        size: its bytes.
        sha256: of its content, in hex.
        blob_sha1, blob_sha256: its name in git repositories of the one and the other format.
    """

    path: str
    size: int
    sha256: str
    blob_sha1: str
    blob_sha256: str


class _Hashes:
    def __init__(self, size: int) -> None:
        head = b"blob %d\0" % size
        self.content = hashlib.sha256()
        self.sha1 = hashlib.sha1(head, usedforsecurity=False)
        self.sha256 = hashlib.sha256(head)

    def update(self, data: bytes) -> None:
        for each in (self.content, self.sha1, self.sha256):
            each.update(data)


def files_of(layout: Layout, descriptor: Descriptor) -> list[PackedFile]:
    """Every file of a packed artifact, in the order of its layers.

    Raises:
        ImportRefusedError: a file is a pointer of Git LFS: what is meant is not there.
        LayoutError, ArtifactError: the artifact is not there or malformed.
    """
    _, artifact = read(layout, descriptor)
    found: list[PackedFile] = []
    for layer in artifact.layers:
        with layout.path(layer.descriptor.digest).open("rb", buffering=0) as file:
            found.extend(_files(file, layer))
    return found


def _files(file: BinaryIO, layer: Layer) -> Iterator[PackedFile]:
    if not layer.archive:
        pieces = iter(lambda: file.read(CHUNK_BYTES), b"")
        yield _hashed(layer.path, layer.descriptor.size, pieces)
        return
    reader = TarReader(Decompressed(file.read, layer.compression).read)
    for entry in reader:
        if not entry.directory:
            yield _hashed(entry.name, entry.size, reader.content())


def _hashed(path: str, size: int, pieces: Iterator[bytes]) -> PackedFile:
    hashes, first = _Hashes(size), b""
    for piece in pieces:
        first = first or piece[: len(LFS_HEAD)]
        hashes.update(piece)
    if size < _MAX_POINTER and first == LFS_HEAD:
        raise ImportRefusedError(
            f"`{shown(path)}` is a pointer of Git LFS and not the file",
            hint="run `git lfs pull` in the checkout first",
        )
    return PackedFile(
        path=path,
        size=size,
        sha256=hashes.content.hexdigest(),
        blob_sha1=hashes.sha1.hexdigest(),
        blob_sha256=hashes.sha256.hexdigest(),
    )
