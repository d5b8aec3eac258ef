"""A repository of a registry: manifests, blobs and lists (OCI distribution-spec 1.1).

What is here is one exchange each; :mod:`places` has the endpoints of uploads.
"""

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from remit.artifacts.errors import DigestError, ManifestError
from remit.artifacts.oci.answers import length, next_link, part
from remit.artifacts.oci.auth import repository_scope
from remit.artifacts.oci.digests import algorithm_of, digest_of, is_digest
from remit.artifacts.oci.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RegistryError,
    UnreachableError,
)
from remit.artifacts.oci.http import Answer, read
from remit.artifacts.oci.manifest import (
    ACCEPT,
    INDEXES,
    MAX_DESCRIPTORS,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Manifest,
    essence,
    parse_manifest,
)
from remit.artifacts.oci.names import is_tag
from remit.artifacts.oci.places import Places
from remit.artifacts.oci.referrers import fallback_tag
from remit.artifacts.oci.session import Call, Session
from remit.core.digest import Digest
from remit.core.strictjson import StrictJsonError, parse

MAX_PAGES = 10_000
MAX_TAGS = 1_000_000
MAX_LIST_BYTES = 8 * 1024 * 1024
_NO_REFERRERS = frozenset({404, 405, 501})


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it came, verified: ``data`` has ``descriptor.digest``."""

    descriptor: Descriptor
    manifest: Manifest
    data: bytes


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
        self.places = Places(session, name)
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
        async with self.session.send(self._look(name)) as answer:
            digest, size = answer.headers.get("docker-content-digest"), length(answer.headers)
            if answer.status == HTTPStatus.NOT_FOUND or not is_digest(digest) or size is None:
                return None
            kind = essence(answer.headers.get("content-type"))
            return Descriptor(media_type=kind, digest=Digest(digest), size=size)

    def _look(self, name: str) -> Call:
        return Call(
            method="HEAD",
            target=f"{self._base}/manifests/{name}",
            what=f"look for `{self.name}` `{name}`",
            ok=frozenset({HTTPStatus.OK, HTTPStatus.NOT_FOUND}),
            scopes=self._read,
            headers=(("Accept", ACCEPT),),
        )

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
        async with self.session.send(self._look(name)) as answer:
            return answer.headers.get("etag") if answer.status != HTTPStatus.NOT_FOUND else ""

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
        try:
            async with self.session.send(call) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return False
                found = length(answer.headers)
                return found is None or found == descriptor.size
        except DeniedError:
            return False  # an answer to HEAD has no reason; the upload's will

    async def read_blob(
        self, descriptor: Descriptor, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a blob, unverified, from ``offset`` on, ``length`` of them or all.

        Never gives more than the descriptor says that there are. A registry that ignores ranges
        sends all of it; what was not asked for is dropped as it comes.

        Raises:
            DigestError: the registry has more, or less, than the descriptor says.
            UnreachableError: the answer broke off.
        """
        left = descriptor.size - offset if length is None else length
        if not left:
            return
        end = offset + left - 1
        ranged = offset or end != descriptor.size - 1
        async with self._blob(descriptor, offset, end, ranged=bool(ranged)) as (answer, whole):
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
                    raise _other_size(descriptor)
                left -= len(data)
                yield data
            if left:
                raise UnreachableError(f"`{self.session.origin}` broke off an answer")

    @contextlib.asynccontextmanager
    async def _blob(
        self, descriptor: Descriptor, offset: int, end: int, *, ranged: bool
    ) -> AsyncIterator[tuple[Answer, bool]]:
        """The answer to a request for a blob, and whether it is all of it."""
        digest = descriptor.digest
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
            whole = answer.status == HTTPStatus.OK
            begins, size = (0, length(answer.headers)) if whole else part(answer.headers)
            if not whole and begins != offset:
                raise ProtocolError(f"the registry answers from byte {begins} and not {offset}")
            if size not in {None, descriptor.size}:
                raise _other_size(descriptor)
            yield answer, whole

    async def delete_blob(self, digest: Digest) -> bool:
        """Take a blob out of the repository; whether it was there."""
        return await self._remove("blobs", digest)

    # -- lists ---------------------------------------------------------------------------------

    async def tags(self, limit: int | None = None) -> list[str]:
        """The tags, as the registry sorts them, at most ``limit``."""
        found: list[str] = []
        query = f"?n={limit}" if limit is not None else ""
        target = f"{self._base}/tags/list{query}"
        what = f"list the tags of `{self.name}`"
        async for page in self._pages(target, what):
            names = _tags(page, what)
            found.extend(each for each in names if isinstance(each, str) and is_tag(each))
            if len(found) > MAX_TAGS:
                raise ProtocolError(f"`{self.name}` has more than {MAX_TAGS} tags")
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
                for each in parse_manifest(page).manifests:
                    found.setdefault(each.digest, each)
                if len(found) > MAX_DESCRIPTORS:
                    raise ProtocolError(f"more than {MAX_DESCRIPTORS} refer to `{subject}`")
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
            return answer.status != HTTPStatus.NOT_FOUND

    async def _pages(self, target: str, what: str) -> AsyncIterator[bytes]:
        seen: set[str] = set()
        while target:
            if target in seen or len(seen) >= MAX_PAGES:
                raise ProtocolError(f"cannot {what}: the list of `{self.name}` has no end")
            seen.add(target)
            call = Call(method="GET", target=target, what=what, scopes=self._read)
            async with self.session.send(call) as answer:
                data = await read(answer, MAX_LIST_BYTES)
                link = next_link(answer.headers)
            yield data
            target = self.session.follow(link, self.session.follow(target)) if link else ""


def _tags(page: bytes, what: str) -> list[object]:
    try:
        document = parse(page, fold_keys=False, max_bytes=MAX_LIST_BYTES, max_depth=32)
    except StrictJsonError as error:
        raise ProtocolError(f"cannot {what}: {error.message}") from error
    names = document.get("tags") if isinstance(document, dict) else ""
    if names is not None and not isinstance(names, list):
        raise ProtocolError(f"cannot {what}: the registry answers with something else")
    return names or []


def _other_size(descriptor: Descriptor) -> DigestError:
    return DigestError(
        f"`{descriptor.digest}` has another size than the {descriptor.size} bytes that its"
        " descriptor says",
        hint="what the registry sends is not what the manifest names; nothing of it was kept",
    )


async def ping(session: Session) -> bool:
    """Whether a registry asked for credentials, and accepted them (``GET /v2/``).

    Raises:
        UnauthorizedError: it does not accept them.
        RegistryError: it is no registry.
    """
    call = Call(method="GET", target="/v2/", what="log in")
    async with session.send(call):
        return session.proved
