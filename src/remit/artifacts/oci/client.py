"""A repository of a registry: every endpoint of the OCI distribution specification 1.1.

Blobs of any size go through :mod:`uploads` and :mod:`downloads`; what is here is one exchange each.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

import msgspec

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.answers import length, next_link, part, received
from remit.artifacts.oci.auth import repository_scope
from remit.artifacts.oci.digests import algorithm_of, digest_of, is_digest
from remit.artifacts.oci.errors import NotFoundError, ProtocolError, RegistryError
from remit.artifacts.oci.http import Answer, Stream, read
from remit.artifacts.oci.manifest import (
    ACCEPT,
    INDEXES,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Manifest,
    essence,
    parse_manifest,
)
from remit.artifacts.oci.names import is_tag
from remit.artifacts.oci.referrers import fallback_tag
from remit.artifacts.oci.session import Call, Session
from remit.core.digest import Digest
from remit.core.strictjson import StrictJsonError, parse

MAX_PAGES = 10_000
MAX_LIST_BYTES = 8 * 1024 * 1024
_OCTETS = (("Content-Type", "application/octet-stream"),)
_NO_REFERRERS = frozenset({404, 405, 501})
_MIN_CHUNK = re.compile(r"[0-9]{1,12}")
_CREATED = 201


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it came, verified: ``data`` has ``descriptor.digest``."""

    descriptor: Descriptor
    manifest: Manifest
    data: bytes


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that a registry has begun.

    Attributes:
        url: where to go on; another after each answer.
        offset: how many bytes it has.
        minimum: the least size of a chunk that it wants, in bytes; 0 for any.
    """

    url: str
    offset: int = 0
    minimum: int = 0


class Repository:
    """One repository.

    Args:
        session: to its registry.
        name: of the repository in the registry's API.
    """

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name
        self._base = f"/v2/{name}"
        self._pull = (repository_scope(name, "pull"),)
        self._push = (repository_scope(name, "pull", "push"),)
        self._delete = (repository_scope(name, "delete", "pull"),)
        self.writes = False
        """Ask for one token to read and write with; else each direction gets its own."""

    @property
    def _read(self) -> tuple[str, ...]:
        return self._push if self.writes else self._pull

    # -- manifests -----------------------------------------------------------------------------

    async def head_manifest(self, name: str) -> Descriptor | None:
        """What is under a tag or digest, unverified; None if there is nothing.

        A registry that leaves out the digest or the size has not said it: also None.
        """
        call = Call(
            method="HEAD",
            target=f"{self._base}/manifests/{name}",
            what=f"look for `{self.name}` `{name}`",
            ok=frozenset({200, 404}),
            scopes=self._read,
            headers=(("Accept", ACCEPT),),
        )
        async with self.session.send(call) as answer:
            digest, size = answer.headers.get("docker-content-digest"), length(answer.headers)
            if answer.status == 404 or not is_digest(digest) or size is None:  # noqa: PLR2004
                return None
            kind = essence(answer.headers.get("content-type"))
            return Descriptor(media_type=kind, digest=Digest(digest), size=size)

    async def manifest(self, name: str, size: int | None = None) -> Fetched:
        """A manifest or index by its tag or digest.

        Args:
            name: tag or digest.
            size: what it must have, if that is known.

        Raises:
            DigestError: the bytes do not have the digest that was asked for, or that was said.
            ManifestError: they are no manifest, or have another size.
            RegistryError: the registry refuses.
        """
        call = Call(
            method="GET",
            target=f"{self._base}/manifests/{name}",
            what=f"get `{self.name}` `{name}`",
            scopes=self._read,
            headers=(("Accept", ACCEPT),),
        )
        async with self.session.send(call) as answer:
            data = await read(answer, MAX_MANIFEST_BYTES if size is None else size)
            kind, said = answer.headers.get("content-type"), answer.headers
        if size is not None and len(data) != size:
            raise ManifestError(f"`{name}` has {len(data)} bytes and not {size}")
        said_digest = said.get("docker-content-digest")
        expected = name if is_digest(name) else said_digest if is_digest(said_digest) else ""
        digest = digest_of(data, algorithm_of(Digest(expected)) if expected else "sha256")
        if expected and digest != expected:
            raise DigestError(
                f"`{self.name}` `{name}` has the digest `{digest}` and not `{expected}`",
                hint="what the registry sent is not what was asked for; nothing was kept",
            )
        manifest = parse_manifest(data, kind)
        return Fetched(
            descriptor=Descriptor(
                media_type=manifest.media_type,
                digest=digest,
                size=len(data),
                artifact_type=manifest.artifact_type,
            ),
            manifest=manifest,
            data=data,
        )

    async def put_manifest(
        self, name: str, media_type: str, data: bytes, *, match: str = ""
    ) -> Digest | None:
        """Store a manifest under a tag or its digest.

        Args:
            name: tag or digest.
            media_type: what it is.
            data: its bytes.
            match: entity tag that what is there must have.

        Returns:
            The subject that the registry took note of (``OCI-Subject``); None if it did not.

        Raises:
            DigestError: the registry says that it stored something else.
        """
        call = Call(
            method="PUT",
            target=f"{self._base}/manifests/{name}",
            what=f"put `{self.name}` `{name}`",
            ok=frozenset({200, 201, 202}),
            scopes=self._push,
            headers=(("Content-Type", media_type), *((("If-Match", match),) if match else ())),
            body=data,
        )
        async with self.session.send(call) as answer:
            stored = answer.headers.get("docker-content-digest")
            subject = answer.headers.get("oci-subject")
        if is_digest(stored) and digest_of(data, algorithm_of(Digest(stored))) != stored:
            raise DigestError(f"the registry stored `{stored[:80]}`, which was not sent")
        return Digest(subject) if is_digest(subject) else None

    async def delete_manifest(self, name: str) -> bool:
        """Delete a tag, or a manifest and its tags; whether there was one."""
        return await self._remove("manifests", name)

    async def entity_tag(self, name: str) -> str:
        """``ETag`` of what is under a tag; empty if there is none or nothing."""
        call = Call(
            method="HEAD",
            target=f"{self._base}/manifests/{name}",
            what=f"look for `{self.name}` `{name}`",
            ok=frozenset({200, 404}),
            scopes=self._read,
            headers=(("Accept", ACCEPT),),
        )
        async with self.session.send(call) as answer:
            return answer.headers.get("etag") if answer.status != 404 else ""  # noqa: PLR2004

    # -- blobs ---------------------------------------------------------------------------------

    async def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a blob, of the size that it must have."""
        call = Call(
            method="HEAD",
            target=f"{self._base}/blobs/{descriptor.digest}",
            what=f"look for `{descriptor.digest}` in `{self.name}`",
            ok=frozenset({200, 404}),
            scopes=self._read,
            redirect=True,
        )
        async with self.session.send(call) as answer:
            if answer.status == 404:  # noqa: PLR2004
                return False
            found = length(answer.headers)
            return found is None or found == descriptor.size

    async def read_blob(
        self, descriptor: Descriptor, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a blob, unverified, from ``offset`` on, ``length`` of them or all.

        Never gives more than the descriptor says that there are. A registry that ignores ranges
        sends all of it; what was not asked for is dropped as it comes.

        Raises:
            ProtocolError: the registry sends more, or less, than the descriptor says.
            UnreachableError: the answer broke off.
        """
        left = descriptor.size - offset if length is None else length
        if not left:
            return
        end = offset + left - 1
        ranged = offset or end != descriptor.size - 1
        async with self._blob(descriptor.digest, offset, end, ranged=bool(ranged)) as (answer, at):
            whole = at == 0 and answer.status == 200  # noqa: PLR2004
            skip = offset if whole else 0
            async for piece in answer.pieces():
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                data, skip = piece[skip:], 0
                if len(data) > left:
                    if whole and end < descriptor.size - 1:
                        yield data[:left]
                        return
                    raise ProtocolError(
                        f"`{descriptor.digest}` is larger than the {descriptor.size} bytes that"
                        " its descriptor says"
                    )
                left -= len(data)
                yield data
            if left:
                raise ProtocolError(
                    f"`{descriptor.digest}` is {left} bytes shorter than its descriptor says"
                )

    @contextlib.asynccontextmanager
    async def _blob(
        self, digest: Digest, offset: int, end: int, *, ranged: bool
    ) -> AsyncIterator[tuple[Answer, int]]:
        call = Call(
            method="GET",
            target=f"{self._base}/blobs/{digest}",
            what=f"get `{digest}` of `{self.name}`",
            ok=frozenset({200, 206}),
            scopes=self._read,
            headers=(("Range", f"bytes={offset}-{end}"),) if ranged else (),
            redirect=True,
        )
        async with self.session.send(call) as answer:
            begins = part(answer.headers)[0] if answer.status == 206 else 0  # noqa: PLR2004
            if begins not in {0, offset}:
                raise ProtocolError(f"the registry answers from byte {begins} and not {offset}")
            yield answer, begins

    async def delete_blob(self, digest: Digest) -> bool:
        """Take a blob out of the repository; whether it was there."""
        return await self._remove("blobs", digest)

    # -- uploads -------------------------------------------------------------------------------

    async def begin_upload(
        self, *, mount: Digest | None = None, source: str = "", algorithm: str = "sha256"
    ) -> Place | None:
        """Begin an upload; None if the blob was mounted from ``source`` and none is needed."""
        query: dict[str, str] = {}
        scopes: tuple[str, ...] = self._push
        if mount is not None and source:
            query = {"mount": mount, "from": source}
            scopes = (*self._push, repository_scope(source, "pull"))
        elif algorithm != "sha256":
            query = {"digest-algorithm": algorithm}
        call = Call(
            method="POST",
            target=f"{self._base}/blobs/uploads/" + (f"?{urlencode(query)}" if query else ""),
            what=f"upload to `{self.name}`",
            ok=frozenset({201, 202}),
            scopes=scopes,
        )
        async with self.session.send(call) as answer:
            if answer.status == _CREATED:
                return None
            return self._place(answer, 0)

    async def upload_state(self, url: str) -> Place | None:
        """How far an upload is; None if the registry does not know it any more."""
        call = Call(
            method="GET",
            target=url,
            what=f"go on with an upload to `{self.name}`",
            ok=frozenset({200, 202, 204, 400, 404, 405, 410, 416}),
            scopes=self._push,
        )
        async with self.session.send(call) as answer:
            if answer.status >= 400:  # noqa: PLR2004
                return None
            return self._place(answer, received(answer.headers), url)

    async def append(self, place: Place, chunk: Stream, *, last: int) -> Place:
        """Send the next chunk.

        Args:
            place: where the upload is.
            chunk: its bytes.
            last: offset of its last byte.

        Raises:
            RegistryError: of status 416 if the registry is at another offset.
        """
        call = Call(
            method="PATCH",
            target=place.url,
            what=f"upload to `{self.name}`",
            ok=frozenset({201, 202, 204}),  # 201 is what Amazon's says
            scopes=self._push,
            headers=(*_OCTETS, ("Content-Range", f"{place.offset}-{last}")),
            body=chunk,
            repeat=False,
        )
        async with self.session.send(call) as answer:
            offset = received(answer.headers) if answer.headers.get("range") else last + 1
            return self._place(answer, offset, place.url, place.minimum)

    async def finish_upload(self, place: Place, digest: Digest, body: Stream | None = None) -> None:
        """Close an upload; ``body`` is what is left of the blob, from ``place.offset`` on.

        Raises:
            DigestError: the registry has other bytes than were meant.
        """
        joint = "&" if "?" in place.url else "?"
        ranged: tuple[tuple[str, str], ...] = ()
        if body is not None and place.offset:
            last = place.offset + body.length - 1
            ranged = (("Content-Range", f"{place.offset}-{last}"),)
        call = Call(
            method="PUT",
            target=f"{place.url}{joint}digest={quote(digest, safe='')}",
            what=f"upload `{digest}` to `{self.name}`",
            ok=frozenset({201, 204}),
            scopes=self._push,
            headers=(*_OCTETS, *ranged),
            body=body if body is not None else b"",
            repeat=False,
        )
        try:
            async with self.session.send(call):
                return
        except RegistryError as error:
            if "DIGEST_INVALID" in error.reasons:
                raise DigestError(
                    f"what arrived does not have the digest `{digest}`: {error.message}"
                ) from error
            raise

    async def cancel_upload(self, url: str) -> None:
        """Give an upload up. That it cannot be is no error: it expires."""
        call = Call(
            method="DELETE",
            target=url,
            what="give up an upload",
            scopes=self._push,
            ok=frozenset(range(200, 600)),
            repeat=False,
        )
        with contextlib.suppress(RegistryError):
            async with self.session.send(call):
                pass

    # -- lists ---------------------------------------------------------------------------------

    async def tags(self, limit: int | None = None) -> list[str]:
        """The tags, as the registry sorts them, at most ``limit``."""
        found: list[str] = []
        query = f"?n={limit}" if limit is not None else ""
        target = f"{self._base}/tags/list{query}"
        async for page in self._pages(target, f"list the tags of `{self.name}`"):
            names = page.get("tags") or []
            if not isinstance(names, list):
                raise ProtocolError("the list of tags is not a list")
            found.extend(each for each in names if isinstance(each, str) and is_tag(each))
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    async def referrers(self, subject: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What refers to ``subject``: by the API, or by the tag that stands in for it."""
        filtered = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        target = f"{self._base}/referrers/{subject}{filtered}"
        found: dict[str, Descriptor] = {}
        try:
            async for page in self._pages(target, f"list what refers to `{subject}`"):
                data = msgspec.json.encode(page)
                for each in parse_manifest(data).manifests:
                    found.setdefault(each.digest, each)
        except RegistryError as error:
            if error.status not in _NO_REFERRERS:
                raise
            found = {each.digest: each for each in await self.tagged_referrers(subject)}
        return [each for each in found.values() if artifact_type in {"", each.artifact_type}]

    async def tagged_referrers(self, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to ``subject`` by the index under its tag; none if there is no such tag."""
        try:
            fetched = await self.manifest(fallback_tag(subject))
        except NotFoundError:
            return ()
        if fetched.manifest.media_type not in INDEXES:
            raise ManifestError(f"`{fallback_tag(subject)}` of `{self.name}` is not an index")
        return fetched.manifest.manifests

    # -- shared --------------------------------------------------------------------------------

    async def _remove(self, kind: str, name: str) -> bool:
        call = Call(
            method="DELETE",
            target=f"{self._base}/{kind}/{name}",
            what=f"delete `{name}` of `{self.name}`",
            ok=frozenset({200, 202, 204, 404}),
            scopes=self._delete,
        )
        async with self.session.send(call) as answer:
            return answer.status != 404  # noqa: PLR2004

    async def _pages(self, target: str, what: str) -> AsyncIterator[dict[str, object]]:
        seen: set[str] = set()
        while target:
            if target in seen or len(seen) >= MAX_PAGES:
                raise ProtocolError(f"cannot {what}: the list of `{self.name}` has no end")
            seen.add(target)
            call = Call(method="GET", target=target, what=what, scopes=self._read)
            async with self.session.send(call) as answer:
                data = await read(answer, MAX_LIST_BYTES)
                link = next_link(answer.headers)
            try:
                page = parse(data, fold_keys=False, max_bytes=MAX_LIST_BYTES, max_depth=32)
            except StrictJsonError as error:
                raise ProtocolError(f"cannot {what}: {error.message}") from error
            if not isinstance(page, dict):
                raise ProtocolError(f"cannot {what}: the list is not a JSON object")
            yield page
            target = self.session.follow(link, self.session.follow(target)) if link else ""

    def _place(self, answer: Answer, offset: int, url: str = "", minimum: int = 0) -> Place:
        location = answer.headers.get("location")
        if location or not url:
            url = self.session.follow(location)
        said = answer.headers.get("oci-chunk-min-length")
        if _MIN_CHUNK.fullmatch(said):
            minimum = int(said)
        return Place(url=url, offset=offset, minimum=minimum)


async def ping(session: Session) -> bool:
    """Whether a registry asked for credentials, and accepted them (``GET /v2/``).

    Raises:
        UnauthorizedError: it does not accept them.
        RegistryError: it is no registry.
    """
    call = Call(method="GET", target="/v2/", what="log in")
    async with session.send(call):
        return session.proved
