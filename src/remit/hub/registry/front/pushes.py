"""Taking in for an upstream: it decides, the Hub's rules hold before, and the log is told after."""

import asyncio
import contextlib
import secrets
import weakref

import msgspec

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.digests import algorithm_of
from remit.artifacts.oci.errors import NotFoundError
from remit.artifacts.oci.errors import RegistryError as UpstreamError
from remit.artifacts.oci.names import is_repository
from remit.artifacts.oci.referral import refer, unrefer
from remit.artifacts.oci.referrers import referrer
from remit.core.digest import Digest
from remit.hub.registry.endpoints import MayPull
from remit.hub.registry.errors import (
    BlobUnknown,
    Denied,
    DigestInvalid,
    RangeInvalid,
    Unsupported,
    UploadInvalid,
    UploadUnknown,
)
from remit.hub.registry.front.ports import Notes, Spool
from remit.hub.registry.front.uploads import Line, OutOfStepError
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.http import Reply, Request, empty
from remit.hub.registry.ports import Describe, Placed, Record, Upload
from remit.hub.registry.pushes import (
    Pushes,
    Settle,
    algorithm_asked,
    check_range,
    created,
    progress_of,
    record_of,
)
from remit.hub.registry.routes import Route, digest_in

_NO_TAGS = frozenset({400, 405, 501})
"""What those say who can delete by digest only."""


class FrontPushes(Pushes):
    """Everything that changes the upstream.

    Args:
        upstream: where the bytes go.
        notes: the Hub's catalogue, uploads and outbox.
        spool: room for pieces on their way.
        settle: makes a record durable.
        describe: says what an artifact is.
    """

    def __init__(
        self, upstream: Upstream, notes: Notes, spool: Spool, settle: Settle, describe: Describe
    ) -> None:
        super().__init__(notes, spool, settle, describe)
        self._upstream = upstream
        self._notes = notes
        self._line = Line(upstream, spool)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    # -- uploads -------------------------------------------------------------------------------

    async def start(self, request: Request, route: Route, by: str, may_pull: MayPull) -> Reply:
        """``POST``: begin an upload, mount a blob, or take one whole."""
        name, algorithm = route.repository, algorithm_asked(request)
        mounted, source = request.first("mount"), request.first("from") or ""
        mount = digest_in(mounted) if mounted is not None else None
        digest = request.first("digest")
        wanted = digest_in(digest) if digest is not None else None
        if not is_repository(source) or not may_pull(source):
            # The upstream would mount it for the Hub, which may read everything there.
            mount = None
        repository = self._upstream.repository(name)
        upload = Upload(id=secrets.token_hex(32), repository=name)
        headers: tuple[tuple[str, str], ...] = ()
        if not self._upstream.whole or mount is not None:
            async with self._upstream.answering(invalid="BLOB_UPLOAD_INVALID"):
                place = await repository.places.begin(
                    mount=mount,
                    source=self._upstream.prefix + source if mount is not None else "",
                    algorithm=algorithm_of(wanted) if wanted else algorithm,
                )
            if place is None:
                if mount is None:
                    raise UploadInvalid("the upstream registry began no upload")
                return await self._mounted(request, name, by, mount, source)
            if self._upstream.whole:
                await repository.places.cancel(place.url)
            else:
                upload = msgspec.structs.replace(upload, parts=(place.url,))
                if place.minimum:
                    headers = (("oci-chunk-min-length", str(place.minimum)),)
        await self._metadata.start_upload(upload, by)
        if wanted is not None:
            return await self._finish(request, name, upload.id, wanted, by)
        return empty(202, (*progress_of(upload), *headers))

    async def _mounted(
        self, request: Request, name: str, by: str, digest: Digest, source: str
    ) -> Reply:
        record = record_of("registry.mount", by, request, name, digest, source=source)
        await self._settle(await self._notes.tell(record), record)
        return created(name, digest)

    async def append(self, request: Request, route: Route) -> Reply:
        """``PATCH``: the next piece."""
        async with self._held(route.repository, route.value) as (upload, holder):
            said = check_range(request, upload)
            try:
                grown = await self._line.append(upload, request, said)
            except OutOfStepError as error:
                raise await self._resumed(upload, error, holder) from error
            if not await self._metadata.release_upload(grown, holder):
                raise UploadInvalid("another request has taken this upload over")
        return empty(202, progress_of(grown))

    async def _resumed(
        self, upload: Upload, error: OutOfStepError, holder: str
    ) -> UploadUnknown | RangeInvalid:
        """Remember where the upload is, and tell the client."""
        if error.upload is None:
            self._line.forget(upload)
            await self._metadata.end_upload(upload.id)
            return UploadUnknown(f"the upload is lost: {error.error.message}")
        await self._metadata.release_upload(error.upload, holder)
        return RangeInvalid(error.error.message, headers=progress_of(error.upload))

    async def _finish(
        self, request: Request, repository: str, id_: str, digest: Digest, by: str
    ) -> Reply:
        async with self._held(repository, id_) as (upload, _):
            said = check_range(request, upload) if request.length != 0 else None
            try:
                await self._notes.room(repository, digest, upload.size + (request.length or 0))
                size = await self._line.finish(upload, digest, request, said)
            except (DigestError, DigestInvalid, Denied) as error:
                await self._forget(upload)
                if isinstance(error, DigestError):
                    raise DigestInvalid(error.message, detail={"digest": digest}) from error
                raise
            record = record_of("registry.push", by, request, repository, digest, size=size)
            event = await self._notes.tell(record, upload.id)
            self._line.forget(upload)
            if not upload.parts:
                await self._store.discard(upload)
        await self._settle(event, record)
        return created(repository, digest)

    async def _forget(self, upload: Upload) -> None:
        await self._metadata.end_upload(upload.id)
        await self._line.discard(upload)

    # -- manifests -----------------------------------------------------------------------------

    def _turn(self, repository: str) -> asyncio.Lock:
        """One change of a repository's tags at a time, in this process."""
        return self._turns.setdefault(repository, asyncio.Lock())

    async def _place(self, placed: Placed, by: str, record: Record) -> str:
        async with (
            self._turn(placed.repository),
            self._upstream.answering(invalid="MANIFEST_INVALID"),
        ):
            await self._movable(placed)
            noticed = await self._put(placed)
            if placed.manifest.subject is not None and not noticed:
                await refer(
                    self._upstream.repository(placed.repository),
                    placed.manifest.subject.digest,
                    referrer(placed.manifest, placed.digest, len(placed.body)),
                )
            event = await self._notes.note(placed, by, record, always=True)
        assert event is not None
        return event

    async def _movable(self, placed: Placed) -> None:
        """See that the rules allow it, by what the upstream says that its tags are now."""
        for tag in await self._notes.fixed(placed):
            now = await self._upstream.digest(placed.repository, tag)
            if now is not None and now != placed.digest:
                raise Denied(
                    f"the tag `{tag}` of `{placed.repository}` is set and must not move",
                    detail={"tag": tag},
                )

    async def _put(self, placed: Placed) -> bool:
        """Store a manifest and its tags; whether the upstream took note of its subject."""
        repository = self._upstream.repository(placed.repository)
        kind, tags = placed.manifest.media_type, placed.tags
        noticed = False
        if len(tags) != 1 or algorithm_of(placed.digest) != "sha256":
            subject, given = await self._upstream.put_tagged(
                placed.repository, placed.digest, kind, placed.body, tags
            )
            noticed = subject is not None
            tags = tuple(each for each in tags if each not in given)
            if tags and algorithm_of(placed.digest) != "sha256":
                raise Unsupported("the upstream registry gives tags to SHA-256 digests only")
        for tag in tags:
            subject = await repository.put_manifest(tag, kind, placed.body)
            noticed = noticed or subject is not None
        return noticed

    async def _drop(self, repository: str, digest: Digest, record: Record) -> str | None:
        async with self._turn(repository), self._upstream.answering():
            await self._notes.check_drop(repository, digest)
            there = self._upstream.repository(repository)
            subject: Digest | None = None
            if not await self._upstream.has_referrers(repository):
                with contextlib.suppress(NotFoundError, DigestError, ManifestError):
                    manifest = (await there.manifest(digest)).manifest
                    subject = manifest.subject.digest if manifest.subject else None
            if not await there.delete_manifest(digest):
                await self._upstream.alive()
                await self._notes.gone(repository, digest, record, always=False)
                return None
            if subject is not None:
                await unrefer(there, subject, digest)
            return await self._notes.gone(repository, digest, record, always=True)

    async def _drop_tag(self, repository: str, tag: str, record: Record) -> str | None:
        async with self._turn(repository), self._upstream.answering():
            await self._notes.check_drop(repository, tag)
            try:
                there = await self._upstream.repository(repository).delete_manifest(tag)
            except UpstreamError as error:
                if error.status in _NO_TAGS:
                    raise Unsupported(
                        f"the upstream registry deletes no tags, only manifests: {error.message}"
                    ) from error
                raise
            if not there:
                await self._upstream.alive()
                await self._notes.gone(repository, tag, record, always=False)
                return None
            return await self._notes.gone(repository, tag, record, always=True)

    async def _drop_blob(self, repository: str, digest: Digest, record: Record) -> str | None:
        async with self._upstream.answering(
            lambda: BlobUnknown(f"`{digest}` is not in `{repository}`")
        ):
            await self._notes.check_blob(repository, digest)
            if not await self._upstream.repository(repository).delete_blob(digest):
                await self._upstream.alive()
                return None
        return await self._notes.tell(record)
