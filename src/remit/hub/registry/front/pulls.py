"""Giving out what the upstream keeps: verified on the way, and noted in the catalogue."""

import contextlib
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator

from remit.artifacts.oci.answers import length, part
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.errors import ProtocolError
from remit.artifacts.oci.http import Answer
from remit.artifacts.oci.manifest import INDEX, Descriptor
from remit.artifacts.oci.names import is_tag
from remit.artifacts.oci.referrers import index_bytes
from remit.core.digest import Digest
from remit.hub.registry.errors import BlobUnknown, ManifestUnknown, NameUnknown
from remit.hub.registry.front.noting import FALLBACK, Noting
from remit.hub.registry.front.upstream import Upstream
from remit.hub.registry.front.verified import bounded, verified
from remit.hub.registry.http import Reply, Request, json_reply, link_next
from remit.hub.registry.pulls import MAX_PAGE, RangeNotSatisfiable, page_size, wanted_type
from remit.hub.registry.routes import Route

AHEAD = 64 * 1024
"""Bytes of a blob that are read before its reply begins: errors in small ones are still errors."""
NOTED_S = 60.0
MAX_NOTED = 10_000
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{0,19})|bytes=-(\d{1,19})")
_PARTIAL, _UNSATISFIABLE = 206, 416


class FrontPulls:
    """Everything that only reads, of an upstream.

    Args:
        upstream: where the bytes are.
        noting: notes what is given out.
    """

    def __init__(self, upstream: Upstream, noting: Noting) -> None:
        self._upstream = upstream
        self._noting = noting
        self._noted: OrderedDict[tuple[str, str, Digest], float] = OrderedDict()

    # -- blobs ---------------------------------------------------------------------------------

    async def blob(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a blob, whole or a range.

        A whole blob is verified on the way: a wrong one is refused, or cut off if it is large. The
        parts of a range can be verified only by whoever puts them together.

        Raises:
            BlobUnknown: the upstream does not have it.
            RangeNotSatisfiable: the range begins behind its end.
            RegistryError: whatever the upstream says.
        """
        digest, name = route.digest, route.repository
        ranges = _range(request.headers.get("range")) if request.method == "GET" else ""
        if request.headers.get("if-range", f'"{digest}"') != f'"{digest}"':
            ranges = ""
        async with (
            self._upstream.answering(lambda: _unknown(route)),
            contextlib.AsyncExitStack() as stack,
        ):
            answer = await stack.enter_async_context(
                self._upstream.blob(name, digest, request.method, ranges)
            )
            size = length(answer.headers)
            if request.method == "HEAD":
                return Reply(status=200, headers=(*_sized(size), *_blob_headers(digest)))
            if answer.status == _UNSATISFIABLE:
                total = re.fullmatch(r"bytes \*/([0-9]{1,18})", answer.headers.get("content-range"))
                raise RangeNotSatisfiable(
                    "the blob is shorter than that",
                    headers=(("content-range", f"bytes */{total[1]}"),) if total else (),
                )
            if answer.status == _PARTIAL:
                return _partial(answer, ranges, digest, stack)
            return await _whole(answer, size, digest, stack)

    async def check_blob(self, route: Route) -> None:
        """See that the upstream has a blob.

        Raises:
            BlobUnknown: it does not.
            RegistryError: whatever the upstream says.
        """
        asked = self._upstream.blob(route.repository, route.digest, "HEAD")
        async with self._upstream.answering(lambda: _unknown(route)), asked:
            pass

    # -- manifests -----------------------------------------------------------------------------

    async def manifest(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a manifest, in the bytes that were pushed.

        Raises:
            ManifestUnknown: the upstream has none of that name.
            RegistryError: whatever the upstream says.
        """
        name, value = route.repository, route.value

        def missing() -> ManifestUnknown:
            return ManifestUnknown(f"`{value}` is not in `{name}`", detail={"name": value})

        repository = self._upstream.repository(name)
        async with self._upstream.answering(missing):
            if request.method == "HEAD":
                head = await repository.head_manifest(value)
                if head is not None and head.media_type:
                    return Reply(status=200, headers=_manifest_headers(head))
            fetched = await repository.manifest(value)
        await self.note(name, value, fetched)
        return Reply(status=200, headers=_manifest_headers(fetched.descriptor), body=fetched.data)

    async def note(self, repository: str, value: str, fetched: Fetched) -> None:
        """Put what was seen into the catalogue."""
        if FALLBACK.fullmatch(value):
            return
        digest = fetched.descriptor.digest
        key, now = (repository, value, digest), self._upstream.session.transport.now()
        if self._noted.get(key, 0.0) > now:
            return
        await self._noting.see(repository, value, fetched)
        self._noted[key] = now + NOTED_S
        while len(self._noted) > MAX_NOTED:
            self._noted.popitem(last=False)

    # -- lists ---------------------------------------------------------------------------------

    async def tags(self, request: Request, route: Route) -> Reply:
        """One page of tags, in the order of bytes whatever the upstream's is.

        Raises:
            NameUnknown: there is no such repository.
            RegistryError: whatever the upstream says.
        """
        name, count = route.repository, page_size(request)
        last = request.first("last") or ""

        def missing() -> NameUnknown:
            return NameUnknown(f"there is no repository `{name}`")

        async with self._upstream.answering(missing):
            names = await self.names(name)
        page = [each for each in names if each > last][: count + 1]
        headers: tuple[tuple[str, str], ...] = ()
        if 0 < count < len(page):
            following = {"n": str(count), "last": page[count - 1]}
            headers = (link_next(f"/v2/{name}/tags/list", following),)
        return json_reply({"name": name, "tags": page[:count]}, headers=headers)

    async def names(self, repository: str) -> list[str]:
        """All tags but those that stand in for the referrers API.

        Raises:
            ArtifactError: the upstream refuses.
        """
        found = {
            each for each in await self._upstream.repository(repository).tags() if is_tag(each)
        }
        if any(map(FALLBACK.fullmatch, found)) and not await self._upstream.has_referrers(
            repository
        ):
            found = {each for each in found if FALLBACK.fullmatch(each) is None}
        return sorted(found)

    async def referrers(self, request: Request, route: Route) -> Reply:
        """One page of what refers to a manifest, by the upstream's API or its tag schema.

        Raises:
            RegistryError: the upstream does not say; never that there is none.
        """
        name, wanted = route.repository, wanted_type(request)
        count, last = page_size(request) or MAX_PAGE, request.first("last") or ""
        async with self._upstream.answering():
            every = await self._upstream.repository(name).referrers(route.digest, wanted)
            if not every:
                await self._upstream.alive()
        page = sorted((each for each in every if each.digest > last), key=lambda each: each.digest)
        body = index_bytes(page[:count])
        headers: list[tuple[str, str]] = [
            ("content-type", INDEX),
            ("content-length", str(len(body))),
        ]
        if wanted:
            headers.append(("oci-filters-applied", "artifactType"))
        if len(page) > count:
            following = {"n": str(count), "last": page[count - 1].digest}
            if wanted:
                following["artifactType"] = wanted
            headers.append(link_next(f"/v2/{name}/referrers/{route.value}", following))
        return Reply(status=200, headers=tuple(headers), body=body)


def _unknown(route: Route) -> BlobUnknown:
    digest = route.digest
    return BlobUnknown(f"`{digest}` is not in `{route.repository}`", detail={"digest": digest})


def _range(header: str | None) -> str:
    """A ``Range`` that is passed on; empty for the whole (RFC 9110, 14)."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return ""
    return match[0]


def _sized(size: int | None) -> tuple[tuple[str, str], ...]:
    return () if size is None else (("content-length", str(size)),)


def _blob_headers(digest: Digest) -> tuple[tuple[str, str], ...]:
    return (
        ("content-type", "application/octet-stream"),
        ("docker-content-digest", digest),
        ("accept-ranges", "bytes"),
        ("etag", f'"{digest}"'),
    )


def _manifest_headers(descriptor: Descriptor) -> tuple[tuple[str, str], ...]:
    return (
        ("content-type", descriptor.media_type),
        ("content-length", str(descriptor.size)),
        ("docker-content-digest", descriptor.digest),
        ("etag", f'"{descriptor.digest}"'),
    )


def _partial(
    answer: Answer, ranges: str, digest: Digest, stack: contextlib.AsyncExitStack
) -> Reply:
    first, total = part(answer.headers)
    asked = _RANGE.fullmatch(ranges)
    said = re.search(r"-([0-9]+)/", answer.headers.get("content-range"))
    if asked is None or said is None or (asked[1] and int(asked[1]) != first):
        raise ProtocolError(f"the registry answers from byte {first} and not as it was asked")
    last = int(said[1])
    size = last - first + 1
    stream = bounded(answer.pieces(), size)
    kept = stack.pop_all()
    return Reply(
        status=_PARTIAL,
        headers=(
            ("content-length", str(size)),
            ("content-range", f"bytes {first}-{last}/{'*' if total is None else total}"),
            *_blob_headers(digest),
        ),
        stream=lambda: stream,
        done=kept.aclose,
    )


async def _whole(
    answer: Answer, size: int | None, digest: Digest, stack: contextlib.AsyncExitStack
) -> Reply:
    stream = verified(answer.pieces(), digest, size)
    begun, ahead = list[bytes](), 0
    async for piece in stream:
        begun.append(piece)
        ahead += len(piece)
        if ahead >= AHEAD:
            break
    else:
        body = b"".join(begun)
        return Reply(status=200, headers=(*_sized(len(body)), *_blob_headers(digest)), body=body)

    async def rest() -> AsyncGenerator[bytes, None]:
        for piece in begun:
            yield piece
        begun.clear()
        async for piece in stream:
            yield piece

    kept = stack.pop_all()
    return Reply(
        status=200,
        headers=(*_sized(size), *_blob_headers(digest)),
        stream=rest,
        done=kept.aclose,
    )
