"""The store of this machine: an OCI image layout (image-spec 1.1, "Image Layout").

::

    oci-layout                     {"imageLayoutVersion": "1.0.0"}
    index.json                     a descriptor for everything that has a name
    blobs/sha256/<hex>             content, immutable, named by its digest
    ingest/<random>                content that is being written, removed with its writer

Other programs read and write the same directory (``skopeo``, ``oras``, ``umoci``). A blob appears
under its name only when it is complete and has the digest: write, fsync, rename, fsync of the
directory. Whoever changes ``index.json`` holds the lock of the layout.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from remit.artifacts.errors import ArtifactError, DigestError
from remit.artifacts.oci.digests import algorithm_of, digest_of, hasher, hex_of, parse_digest
from remit.artifacts.oci.manifest import INDEX, Descriptor, Manifest, parse_manifest
from remit.core.digest import Digest
from remit.core.files import write_atomically
from remit.core.locks import exclusive
from remit.core.strictjson import StrictJsonError, parse

REF_NAME = "org.opencontainers.image.ref.name"
"""Annotation of a descriptor in ``index.json``: the name that people gave it."""
CHUNK_BYTES = 1024 * 1024
MAX_INDEX_BYTES = 64 * 1024 * 1024
_VERSION = "1.0.0"


class LayoutError(ArtifactError):
    """A store that is not an OCI image layout, or that does not have what is asked for."""

    code = "artifact.store"


class _Index(msgspec.Struct, kw_only=True, rename="camel"):
    schema_version: int = 2
    media_type: str = INDEX
    manifests: list[Descriptor] = []


class Ingest:
    """A blob that is being written; :meth:`Layout.ingest` makes one."""

    def __init__(self, path: Path, algorithm: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.path = path
        self.size = 0
        self._file = os.open(path, flags, 0o644)
        self._algorithm = algorithm
        self._hasher = hasher(algorithm)

    @property
    def digest(self) -> Digest:
        """Of what was written so far."""
        return Digest(f"{self._algorithm}:{self._hasher.hexdigest()}")

    def write(self, data: bytes | memoryview) -> None:
        """Take more bytes.

        Raises:
            OSError: the disk is full or broken.
        """
        self._hasher.update(data)
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def sync(self) -> None:
        """Make the bytes durable and close the file."""
        os.fsync(self._file)
        self.close()

    def close(self) -> None:
        """Close the file, once."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Layout:
    """An OCI image layout in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path, *, create: bool = False) -> Self:
        """Use the layout in ``root``.

        Args:
            root: its directory.
            create: make it if there is nothing.

        Raises:
            LayoutError: there is none, or of another version.
            OSError: it cannot be read or made.
        """
        marker = root / "oci-layout"
        if not marker.exists():
            if not create:
                raise LayoutError(
                    f"there is no artifact store at `{root}`",
                    hint="`remit pack` and `remit pull` make one",
                )
            (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            (root / "ingest").mkdir(exist_ok=True)
            write_atomically(
                marker, msgspec.json.encode({"imageLayoutVersion": _VERSION}), mode=0o644
            )
        try:
            said = msgspec.json.decode(marker.read_bytes(), type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise LayoutError(f"`{marker}` cannot be read") from error
        if said.get("imageLayoutVersion") != _VERSION:
            raise LayoutError(f"`{root}` is an image layout of another version")
        return cls(root)

    # -- blobs ---------------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Where the content with ``digest`` is, or would be."""
        return self.root / "blobs" / algorithm_of(digest) / hex_of(parse_digest(digest))

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Whether the content is there, in full if ``size`` is given."""
        try:
            found = self.path(digest).stat().st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def read(self, digest: Digest, *, limit: int) -> bytes:
        """Content of at most ``limit`` bytes, verified.

        Raises:
            LayoutError: it is not there or larger.
            DigestError: the file holds something else.
        """
        try:
            with self.path(digest).open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise LayoutError(f"`{digest}` is not in the store `{self.root}`") from None
        if len(data) > limit:
            raise LayoutError(f"`{digest}` is larger than {limit} bytes")
        if digest_of(data, algorithm_of(digest)) != digest:
            raise DigestError(f"the file of `{digest}` in `{self.root}` holds something else")
        return data

    @contextlib.contextmanager
    def ingest(self, algorithm: str = "sha256") -> Iterator[Ingest]:
        """Write a blob of a digest that is not known yet; :meth:`commit` gives it its name."""
        (self.root / "ingest").mkdir(exist_ok=True)
        found = Ingest(self.root / "ingest" / secrets.token_hex(16), algorithm)
        try:
            yield found
        finally:
            found.close()
            found.path.unlink(missing_ok=True)

    def commit(self, ingest: Ingest, expected: Digest | None = None) -> Digest:
        """Give the written blob its name, durably.

        Args:
            ingest: what was written.
            expected: the digest that it must have.

        Raises:
            DigestError: it has another.
            OSError: the disk is full or broken; nothing was stored.
        """
        digest = ingest.digest
        if expected is not None and digest != expected:
            raise DigestError(f"the content has the digest `{digest}` and not `{expected}`")
        ingest.sync()
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        ingest.path.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return digest

    def put(self, data: bytes, expected: Digest | None = None) -> Digest:
        """Store ``data``, durably, and give its digest."""
        algorithm = algorithm_of(expected) if expected else "sha256"
        if expected and self.has(expected, len(data)) and digest_of(data, algorithm) == expected:
            return expected
        with self.ingest(algorithm) as ingest:
            ingest.write(data)
            return self.commit(ingest, expected)

    # -- names ---------------------------------------------------------------------------------

    def names(self) -> dict[str, Descriptor]:
        """Everything that has a name.

        Raises:
            LayoutError: ``index.json`` cannot be read.
        """
        found = self._index().manifests
        return {each.annotations[REF_NAME]: each for each in found if REF_NAME in each.annotations}

    def entries(self) -> tuple[Descriptor, ...]:
        """Everything in the index, with a name or without.

        Raises:
            LayoutError: ``index.json`` cannot be read.
        """
        return tuple(self._index().manifests)

    def record(self, descriptor: Descriptor) -> None:
        """Put ``descriptor`` into the index without a name, once: referrers are found there."""
        with self._changed() as index:
            if all(each.digest != descriptor.digest for each in index.manifests):
                index.manifests.append(descriptor)

    def resolve(self, name: str) -> Descriptor:
        """What has ``name``.

        Raises:
            LayoutError: nothing has.
        """
        try:
            return self.names()[name]
        except KeyError:
            raise LayoutError(
                f"`{name}` is not in the store `{self.root}`",
                hint="`remit list` shows what is there, `remit pull` fetches from a registry",
            ) from None

    def manifest(self, descriptor: Descriptor) -> tuple[Manifest, bytes]:
        """The manifest that ``descriptor`` describes, verified, and its bytes."""
        data = self.read(descriptor.digest, limit=descriptor.size)
        return parse_manifest(data, descriptor.media_type), data

    def name(self, name: str, descriptor: Descriptor) -> None:
        """Give ``descriptor`` the name, in place of what had it."""
        annotations = {**descriptor.annotations, REF_NAME: name}
        named = msgspec.structs.replace(descriptor, annotations=annotations)
        with self._changed() as index:
            index.manifests = [
                each for each in index.manifests if each.annotations.get(REF_NAME) != name
            ]
            index.manifests.append(named)

    def forget(self, name: str) -> bool:
        """Take a name away; whether there was one. Content stays until it is collected."""
        with self._changed() as index:
            kept = [each for each in index.manifests if each.annotations.get(REF_NAME) != name]
            found = len(kept) != len(index.manifests)
            index.manifests = kept
        return found

    def _index(self) -> _Index:
        try:
            data = (self.root / "index.json").read_bytes()
        except FileNotFoundError:
            return _Index()
        try:
            parse(data, fold_keys=False, max_bytes=MAX_INDEX_BYTES)
            return msgspec.json.decode(data, type=_Index)
        except (StrictJsonError, msgspec.MsgspecError) as error:
            raise LayoutError(f"`{self.root / 'index.json'}` cannot be read: {error}") from error

    @contextlib.contextmanager
    def _changed(self) -> Iterator[_Index]:
        with exclusive(self.root / ".lock"):
            index = self._index()
            yield index
            write_atomically(self.root / "index.json", msgspec.json.encode(index), mode=0o644)
