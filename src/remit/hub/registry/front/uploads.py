"""Pieces of a blob on their way through the Hub to its upstream.

1. A piece of at most :data:`HOLD` bytes is taken whole into the spool first. The upstream gets it
   at once or not at all, so a client whose connection breaks goes on where its last piece ended,
   and a piece can be sent again when the upstream fails.
2. A larger piece, or one whose length the client does not say, goes straight through. If it breaks
   off, what the upstream has of it decides where to go on.
3. An upstream that takes a blob in one request only gets it when all of it is in the spool.

The digest of what passes is kept in this process. Where another process received a part, the
upstream alone compares, and every pull compares again.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.digests import algorithm_of, hasher
from remit.artifacts.oci.errors import NotFoundError, UnreachableError
from remit.artifacts.oci.errors import RegistryError as UpstreamError
from remit.artifacts.oci.http import UNKNOWN, Stream
from remit.artifacts.oci.places import Place
from remit.core.digest import Digest
from remit.hub.registry.errors import DigestInvalid, RegistryError, Unavailable, UploadInvalid
from remit.hub.registry.front.ports import Spool
from remit.hub.registry.front.refusals import refusal
from remit.hub.registry.front.upstream import Upstream, once
from remit.hub.registry.http import Request
from remit.hub.registry.ports import Bytes, Upload
from remit.hub.registry.running import Running, Runs

HOLD = 128 * 1024 * 1024
"""The largest piece that is held back in the spool; `kit` sends 100 MiB."""
TRIES = 3
_ONE_ONLY = frozenset({405, 411, 413, 415, 501})


class OutOfStepError(Exception):
    """The upstream is elsewhere in the upload than the Hub thought.

    Attributes:
        upload: where it is; ``None`` if it has forgotten it.
        error: what was said to the piece.
    """

    def __init__(self, upload: Upload | None, error: RegistryError) -> None:
        super().__init__(error.message)
        self.upload = upload
        self.error = error


class Line:
    """Brings pieces to the upstream.

    Args:
        upstream: where they go.
        spool: room for them on this machine.
    """

    def __init__(self, upstream: Upstream, spool: Spool) -> None:
        self._upstream = upstream
        self._spool = spool
        self._runs = Runs()

    def place(self, upload: Upload) -> Place:
        """Where an upload is at the upstream."""
        return Place(url=upload.parts[0], offset=upload.size)

    async def append(self, upload: Upload, request: Request, said: int | None) -> Upload:
        """The upload with the body of ``request`` at its end.

        Args:
            upload: as it is.
            request: with the piece.
            said: how many bytes its range says that there are; ``None`` without one.

        Raises:
            OutOfStepError: it is shorter, longer or gone.
            RegistryError: the upstream refuses the piece; the upload is as it was.
            GoneError: the client went away before the piece was complete; likewise.
        """
        if not upload.parts:
            return upload.grown(await self._spool.append(upload, _exact(request.body(), said)))
        running = self._runs.take(upload)
        before = running.copy() if running else None
        body = _hashed(_exact(request.body(), said), running)
        try:
            if request.length is None or request.length > HOLD:
                grown = await self._through(upload, body, request.length)
            else:
                grown = await self._held(upload, body)
        except BaseException:
            self._runs.keep(upload.id, before)
            raise
        self._runs.keep(upload.id, running if running and running.size == grown.size else None)
        return grown

    async def _held(self, upload: Upload, body: Bytes) -> Upload:
        async with self._piece(upload, body) as piece:
            for left in reversed(range(TRIES)):
                stream = Stream(piece.size, lambda: self._spool.received(piece, 0, piece.size))
                try:
                    place = await self._upstream.append(
                        upload.repository, self.place(upload), stream
                    )
                except ArtifactError as error:
                    if not upload.size and getattr(error, "status", 0) in _ONE_ONLY:
                        return await self._spooled(upload, piece)
                    found = await self._state(upload, error)
                    if found is None or found.size not in {upload.size, upload.size + piece.size}:
                        raise OutOfStepError(found, refusal(error)) from error
                    if found.size == upload.size + piece.size:
                        return found
                    if not left or not isinstance(error, UnreachableError):
                        raise refusal(error, "BLOB_UPLOAD_INVALID") from error
                    upload = found
                    await self._upstream.session.pause(TRIES - left)
                else:
                    return _at(upload, place)
        raise AssertionError

    async def _spooled(self, upload: Upload, piece: Upload) -> Upload:
        """Go on in the spool: the upstream takes no pieces."""
        self._upstream.whole = True
        begun = msgspec.structs.replace(upload, parts=())
        return begun.grown(
            await self._spool.append(begun, self._spool.received(piece, 0, piece.size))
        )

    async def _through(self, upload: Upload, body: Bytes, length: int | None) -> Upload:
        place = self.place(upload)
        sent = _Counted(body)
        stream = Stream(UNKNOWN if length is None else length, once(sent.pieces()))
        try:
            await self._upstream.prove(upload.repository, place)
            moved = await self._upstream.append(upload.repository, place, stream)
        except (ArtifactError, RegistryError, OSError) as error:
            if isinstance(error, UpstreamError) and not upload.size and error.status in _ONE_ONLY:
                self._upstream.whole = True
            said = (
                refusal(error, "BLOB_UPLOAD_INVALID") if isinstance(error, ArtifactError) else error
            )
            found = await self._state(upload, said)
            if found is None or found.size != upload.size:
                wrapped = said if isinstance(said, RegistryError) else Unavailable(str(said))
                raise OutOfStepError(found, wrapped) from error
            raise said from error
        # Some say nothing about how far it is; then it is as far as was sent.
        return _at(upload, msgspec.structs.replace(moved, offset=upload.size + sent.size))

    async def _state(self, upload: Upload, error: Exception) -> Upload | None:
        """How far the upload is by the upstream's word; as it was if that cannot be asked."""
        del error
        repository = self._upstream.repository(upload.repository)
        try:
            place = await repository.places.state(upload.parts[0])
        except ArtifactError:
            return upload
        return None if place is None else _at(upload, place)

    @contextlib.asynccontextmanager
    async def _piece(self, upload: Upload, body: Bytes) -> AsyncIterator[Upload]:
        """What came of ``body``, in the spool for as long as the block runs."""
        piece = Upload(id=secrets.token_hex(32), repository=upload.repository)
        try:
            yield piece.grown(await self._spool.append(piece, body))
        finally:
            await self._spool.discard(piece)

    # -- the end -------------------------------------------------------------------------------

    async def finish(
        self, upload: Upload, digest: Digest, request: Request, said: int | None
    ) -> int:
        """Close an upload with the body of ``request``, if it has one; its size.

        Raises:
            DigestError: its content has another digest, which was found here.
            RegistryError: the upstream refuses it.
            GoneError: the client went away.
        """
        body = _exact(request.body(), said) if request.length != 0 else None
        if not upload.parts:
            return await self._finish_spooled(upload, digest, body)
        running = self._runs.take(upload)
        if algorithm_of(digest) != "sha256":
            running = Running(hasher(algorithm_of(digest)), 0) if not upload.size else None
        if body is None:
            _compare(running, digest)
            await self._close(upload, digest, upload.size, None)
            return upload.size
        body = _hashed(body, running)
        if request.length is not None and request.length > HOLD:
            size = upload.size + request.length
            stream = Stream(request.length, once(_guarded(body, running, digest)))
            with _told():
                await self._upstream.prove(upload.repository, self.place(upload))
            await self._close(upload, digest, size, stream)
            return size
        async with self._piece(upload, body) as piece:
            _compare(running, digest)
            size = upload.size + piece.size
            stream = Stream(piece.size, lambda: self._spool.received(piece, 0, piece.size))
            await self._close(upload, digest, size, stream if piece.size else None)
            return size

    async def _finish_spooled(self, upload: Upload, digest: Digest, body: Bytes | None) -> int:
        if body is not None or not upload.size:
            upload = upload.grown(await self._spool.append(upload, body or _empty()))
        await self._spool.prepare(upload, digest)
        repository = self._upstream.repository(upload.repository)
        for left in reversed(range(TRIES)):
            stream = Stream(upload.size, lambda: self._spool.received(upload, 0, upload.size))
            try:
                place = await repository.places.begin(algorithm=algorithm_of(digest))
                if place is not None:
                    await repository.places.finish(place, digest, stream if upload.size else None)
                break
            except ArtifactError as error:
                if not left or not isinstance(error, UnreachableError):
                    raise refusal(error, "BLOB_UPLOAD_INVALID") from error
                await self._upstream.session.pause(TRIES - left)
        return upload.size

    async def _close(
        self, upload: Upload, digest: Digest, size: int, stream: Stream | None
    ) -> None:
        repository = self._upstream.repository(upload.repository)
        try:
            await repository.places.finish(self.place(upload), digest, stream)
        except ArtifactError as error:
            # The answer may have been lost and not the blob. What sends such a request again, as
            # HTTP allows, is told that the upload is over.
            if isinstance(error, UnreachableError | NotFoundError):
                with contextlib.suppress(ArtifactError):
                    if await self._upstream.size(upload.repository, digest) == size:
                        return
            if getattr(error, "code", "") == "artifact.digest":
                raise DigestInvalid(error.message, detail={"digest": digest}) from error
            raise refusal(error, "BLOB_UPLOAD_INVALID") from error

    async def discard(self, upload: Upload) -> None:
        """Let the upstream and the spool forget an upload."""
        self._runs.forget(upload.id)
        if upload.parts:
            await self._upstream.repository(upload.repository).places.cancel(upload.parts[0])
        else:
            await self._spool.discard(upload)

    def forget(self, upload: Upload) -> None:
        """The upload is over."""
        self._runs.forget(upload.id)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ArtifactError as error:
        raise refusal(error) from error


def _at(upload: Upload, place: Place) -> Upload:
    return msgspec.structs.replace(upload, size=place.offset, parts=(place.url,))


class _Counted:
    def __init__(self, body: Bytes) -> None:
        self._body = body
        self.size = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            self.size += len(piece)
            yield piece


async def _exact(body: Bytes, said: int | None) -> AsyncIterator[bytes]:
    """``body``, which fails at its end if it is not of the length that was said."""
    size = 0
    async for piece in body:
        size += len(piece)
        yield piece
    if said is not None and size != said:
        raise UploadInvalid(f"`Content-Range` is of {said} bytes and {size} came")


async def _hashed(body: Bytes, running: Running | None) -> AsyncIterator[bytes]:
    async for piece in body:
        if running is not None:
            running.update(piece)
        yield piece


async def _guarded(body: Bytes, running: Running | None, digest: Digest) -> AsyncIterator[bytes]:
    """``body``; its last piece only if all of it is right, so that nothing else is ever stored."""
    last = b""
    async for piece in body:
        if last:
            yield last
        last = piece
    _compare(running, digest)
    yield last


def _compare(running: Running | None, digest: Digest) -> None:
    """See that what was received has ``digest``, where that is known here."""
    if running is None:
        return
    found = f"{algorithm_of(digest)}:{running.hexdigest}"
    if found != digest:
        raise DigestInvalid(
            f"the content has the digest `{found}` and not `{digest}`", detail={"digest": digest}
        )


async def _empty() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece
