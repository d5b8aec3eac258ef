"""What a Hub in front of another registry needs of its machine besides the other ports."""

from typing import Protocol

from remit.core.digest import Digest
from remit.hub.registry.ports import BlobStore, Bytes, Metadata, Placed, Record, Upload

SEEN = "upstream"
"""Who pushed what the Hub only saw, in its catalogue: somebody, past the Hub."""


class Spool(BlobStore, Protocol):
    """Room on a disk for what is on its way to the upstream."""

    def received(self, upload: Upload, start: int, end: int) -> Bytes:
        """Bytes ``[start, end)`` of an upload."""
        ...


class Notes(Metadata, Protocol):
    """What the Hub knows of the content of its upstream, which alone is true.

    Uploads are in the other methods' keeping; ``Upload.parts`` holds where one is upstream, and
    nothing if it is in the spool.
    """

    async def noted(self, placed: Placed) -> bool:
        """Whether a manifest and its tags are known as they are."""
        ...

    async def note(self, placed: Placed, by: str, record: Record, *, always: bool) -> str | None:
        """Remember a manifest and what its tags are now.

        Nothing that it refers to need be known, and no tag is fixed: the upstream has decided.

        Args:
            placed: the manifest; its tags are set.
            by: who pushed it, :data:`SEEN` if that is not known.
            record: of the change.
            always: write the record also if all was known.

        Returns:
            The id of the record, if it was written.
        """
        ...

    async def fixed(self, placed: Placed) -> tuple[str, ...]:
        """Which of its tags must not move once they are set, by the rules.

        Raises:
            Denied: the repository would hold more than its quota, as far as it is known.
        """
        ...

    async def room(self, repository: str, digest: Digest, size: int) -> None:
        """See that a blob of ``size`` bytes fits, besides what manifests refer to already.

        Raises:
            Denied: the repository would hold more than its quota.
        """
        ...

    async def check_drop(self, repository: str, name: str) -> None:
        """See that a tag, or a manifest with its tags, may go.

        Raises:
            Denied: a tag of it must not move.
        """
        ...

    async def check_blob(self, repository: str, digest: Digest) -> None:
        """See that a blob may go.

        Raises:
            Denied: a manifest of the repository refers to it.
        """
        ...

    async def gone(self, repository: str, name: str, record: Record, *, always: bool) -> str | None:
        """Forget a tag, or a manifest with its tags; the id of the record, if it was written."""
        ...

    async def tell(self, record: Record, upload: str = "") -> str:
        """Write a record, and forget the upload that it ends; the id of the record."""
        ...

    async def tagged(self, repository: str) -> dict[str, Digest]:
        """All tags that are known of a repository, and what they were when they were seen."""
        ...

    async def untagged(self, repository: str) -> list[Digest]:
        """Manifests that are known of a repository and have no tag."""
        ...
