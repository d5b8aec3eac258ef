"""What the registry needs of the machine: a place for bytes, and one for what is known of them.

Adapters are in ``hub.store``; ``tests/conformance/test_hub_stores.py`` holds each to these words.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from remit.artifacts.kinds.definition import Graph
from remit.artifacts.oci.manifest import Descriptor, Manifest
from remit.artifacts.servers import Server
from remit.core.digest import Digest

Bytes = AsyncIterator[bytes]
"""Content in pieces, in order."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A blob on its way in.

    Attributes:
        id: unguessable; who has it may go on with it.
        repository: where it goes.
        size: bytes received and kept.
        parts: names of the pieces, for stores that keep them apart.
    """

    id: str
    repository: str
    size: int = 0
    parts: tuple[str, ...] = ()

    def grown(self, appended: "Appended") -> "Upload":
        """The upload with one more piece."""
        part = (appended.part,) if appended.part else ()
        return msgspec.structs.replace(
            self, size=self.size + appended.size, parts=(*self.parts, *part)
        )


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an upload that was kept: its bytes, and its name if it lies by itself."""

    size: int
    part: str = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it was pushed."""

    digest: Digest
    media_type: str
    body: bytes


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the log will say about a change; written in the same transaction as the change."""

    kind: str
    body: dict[str, object]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """An edge of the graph of dependencies, from an artifact to what it runs with.

    Attributes:
        role: what that is to it, as :data:`remit.artifacts.agent.ROLES` names it.
        name: what it calls it; unique within a role.
        digest: of its manifest; empty if none was decided.
        reference: where it is said to be.
    """

    role: str
    name: str
    digest: str
    reference: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of an artifact; found once, when it is pushed.

    Attributes:
        kind: of artifact, as :mod:`remit.artifacts` names it; empty if it is none of them.
        name, version: of its package.
        title: what people search in: its title and description.
        graph: how much is known of what it needs; see :mod:`remit.artifacts.kinds.definition`.
        needs: what it needs.
        server: what the MCP registry says of it, if it is an MCP server.
        evidence: whether all that it holds is signatures and attestations.
    """

    kind: str = ""
    name: str = ""
    version: str = ""
    title: str = ""
    graph: Graph = ""
    needs: tuple[Need, ...] = ()
    server: Server | None = None
    evidence: bool = False


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest to be stored.

    Attributes:
        repository, digest, body: where, and what.
        manifest: the reading of ``body``.
        tags: names that it gets.
        about: what the catalogue says of it.
    """

    repository: str
    digest: Digest
    body: bytes
    manifest: Manifest
    tags: tuple[str, ...] = ()
    about: About = About()


Describe = Callable[[str, Digest, Manifest], Awaitable[About]]
"""Finds out what the catalogue says of a manifest that is pushed to a repository."""
Small = Callable[[str, Descriptor, int], Awaitable[bytes | None]]
"""Reads a blob of a repository; ``None`` if it is not there, or larger than so many bytes."""


class BlobStore(Protocol):
    """Bytes by digest, and uploads that become such.

    Nothing here decides who may see what. Every method may raise ``OSError`` or
    ``HubError``.
    """

    async def append(self, upload: Upload, body: Bytes) -> Appended:
        """Add to an upload at ``upload.size``.

        If ``body`` breaks off or the disk is full, the upload is as it was before.
        """
        ...

    async def prepare(self, upload: Upload, digest: Digest) -> None:
        """Verify that the upload has ``digest`` and make its bytes durable. May take long.

        Raises:
            DigestError: it has another.
        """
        ...

    async def publish(self, upload: Upload, digest: Digest) -> None:
        """Give the prepared upload its name. Atomic; what has the name already is replaced."""
        ...

    async def discard(self, upload: Upload) -> None:
        """Forget an upload; no error if there is none."""
        ...

    async def size(self, digest: Digest) -> int | None:
        """Bytes of a blob; ``None`` if there is none."""
        ...

    def read(self, digest: Digest, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``[start, end)`` of a blob."""
        ...

    async def url(self, digest: Digest) -> str | None:
        """Where a client can fetch the blob itself for a short time; ``None`` if nowhere."""
        ...

    async def remove(self, digest: Digest) -> None:
        """Take a blob away; no error if there is none."""
        ...

    def digests(self) -> AsyncIterator[tuple[Digest, int, int]]:
        """Every blob: digest, size, when it was last written in microseconds."""
        ...

    def leftovers(self) -> AsyncIterator[tuple[str, int]]:
        """Every upload that has bytes: its id, when it was last written in microseconds."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


class Metadata(Protocol):
    """What is known: repositories, uploads, links to blobs, manifests, tags.

    Every change takes the :class:`Record` that the log will hold about it and gives the id under
    which it waits in the outbox.
    """

    async def start_upload(self, upload: Upload, owner: str) -> None:
        """Remember an upload; its repository is made if there is none."""
        ...

    async def upload(self, repository: str, upload: str) -> Upload | None:
        """An upload that has not expired."""
        ...

    async def hold_upload(self, repository: str, upload: str, holder: str) -> Upload | None:
        """Be the one who writes to an upload, for a while; ``None`` if there is none.

        Raises:
            Busy: another request writes to it.
        """
        ...

    async def keep_upload(self, upload: str, holder: str) -> bool:
        """Stay its writer for another while; ``False`` if another has become it."""
        ...

    async def release_upload(self, upload: Upload, holder: str) -> bool:
        """Say how far the upload is and let others write; ``False`` if it was lost meanwhile."""
        ...

    async def end_upload(self, upload: str) -> bool:
        """Forget an upload."""
        ...

    async def add_blob(
        self,
        upload: Upload,
        digest: Digest,
        publish: Callable[[], Awaitable[None]],
        record: Record,
        *,
        holder: str,
    ) -> str:
        """Publish an upload's bytes and link them to its repository, as one step.

        Raises:
            Denied: the repository would hold more than its quota.
            Busy: ``holder`` is not the upload's writer any more, so that the bytes that were
                verified may not be those that are there.
        """
        ...

    async def blob(self, repository: str, digest: Digest, *, lease: bool) -> int | None:
        """Size of a blob that the repository links; a lease keeps it for a push to come."""
        ...

    async def mount_blob(
        self, repository: str, digest: Digest, source: str, record: Record
    ) -> str | None:
        """Link a blob that ``source`` links; ``None`` if it does not."""
        ...

    async def unlink_blob(self, repository: str, digest: Digest, record: Record) -> str | None:
        """Drop the repository's link; ``None`` if there is none.

        Raises:
            Denied: a manifest of the repository refers to it.
        """
        ...

    async def put_manifest(self, placed: Placed, by: str, record: Record) -> str:
        """Store a manifest with its tags and references, or nothing of it.

        Raises:
            Missing: what it refers to is not in the repository.
            Denied: a tag that must not move, or the quota.
        """
        ...

    async def manifest(self, repository: str, name: str) -> Stored | None:
        """The manifest with this tag or digest."""
        ...

    async def drop_manifest(self, repository: str, digest: Digest, record: Record) -> str | None:
        """Forget a manifest and its tags; ``None`` if there is none.

        Raises:
            Denied: one of its tags must not move.
        """
        ...

    async def drop_tag(self, repository: str, tag: str, record: Record) -> str | None:
        """Forget a tag; ``None`` if there is none.

        Raises:
            Denied: it must not move.
        """
        ...

    async def tags(self, repository: str, last: str, count: int) -> list[str] | None:
        """Tags after ``last`` in the order of bytes; ``None`` if there is no such repository."""
        ...

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str, last: str, count: int
    ) -> list[Descriptor]:
        """Manifests about ``subject`` after the digest ``last``, in the order of digests."""
        ...

    async def repositories(self, last: str, count: int) -> Sequence[str]:
        """Names of repositories after ``last`` in the order of bytes."""
        ...
