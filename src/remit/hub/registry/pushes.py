"""Taking in: uploads of blobs, manifests, and taking away (distribution-spec, "Push").

Order of a push: bytes durable, then one transaction that makes them visible and writes the record
into the outbox, then the record durable in the log, then the answer. A crash before the
transaction leaves nothing visible; after it, the record is still written.
"""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.digests import algorithm_of, digest_of, is_digest
from remit.artifacts.oci.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from remit.artifacts.oci.names import is_repository, is_tag
from remit.core.digest import Digest
from remit.core.errors import RemitError
from remit.hub.registry.endpoints import MayPull
from remit.hub.registry.errors import (
    BlobUnknown,
    Busy,
    Denied,
    DigestInvalid,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    RangeInvalid,
    UploadInvalid,
    UploadUnknown,
)
from remit.hub.registry.http import Reply, Request, empty
from remit.hub.registry.ports import About, BlobStore, Describe, Metadata, Placed, Record, Upload
from remit.hub.registry.routes import Route, digest_in

Settle = Callable[[str, Record], Awaitable[None]]
KEEP_S = 5.0
PATIENCE_S = 5.0
"""How long a request waits for another to be done with the same upload."""
MAX_TAGS = 64
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?")


class Pushes:
    """Everything that changes the registry."""

    def __init__(
        self,
        metadata: Metadata,
        store: BlobStore,
        settle: Settle,
        describe: Describe | None = None,
    ) -> None:
        self._metadata = metadata
        self._store = store
        self._settle = settle
        self._describe = describe

    # -- uploads -------------------------------------------------------------------------------

    async def start(self, request: Request, route: Route, by: str, may_pull: MayPull) -> Reply:
        """``POST``: begin an upload, mount a blob, or take one whole."""
        mounted = request.first("mount")
        if mounted is not None:
            reply = await self._mount(request, route, by, digest_in(mounted), may_pull)
            if reply is not None:
                return reply
        algorithm_asked(request)
        digest = request.first("digest")
        wanted = digest_in(digest) if digest is not None else None
        upload = Upload(id=secrets.token_hex(32), repository=route.repository)
        await self._metadata.start_upload(upload, by)
        if wanted is not None:
            return await self._finish(request, upload.repository, upload.id, wanted, by)
        return empty(202, progress_of(upload))

    async def _mount(
        self, request: Request, route: Route, by: str, digest: Digest, may_pull: MayPull
    ) -> Reply | None:
        # Only from a repository that the caller could read: anything else tells who has what.
        source = request.first("from")
        if source is None or not is_repository(source) or not may_pull(source):
            return None
        record = record_of("registry.mount", by, request, route.repository, digest, source=source)
        id_ = await self._metadata.mount_blob(route.repository, digest, source, record)
        if id_ is None:
            return None
        await self._settle(id_, record)
        return created(route.repository, digest)

    async def status(self, route: Route) -> Reply:
        """``GET`` of an upload: how far it is."""
        found = await self._metadata.upload(route.repository, route.value)
        if found is None:
            raise UploadUnknown("there is no such upload, or it has expired")
        return Reply(status=204, headers=progress_of(found))

    async def append(self, request: Request, route: Route) -> Reply:
        """``PATCH``: the next piece."""
        async with self._held(route.repository, route.value) as (upload, holder):
            grown = await self._grow(request, upload)
            if not await self._metadata.release_upload(grown, holder):
                raise UploadInvalid("another request has taken this upload over")
        return empty(202, progress_of(grown))

    async def _grow(self, request: Request, upload: Upload) -> Upload:
        said = check_range(request, upload)
        appended = await self._store.append(upload, request.body())
        if said is not None and appended.size != said:
            raise UploadInvalid(f"`Content-Range` is of {said} bytes and {appended.size} came")
        return upload.grown(appended)

    async def finish(self, request: Request, route: Route, by: str) -> Reply:
        """``PUT``: the last piece, and what all of it is."""
        digest = request.first("digest")
        if digest is None:
            raise DigestInvalid("the upload ends with `?digest=`")
        return await self._finish(request, route.repository, route.value, digest_in(digest), by)

    async def _finish(
        self, request: Request, repository: str, id_: str, digest: Digest, by: str
    ) -> Reply:
        async with self._held(repository, id_) as (held, holder):
            upload = held
            if request.length != 0:
                upload = await self._grow(request, held)
            elif held.size == 0:
                upload = held.grown(await self._store.append(held, nothing()))
            record = record_of("registry.push", by, request, repository, digest, size=upload.size)

            async def publish() -> None:
                await self._store.publish(upload, digest)

            try:
                await self._store.prepare(upload, digest)
                event = await self._metadata.add_blob(
                    upload, digest, publish, record, holder=holder
                )
            except FileNotFoundError as error:
                # An attempt before this one gave the bytes their name, and failed to say so.
                await self._forget(upload)
                raise UploadUnknown("the bytes of the upload are gone; begin it again") from error
            except DigestError as error:
                await self._forget(upload)
                raise DigestInvalid(error.message, detail={"digest": digest}) from error
            except Denied:
                await self._forget(upload)
                raise
            await self._store.discard(upload)
        await self._settle(event, record)
        return created(repository, digest)

    async def cancel(self, route: Route) -> Reply:
        """``DELETE`` of an upload."""
        found = await self._metadata.upload(route.repository, route.value)
        if found is None:
            raise UploadUnknown("there is no such upload, or it has expired")
        await self._forget(found)
        return Reply(status=204)

    async def _forget(self, upload: Upload) -> None:
        await self._metadata.end_upload(upload.id)
        await self._store.discard(upload)

    @contextlib.asynccontextmanager
    async def _held(self, repository: str, id_: str) -> AsyncIterator[tuple[Upload, str]]:
        """Be the one writer of an upload; afterwards it is as far as it was, or released."""
        holder = secrets.token_hex(16)
        upload = await self._hold(repository, id_, holder)
        keeping = asyncio.create_task(self._keep(id_, holder))
        try:
            yield upload, holder
        except BaseException:
            keeping.cancel()
            await asyncio.shield(self._metadata.release_upload(upload, holder))
            raise
        finally:
            keeping.cancel()

    async def _hold(self, repository: str, id_: str, holder: str) -> Upload:
        # A client whose connection broke is back before the Hub knows that the old one is gone.
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                upload = await self._metadata.hold_upload(repository, id_, holder)
            except Busy:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(0.1)
                continue
            if upload is None:
                raise UploadUnknown("there is no such upload, or it has expired")
            return upload

    async def _keep(self, id_: str, holder: str) -> None:
        while True:
            await asyncio.sleep(KEEP_S)
            # Whether it is still the writer is asked when the upload is released or published.
            with contextlib.suppress(RemitError):
                await self._metadata.keep_upload(id_, holder)

    # -- manifests -----------------------------------------------------------------------------

    async def put_manifest(self, request: Request, route: Route, by: str) -> Reply:
        """``PUT`` of a manifest, by digest or by tag."""
        if (request.length or 0) > MAX_MANIFEST_BYTES:
            raise ManifestTooLarge(f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
        try:
            body = await request.read(MAX_MANIFEST_BYTES)
        except UploadInvalid as error:
            raise ManifestTooLarge(error.message) from error
        named = Digest(route.value) if is_digest(route.value) else None
        digest = digest_of(body, algorithm_of(named) if named else "sha256")
        if named and digest != named:
            raise DigestInvalid(
                f"the manifest has the digest `{digest}`", detail={"digest": digest}
            )
        try:
            manifest = parse_manifest(body, request.headers.get("content-type", ""))
        except ManifestError as error:
            raise ManifestInvalid(error.message) from error
        asked = tuple(dict.fromkeys(value for key, value in request.query if key == "tag"))
        if len(asked) > MAX_TAGS or not all(map(is_tag, asked)):
            raise ManifestInvalid("a `tag` of the request is malformed, or there are too many")
        tags = asked if named else (route.value, *asked)
        extra: dict[str, Any] = {"media_type": manifest.media_type[:100], "size": len(body)}
        if manifest.kind:
            extra["artifact_type"] = manifest.kind[:200]
        if manifest.subject:
            extra["subject"] = manifest.subject.digest
        about = await self._about(route.repository, digest, manifest)
        if about.kind:
            extra["kind"] = about.kind
        record = record_of(
            "registry.push", by, request, route.repository, digest, tags=list(tags), **extra
        )
        placed = Placed(
            repository=route.repository,
            digest=digest,
            body=body,
            manifest=manifest,
            tags=tags,
            about=about,
        )
        await self._metadata.check_queue(placed)
        event = await self._place(placed, by, record)
        await self._settle(event, record)
        headers = [
            ("location", f"/v2/{route.repository}/manifests/{digest}"),
            ("docker-content-digest", digest),
        ]
        if manifest.subject:
            headers.append(("oci-subject", manifest.subject.digest))
        if asked:
            headers.append(("oci-tag", ", ".join(asked)))
        return empty(201, tuple(headers))

    async def _about(self, repository: str, digest: Digest, manifest: Manifest) -> About:
        return await self._describe(repository, digest, manifest) if self._describe else About()

    async def drop_manifest(self, request: Request, route: Route, by: str) -> Reply:
        """``DELETE`` of a tag, or of a manifest with its tags."""
        if is_digest(route.value):
            record = record_of("registry.delete", by, request, route.repository, route.digest)
            event = await self._drop(route.repository, route.digest, record)
        else:
            record = record_of(
                "registry.delete", by, request, route.repository, "", tag=route.value
            )
            event = await self._drop_tag(route.repository, route.value, record)
        if event is None:
            raise ManifestUnknown(f"`{route.value}` is not in `{route.repository}`")
        await self._settle(event, record)
        return empty(202)

    async def drop_blob(self, request: Request, route: Route, by: str) -> Reply:
        """``DELETE`` of a blob: of the repository's link to it."""
        record = record_of("registry.delete", by, request, route.repository, route.digest)
        event = await self._drop_blob(route.repository, route.digest, record)
        if event is None:
            raise BlobUnknown(f"`{route.value}` is not in `{route.repository}`")
        await self._settle(event, record)
        return empty(202)

    # -- what a registry that fronts another does there ----------------------------------------

    async def _place(self, placed: Placed, by: str, record: Record) -> str:
        return await self._metadata.put_manifest(placed, by, record)

    async def _drop(self, repository: str, digest: Digest, record: Record) -> str | None:
        return await self._metadata.drop_manifest(repository, digest, record)

    async def _drop_tag(self, repository: str, tag: str, record: Record) -> str | None:
        return await self._metadata.drop_tag(repository, tag, record)

    async def _drop_blob(self, repository: str, digest: Digest, record: Record) -> str | None:
        return await self._metadata.unlink_blob(repository, digest, record)


def algorithm_asked(request: Request) -> str:
    """``digest-algorithm`` of the beginning of an upload.

    Raises:
        DigestInvalid: another than SHA-256 and SHA-512.
    """
    algorithm = request.first("digest-algorithm")
    if algorithm not in {None, "sha256", "sha512"}:
        raise DigestInvalid(f"`{(algorithm or '')[:40]}` is not an algorithm of this registry")
    return algorithm or "sha256"


async def nothing() -> AsyncIterator[bytes]:
    """A body without a byte."""
    for piece in list[bytes]():
        yield piece


def record_of(
    kind: str, by: str, request: Request, repository: str, digest: str, /, **more: Any
) -> Record:
    """What the log will say about a change that ``by`` asked for."""
    artifact = {"repository": repository, **more}
    if digest:
        artifact["digest"] = digest
    return Record(
        kind=kind, body={"actor": {"user": by, "peer": request.peer}, "artifact": artifact}
    )


def check_range(request: Request, upload: Upload) -> int | None:
    """A piece begins where the last one ended; without a range it is simply the next.

    Returns:
        How many bytes the range says that there are; ``None`` without one.

    Raises:
        RangeInvalid: it does not; the headers tell where to go on.
        UploadInvalid: the header cannot be read, or is not as long as the body.
    """
    header = request.headers.get("content-range")
    if header is None:
        return None
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        raise UploadInvalid("`Content-Range` is `FIRST-LAST`")
    first, last = int(found[1]), int(found[2])
    if first != upload.size:
        raise RangeInvalid(
            f"the next byte is {upload.size} and not {first}", headers=progress_of(upload)
        )
    if request.length is not None and last - first + 1 != request.length:
        raise UploadInvalid("`Content-Range` and `Content-Length` do not agree")
    return last - first + 1


def progress_of(upload: Upload) -> tuple[tuple[str, str], ...]:
    """Headers that tell where to go on with an upload."""
    return (
        ("location", f"/v2/{upload.repository}/blobs/uploads/{upload.id}"),
        ("range", f"0-{max(0, upload.size - 1)}"),
        ("docker-upload-uuid", upload.id),
    )


def created(repository: str, digest: Digest) -> Reply:
    """The answer that a blob is there now."""
    return empty(
        201,
        (
            ("location", f"/v2/{repository}/blobs/{digest}"),
            ("docker-content-digest", digest),
        ),
    )
