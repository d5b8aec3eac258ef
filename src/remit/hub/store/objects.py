"""Blobs in an object store: S3 and what speaks its language.

::

    blobs/sha256/<hex>           content, named by its digest
    uploads/<id>/<random>        one piece of an upload; the database knows which, and their order
    uploads/<id>/whole           the pieces as one, before it is published

An object appears when it is complete or not at all, so a request that breaks off leaves nothing. A
piece is what one request brought. An upload of one piece is published by a copy inside the store;
of several, they are read, verified and written as one. Any process can go on with any upload.
"""

import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.digests import algorithm_of, hasher, hex_of, parse_digest
from remit.core.digest import Digest
from remit.hub.errors import HubError
from remit.hub.registry.ports import Appended, Bytes, Upload
from remit.hub.registry.running import Runs

if TYPE_CHECKING:
    from obstore.store import S3Config

PIECE = 8 * 1024 * 1024
CONCURRENCY = 4
MAX_COPY = 4 * 1024**3
"""Beyond 5 GiB, S3 copies no object in one request."""
SIGNED_S = 600
WHOLE = timedelta(days=1)
"""How long a request may take: clients read large blobs as slowly as they like."""
SILENT = timedelta(seconds=60)
"""How long a store may say nothing; it copies an object of :data:`MAX_COPY` in less."""
RETRY = timedelta(seconds=20)
"""How long a store that does not answer is asked again before the client hears of it."""


class ObjectsError(HubError):
    """The object store cannot be reached or used."""

    code = "hub.blobs"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        text = " ".join(str(error).split())[:200]
        raise ObjectsError(
            f"the object store cannot be used: {text}",
            hint="see its address, its credentials and that it runs",
        ) from error


def store_at(url: str) -> S3Store:
    """The object store at ``s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]``.

    Credentials are those of the environment (``AWS_ACCESS_KEY_ID`` …) or of the machine's role.

    Raises:
        ObjectsError: an address of another kind.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "s3" or not parts.netloc or set(options) - {"endpoint", "region"}:
        raise ObjectsError(
            f"`{url[:200]}` is not an address of an object store",
            hint="s3://BUCKET/PREFIX, with ?endpoint=URL for a store that is not Amazon's",
        )
    config: S3Config = {}
    if endpoint := options.get("endpoint"):
        config["endpoint"] = endpoint
        config["virtual_hosted_style_request"] = False
    config["region"] = options.get("region", "us-east-1")
    clear = endpoint is not None and endpoint.startswith("http://")
    with _told():
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options={"allow_http": clear, "timeout": WHOLE, "read_timeout": SILENT},
            retry_config={"max_retries": 5, "retry_timeout": RETRY},
        )


class Objects:
    """The :class:`~remit.hub.registry.ports.BlobStore` in an object store.

    Args:
        store: obstore's.
        redirect: send clients to the store for blobs, by addresses that are good for ten minutes.
    """

    def __init__(self, store: S3Store, *, redirect: bool = False) -> None:
        self._store = store
        self._redirect = redirect
        self._runs = Runs()
        self._in_place: set[str] = set()

    @staticmethod
    def _blob(digest: Digest) -> str:
        return f"blobs/{algorithm_of(digest)}/{hex_of(parse_digest(digest))}"

    @staticmethod
    def _part(upload: Upload, name: str) -> str:
        return f"uploads/{upload.id}/{name}"

    async def append(self, upload: Upload, body: Bytes) -> Appended:
        """Put one more piece; nothing of it stays if ``body`` breaks off."""
        running = self._runs.take(upload)
        before = running.copy() if running else None
        name = secrets.token_hex(8)
        size = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in body:
                if running:
                    running.update(piece)
                size += len(piece)
                yield piece

        try:
            await self._put(self._part(upload, name), pieces())
        except BaseException:
            self._runs.keep(upload.id, before)
            raise
        self._runs.keep(upload.id, running)
        return Appended(size=size, part=name)

    async def _put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        """Write an object: at once if it is small, else in parts; whole or not at all."""
        joined = _joined(pieces)
        first = await anext(joined, b"")
        if len(first) < PIECE:
            with _told():
                await obstore.put_async(self._store, path, first)
            return
        failed: list[BaseException] = []

        async def rest() -> AsyncIterator[bytes]:
            try:
                yield first
                async for piece in joined:
                    yield piece
            except BaseException as error:
                failed.append(error)
                raise

        try:
            with _told():
                await obstore.put_async(
                    self._store, path, rest(), chunk_size=PIECE, max_concurrency=CONCURRENCY
                )
        except Exception:
            if failed:
                raise failed[0] from None
            raise

    async def prepare(self, upload: Upload, digest: Digest) -> None:
        """Verify the pieces, and make one object of several."""
        algorithm = algorithm_of(digest)
        known = self._runs.take(upload)
        if known is not None and algorithm == "sha256" and known.digest != digest:
            raise DigestError(f"the content has the digest `{known.digest}` and not `{digest}`")
        large = upload.size > MAX_COPY
        if len(upload.parts) == 1 and known is not None and algorithm == "sha256" and not large:
            return
        taken = hasher(algorithm)
        size = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal size
            for part in upload.parts:
                async for piece in self._pieces(self._part(upload, part)):
                    taken.update(piece)
                    size += len(piece)
                    yield piece

        def check() -> None:
            found = f"{algorithm}:{taken.hexdigest()}"
            if found != digest or size != upload.size:
                raise DigestError(f"the content has the digest `{found}` and not `{digest}`")

        async def checked() -> AsyncIterator[bytes]:
            async for piece in pieces():
                yield piece
            check()

        if len(upload.parts) == 1 and not large:
            async for _ in checked():
                pass
            return
        # The check is the last thing the writer waits for: what is wrong is never complete.
        path = self._blob(digest) if large else self._part(upload, "whole")
        await self._put(path, checked())
        if large:
            self._in_place.add(upload.id)

    async def publish(self, upload: Upload, digest: Digest) -> None:
        """Copy the object to its name; a very large one is there already."""
        if upload.id in self._in_place:
            self._in_place.discard(upload.id)
            if await self.size(digest) != upload.size:
                raise ObjectsError("the blob was collected while it was pushed; push it again")
            return
        source = upload.parts[0] if len(upload.parts) == 1 else "whole"
        with _told():
            await obstore.copy_async(self._store, self._part(upload, source), self._blob(digest))

    async def discard(self, upload: Upload) -> None:
        """Delete all pieces."""
        self._runs.forget(upload.id)
        with _told():
            paths = [
                entry["path"]
                async for page in obstore.list(self._store, f"uploads/{upload.id}/")
                for entry in page
            ]
            if paths:
                await obstore.delete_async(self._store, paths)

    async def size(self, digest: Digest) -> int | None:
        """Size of the object."""
        try:
            with _told():
                return (await obstore.head_async(self._store, self._blob(digest)))["size"]
        except ObjectsError as error:
            # obstore raises the built-in error and not one of its own.
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    async def _pieces(self, path: str, start: int = 0, end: int | None = None) -> Bytes:
        options: Any = {"range": (start, end)} if end is not None else None
        with _told():
            found = await obstore.get_async(self._store, path, options=options)
            async for piece in found.stream(min_chunk_size=1024 * 1024):
                yield bytes(piece)

    async def read(self, digest: Digest, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Pieces of the object."""
        if start < end:
            async for piece in self._pieces(self._blob(digest), start, end):
                yield piece

    async def url(self, digest: Digest) -> str | None:
        """A signed address."""
        if not self._redirect:
            return None
        with _told():
            return await obstore.sign_async(
                self._store, "GET", self._blob(digest), timedelta(seconds=SIGNED_S)
            )

    async def remove(self, digest: Digest) -> None:
        """Delete the object."""
        with _told():
            await obstore.delete_async(self._store, self._blob(digest))

    async def digests(self) -> AsyncIterator[tuple[Digest, int, int]]:
        """Every object below ``blobs``."""
        with _told():
            async for page in obstore.list(self._store, "blobs/"):
                for entry in page:
                    _, algorithm, name = entry["path"].rsplit("/", 2)
                    written = int(entry["last_modified"].timestamp() * 1_000_000)
                    yield Digest(f"{algorithm}:{name}"), entry["size"], written

    async def leftovers(self) -> AsyncIterator[tuple[str, int]]:
        """Every upload that has pieces, once for each."""
        with _told():
            async for page in obstore.list(self._store, "uploads/"):
                for entry in page:
                    written = int(entry["last_modified"].timestamp() * 1_000_000)
                    yield entry["path"].rsplit("/", 2)[1], written

    async def close(self) -> None:
        """There is nothing to close."""


async def _joined(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of exactly :data:`PIECE` bytes, the last one shorter."""
    kept = bytearray()
    async for piece in pieces:
        kept += piece
        while len(kept) >= PIECE:
            yield bytes(kept[:PIECE])
            del kept[:PIECE]
    if kept:
        yield bytes(kept)
