"""Giving out: blobs, manifests, tags, referrers (distribution-spec, "Pull", "Discovery")."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from remit.artifacts.oci.manifest import INDEX
from remit.artifacts.oci.referrers import index_bytes
from remit.core.digest import Digest
from remit.hub.registry.errors import (
    BlobUnknown,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    SizeInvalid,
)
from remit.hub.registry.http import Reply, Request, json_reply, link_next
from remit.hub.registry.ports import BlobStore, Metadata
from remit.hub.registry.routes import Route

MAX_PAGE = 1000
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class RangeNotSatisfiable(RegistryError):  # noqa: N818 - HTTP's name
    """A range outside of the blob."""

    status, oci = 416, "SIZE_INVALID"


class Pulls:
    """Everything that only reads."""

    def __init__(self, metadata: Metadata, store: BlobStore) -> None:
        self._metadata = metadata
        self._store = store

    async def blob(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a blob, whole or a range.

        Raises:
            BlobUnknown: the repository does not link it.
            RangeNotSatisfiable: the range begins behind its end.
        """
        digest = route.digest
        size = await self._metadata.blob(route.repository, digest, lease=request.method == "HEAD")
        if size is None:
            raise _unknown(route)
        headers = (
            ("content-type", "application/octet-stream"),
            ("docker-content-digest", digest),
            ("accept-ranges", "bytes"),
            ("etag", f'"{digest}"'),
        )
        part = _asked(request, digest, size)
        if part is None:
            if request.method == "GET" and (url := await self._store.url(digest)):
                moved = (("location", url), ("content-length", "0"), *headers[1:2])
                return Reply(status=307, headers=moved)
            return Reply(
                status=200,
                headers=(("content-length", str(size)), *headers),
                stream=self._reader(digest, 0, size),
            )
        start, end = part
        return Reply(
            status=206,
            headers=(
                ("content-length", str(end - start)),
                ("content-range", f"bytes {start}-{end - 1}/{size}"),
                *headers,
            ),
            stream=self._reader(digest, start, end),
        )

    async def check_blob(self, route: Route) -> None:
        """See that the repository links a blob.

        Raises:
            BlobUnknown: it does not.
        """
        if await self._metadata.blob(route.repository, route.digest, lease=False) is None:
            raise _unknown(route)

    def _reader(self, digest: Digest, start: int, end: int) -> Callable[[], Any]:
        return lambda: self._store.read(digest, start, end)

    async def manifest(self, request: Request, route: Route) -> Reply:
        """``GET`` and ``HEAD`` of a manifest, in the bytes that were pushed.

        Raises:
            ManifestUnknown: the repository has none of that name.
        """
        del request
        found = await self._metadata.manifest(route.repository, route.value)
        if found is None:
            raise ManifestUnknown(
                f"`{route.value}` is not in `{route.repository}`", detail={"name": route.value}
            )
        return Reply(
            status=200,
            headers=(
                ("content-type", found.media_type),
                ("content-length", str(len(found.body))),
                ("docker-content-digest", found.digest),
                ("etag", f'"{found.digest}"'),
            ),
            body=found.body,
        )

    async def tags(self, request: Request, route: Route) -> Reply:
        """One page of tags.

        Raises:
            NameUnknown: there is no such repository.
        """
        count = page_size(request)
        last = request.first("last") or ""
        found = await self._metadata.tags(route.repository, last, count + 1)
        if found is None:
            raise NameUnknown(f"there is no repository `{route.repository}`")
        headers: tuple[tuple[str, str], ...] = ()
        if 0 < count < len(found):
            following = {"n": str(count), "last": found[count - 1]}
            headers = (link_next(f"/v2/{route.repository}/tags/list", following),)
        return json_reply({"name": route.repository, "tags": found[:count]}, headers=headers)

    async def referrers(self, request: Request, route: Route) -> Reply:
        """One page of what refers to a manifest; never 404."""
        wanted = wanted_type(request)
        count = page_size(request) or MAX_PAGE
        found = await self._metadata.referrers(
            route.repository, route.digest, wanted, request.first("last") or "", count + 1
        )
        body = index_bytes(found[:count])
        headers: list[tuple[str, str]] = [
            ("content-type", INDEX),
            ("content-length", str(len(body))),
        ]
        if wanted:
            headers.append(("oci-filters-applied", "artifactType"))
        if len(found) > count:
            following = {"n": str(count), "last": found[count - 1].digest}
            if wanted:
                following["artifactType"] = wanted
            headers.append(link_next(f"/v2/{route.repository}/referrers/{route.value}", following))
        return Reply(status=200, headers=tuple(headers), body=body)


def _unknown(route: Route) -> BlobUnknown:
    digest = route.digest
    return BlobUnknown(f"`{digest}` is not in `{route.repository}`", detail={"digest": digest})


def wanted_type(request: Request) -> str:
    """``artifactType`` of a list; empty for all."""
    wanted = request.first("artifactType") or ""
    # Clients that do not escape the `+` of a media type mean it all the same.
    return wanted if ";" in wanted else wanted.replace(" ", "+")


def page_size(request: Request) -> int:
    """``n`` of a list, at most :data:`MAX_PAGE`.

    Raises:
        SizeInvalid: it is not a number.
    """
    text = request.first("n")
    if text is None:
        return MAX_PAGE
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise SizeInvalid("`n` is not a number")
    return min(int(text), MAX_PAGE)


def _asked(request: Request, digest: Digest, size: int) -> tuple[int, int] | None:
    """The range of a ``GET``; other methods have none, nor has one of other content."""
    condition = request.headers.get("if-range", f'"{digest}"')
    if request.method != "GET" or condition != f'"{digest}"':
        return None
    return _part(request.headers.get("range"), size)


def _part(header: str | None, size: int) -> tuple[int, int] | None:
    """``[start, end)`` of a ``Range`` header; ``None`` for the whole (RFC 9110 section 14)."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(
            f"the blob has {size} bytes", headers=(("content-range", f"bytes */{size}"),)
        )
    return start, end


def error_body(error: RegistryError) -> bytes:
    """The errors document of the specification."""
    entry: dict[str, Any] = {"code": error.oci, "message": error.message}
    if error.detail is not None:
        entry["detail"] = error.detail
    return msgspec.json.encode({"errors": [entry]})
