"""Sending one blob, so that what arrived once is not sent again.

1. ``HEAD``: the repository has it, done.
2. ``POST`` with ``mount`` for each repository of the same registry that is known to have it.
3. Small: one ``PUT``. Large: ``PATCH`` in chunks, then an empty ``PUT``.
4. When a connection breaks: ``HEAD`` (it may be done), then ``GET`` of the upload, which says how
   much arrived; go on from there. An upload that the registry forgot begins anew.
5. The place of a large upload is remembered after each chunk, for a process that comes later; the
   registry's own offset decides, never the memory.

Registries that take no chunks get a single ``PUT``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.client import Repository
from remit.artifacts.oci.digests import algorithm_of
from remit.artifacts.oci.errors import (
    DeniedError,
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnreachableError,
)
from remit.artifacts.oci.http import Stream
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.places import Place

Outcome = Literal["sent", "resumed", "mounted", "exists"]
CHUNK_BYTES = 32 * 1024 * 1024
MAX_CHUNK_BYTES = 1 << 30
_ONE_REQUEST = ("ghcr.io", "gcr.io", "pkg.dev", "amazonaws.com")
"""Ends of hosts whose registries take no chunks, or only tiny ones."""
_NO_CHUNKS = frozenset({400, 404, 405, 411, 413, 415, 501})
_LOST = frozenset({400, 404, 410, 416})
MAX_MOUNTS = 4
_HOPELESS = 3
_OFFSET = 416

Reader = Callable[[int, int], AsyncIterator[bytes]]
"""Opens the content at an offset, for a number of bytes."""


class Slot(Protocol):
    """Where the place of one upload is remembered."""

    @property
    def location(self) -> str:
        """The place; empty if none is known."""
        ...

    def keep(self, location: str) -> None:
        """Remember it."""
        ...

    def forget(self) -> None:
        """It is of no use any more."""
        ...


class Upload(msgspec.Struct, kw_only=True):
    """One blob on its way to a repository; :meth:`run` once.

    Attributes:
        repository: where to.
        descriptor: of the blob.
        reader: its content.
        mounts: repositories of the same registry that may have it.
        slot: memory of an earlier process, if there is one.
        moved: is told how many bytes of it are there, each time that changes.
        chunk: bytes of a chunk; the registry may ask for more.
    """

    repository: Repository
    descriptor: Descriptor
    reader: Reader
    mounts: Sequence[str] = ()
    slot: Slot | None = None
    moved: Callable[[int], None] = lambda _: None
    chunk: int = CHUNK_BYTES
    _whole: bool = False
    _resumed: bool = False
    _place: Place | None = None

    async def run(self) -> Outcome:
        """Bring the blob there.

        Raises:
            DigestError: the content is not what its descriptor says.
            RegistryError: the registry refuses, or cannot be reached.
        """
        if await self.repository.has_blob(self.descriptor):
            return self._done("exists")
        host = self.repository.session.origin.host
        self._whole = any(host == end or host.endswith(f".{end}") for end in _ONE_REQUEST)
        if self.slot is not None and self.slot.location:
            await self._recall(self.slot.location)
        elif await self._mounted():
            return self._done("mounted")
        failures, best = 0, 0
        while True:
            try:
                if self._place is None:
                    self._place = await self.repository.places.begin(
                        algorithm=algorithm_of(self.descriptor.digest)
                    )
                await self._send()
            except RegistryError as error:
                failures += 1
                if not self._again(error) or failures >= self.repository.session.attempts:
                    raise
                await self.repository.session.pause(failures)
                if await self.repository.has_blob(self.descriptor):
                    break
                await self._recall(self._usable(error, failures))
                if self._place is not None and self._place.offset > best:
                    failures, best = 0, self._place.offset
            except DigestError:
                if self.slot is not None:
                    self.slot.forget()
                raise
            else:
                break
        return self._done("resumed" if self._resumed else "sent")

    def _usable(self, error: RegistryError, failures: int) -> str:
        """Where to go on after a failure; empty for a new upload.

        Not where it went no further again and again; nor where the registry does not want the
        first byte, although it says that it has none: it says the same if it has one.
        """
        if self._place is None or failures >= _HOPELESS:
            return ""
        return self._place.url if error.status != _OFFSET or self._place.offset else ""

    def _done(self, outcome: Outcome) -> Outcome:
        if self.slot is not None:
            self.slot.forget()
        self.moved(self.descriptor.size)
        return outcome

    async def _mounted(self) -> bool:
        for source in self.mounts[:MAX_MOUNTS]:
            try:
                place = await self.repository.places.begin(
                    mount=self.descriptor.digest, source=source
                )
            except (DeniedError, UnauthorizedError):
                continue  # no right to read there; an upload needs none
            if place is None:
                return True
            if self._place is None:
                self._place = place
            else:
                await self.repository.places.cancel(place.url)
        return False

    async def _recall(self, url: str) -> None:
        """Where the upload is by the registry's own word; none if it has forgotten it."""
        found = await self.repository.places.state(url) if url and not self._whole else None
        if found is not None and found.offset > self.descriptor.size:
            found = None
        self._place = found
        self._resumed = found is not None and found.offset > 0
        if found is None and self.slot is not None:
            self.slot.forget()

    async def _send(self) -> None:
        size = self.descriptor.size
        place = self._place
        if place is None:
            raise ProtocolError("the registry answers an upload with 201 that mounts nothing")
        if not place.offset and (self._whole or size <= max(self.chunk, place.minimum)):
            body = Stream(size, lambda: self._pieces(0, size)) if size else None
            await self.repository.places.finish(place, self.descriptor.digest, body)
            return
        while place.offset < size:
            place = self._place = await self._append(place)
            if self.slot is not None:
                self.slot.keep(place.url)
            self.moved(place.offset)
        await self.repository.places.finish(place, self.descriptor.digest)

    async def _append(self, place: Place) -> Place:
        size, begin = self.descriptor.size, place.offset
        count = min(size - begin, max(self.chunk, min(place.minimum, MAX_CHUNK_BYTES)))
        try:
            found = await self.repository.places.append(
                place, Stream(count, lambda: self._pieces(begin, count)), last=begin + count - 1
            )
        except RegistryError as error:
            if not begin and error.status in _NO_CHUNKS:
                self._whole = True
            raise
        if not begin < found.offset <= begin + count:
            raise ProtocolError(
                f"the registry says that it has {found.offset} bytes, after {begin} and {count}"
                " more",
                code="registry.offset",
            )
        return found

    async def _pieces(self, offset: int, count: int) -> AsyncIterator[bytes]:
        async for piece in self.reader(offset, count):
            yield piece
            offset += len(piece)
            self.moved(offset)

    def _again(self, error: RegistryError) -> bool:
        if isinstance(error, UnreachableError) or error.status in _LOST:
            return True
        return (self._whole and error.status in _NO_CHUNKS) or error.code == "registry.offset"
