"""The two ends of a transfer, and who watches it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.uploads import Outcome
from remit.core.digest import Digest


class Source(Protocol):
    """Where artifacts come from."""

    async def fetch(self, name: str) -> Fetched:
        """A manifest by what it is called there, verified."""
        ...

    async def child(self, descriptor: Descriptor) -> Fetched:
        """A manifest by its descriptor, verified."""
        ...

    def read(self, descriptor: Descriptor, offset: int, length: int) -> AsyncIterator[bytes]:
        """Bytes of a blob, not verified, never more than asked for."""
        ...

    async def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """Manifests that refer to ``subject``."""
        ...

    def repositories(self, host: str, digest: Digest) -> Sequence[str]:
        """Repositories of the registry ``host`` that may have the blob."""
        ...


class Target(Protocol):
    """Where artifacts go."""

    async def has_manifest(self, descriptor: Descriptor) -> bool:
        """Whether the manifest is there and all that it needs with it."""
        ...

    async def put_blob(
        self, descriptor: Descriptor, source: Source, moved: Callable[[int], None]
    ) -> Outcome:
        """Bring a blob there, verified there; ``moved`` is told how many bytes there are."""
        ...

    async def put_manifest(self, fetched: Fetched, name: str = "") -> None:
        """Store a manifest, under a name or under its digest alone."""
        ...

    async def settle(self) -> None:
        """See that what was stored stays, before it gets its name."""
        ...


class Watcher(Protocol):
    """Who is told how it goes."""

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        """These blobs are looked at."""
        ...

    def moved(self, blob: Descriptor, there: int) -> None:
        """So many bytes of it are there."""
        ...

    def ended(self, blob: Descriptor, outcome: Outcome) -> None:
        """It is there."""
        ...


Each = Callable[[Iterable[Callable[[], Awaitable[Any]]], int], Awaitable[None]]
"""Does works, so many at a time: :meth:`remit.artifacts.oci.http.Transport.each`."""
