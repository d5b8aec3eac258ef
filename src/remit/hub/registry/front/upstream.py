"""The registry behind a Hub: exchanges with it, through the client's session."""

import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote, urlencode

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.answers import length, received
from remit.artifacts.oci.auth import Auth, repository_scope
from remit.artifacts.oci.client import Repository, ping
from remit.artifacts.oci.digests import algorithm_of, digest_of
from remit.artifacts.oci.errors import NotFoundError, ProtocolError
from remit.artifacts.oci.http import UNKNOWN, Answer, Stream, read
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.oci.places import Place
from remit.artifacts.oci.session import Call, Session
from remit.artifacts.oci.uploads import takes_one_request
from remit.core.digest import Digest
from remit.hub.registry.errors import BadGateway, RegistryError, Unavailable
from remit.hub.registry.front.refusals import refusal
from remit.hub.registry.ports import Bytes

ALIVE_S = 30.0
"""How long the upstream is believed to be a registry after it showed that."""
KNOWN_S = 600.0
"""How long it is believed to have, or not to have, the referrers API."""
_OCTETS = (("Content-Type", "application/octet-stream"),)
_NOBODY = Digest("sha256:" + "0" * 64)


class Upstream:
    """The registry that keeps the bytes.

    Args:
        session: to it.
        auth: of the session.
        prefix: what stands before the Hub's names of repositories there; empty or ends in ``/``.
        credentials: whether the Hub has an account there.
    """

    def __init__(
        self, session: Session, auth: Auth, *, prefix: str = "", credentials: bool = False
    ) -> None:
        self.session = session
        self.prefix = prefix
        self.whole = takes_one_request(session.origin.host)
        """Whether it takes a blob in one request only."""
        self._auth = auth
        self._credentials = credentials
        self._alive_until = 0.0
        self._referrers: tuple[bool, float] = (False, 0.0)

    def repository(self, name: str) -> Repository:
        """The repository that the Hub calls ``name``."""
        return Repository(self.session, self.prefix + name)

    @contextlib.asynccontextmanager
    async def answering(
        self, missing: Callable[[], RegistryError] | None = None, invalid: str = "UNSUPPORTED"
    ) -> AsyncIterator[None]:
        """Say in the Hub's words what the upstream refuses inside of the block.

        Args:
            missing: what is said when the upstream does not have it.
            invalid: the code of a refusal without one.

        Raises:
            RegistryError: whatever the upstream or the way to it said.
        """
        try:
            yield
        except NotFoundError as error:
            if not error.reasons:
                await self.alive()
            raise (missing() if missing else refusal(error, invalid)) from error
        except ArtifactError as error:
            raise refusal(error, invalid) from error

    async def alive(self) -> None:
        """See that a registry answers: what says 404 to everything has not said what it lacks.

        Raises:
            RegistryError: none does.
        """
        now = self.session.transport.now()
        if now < self._alive_until:
            return
        try:
            await ping(self.session)
        except NotFoundError as error:
            raise BadGateway(f"no registry answers at `{self.session.origin}`") from error
        except ArtifactError as error:
            raise refusal(error) from error
        self._alive_until = now + ALIVE_S

    async def has_referrers(self, name: str) -> bool:
        """Whether it has the referrers API (distribution-spec 1.1); remembered for a while."""
        known, until = self._referrers
        now = self.session.transport.now()
        if now < until:
            return known
        repository = self.repository(name)
        call = Call(
            method="GET",
            target=f"/v2/{repository.name}/referrers/{_NOBODY}",
            what=f"list what refers to something in `{repository.name}`",
            ok=frozenset({200, 400, 404, 405, 501}),
            scopes=(repository_scope(repository.name, "pull"),),
        )
        async with self.session.send(call) as answer:
            found = answer.status == 200  # noqa: PLR2004
        self._referrers = (found, now + KNOWN_S)
        return found

    async def digest(self, name: str, tag: str) -> Digest | None:
        """What a tag is now; ``None`` if there is none.

        Raises:
            ArtifactError: the upstream does not say.
        """
        repository = self.repository(name)
        found = await repository.head_manifest(tag)
        if found is not None:
            return found.digest
        try:
            return (await repository.manifest(tag)).descriptor.digest
        except NotFoundError as error:
            if not error.reasons:
                await self.alive()
            return None

    # -- blobs ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def blob(
        self, name: str, digest: Digest, method: str = "GET", ranges: str = ""
    ) -> AsyncIterator[Answer]:
        """The answer to ``GET`` or ``HEAD`` of a blob: 200, 206 or 416.

        Args:
            name: of the repository.
            digest: of the blob.
            method: of HTTP.
            ranges: value of ``Range``; empty for the whole.

        Raises:
            ArtifactError: the upstream refuses.
        """
        repository = self.repository(name)
        call = Call(
            method=method,
            target=f"/v2/{repository.name}/blobs/{digest}",
            what=f"get `{digest}` of `{repository.name}`",
            ok=frozenset({200, 206, 416}) if ranges else frozenset({200}),
            scopes=(repository_scope(repository.name, "pull"),),
            headers=(("Range", ranges),) if ranges else (),
            redirect=True,
        )
        async with self.session.send(call) as answer:
            yield answer

    async def size(self, name: str, digest: Digest) -> int | None:
        """Bytes of a blob; ``None`` if it is not there, or the upstream does not say.

        Raises:
            ArtifactError: the upstream refuses.
        """
        try:
            async with self.blob(name, digest, "HEAD") as answer:
                return length(answer.headers)
        except NotFoundError:
            return None

    async def small(self, name: str, descriptor: Descriptor, limit: int) -> bytes | None:
        """A small blob, verified; ``None`` if it is not, or cannot be got.

        See :data:`~remit.hub.registry.ports.Small`.
        """
        if descriptor.size > limit:
            return None
        try:
            async with self.blob(name, descriptor.digest) as answer:
                data = await read(answer, descriptor.size)
        except ArtifactError:
            return None
        same = digest_of(data, algorithm_of(descriptor.digest)) == descriptor.digest
        return data if same else None

    # -- uploads -------------------------------------------------------------------------------

    async def append(self, name: str, place: Place, body: Stream) -> Place:
        """Send a piece of an upload to where it is.

        Raises:
            ArtifactError: the upstream refuses, or says that it is elsewhere.
        """
        repository = self.repository(name)
        if body.length != UNKNOWN:
            last = place.offset + body.length - 1
            found = await repository.places.append(place, body, last=last)
            if found.offset != last + 1:
                raise ProtocolError(
                    f"the registry says that it has {found.offset} bytes and not {last + 1}",
                    code="registry.offset",
                )
            return found
        call = Call(
            method="PATCH",
            target=place.url,
            what=f"upload to `{repository.name}`",
            ok=frozenset({201, 202, 204}),
            scopes=(repository_scope(repository.name, "pull", "push"),),
            headers=_OCTETS,
            body=body,
            repeat=False,
        )
        async with self.session.send(call) as answer:
            location = answer.headers.get("location")
            url = self.session.follow(location) if location else place.url
            return Place(url=url, offset=received(answer.headers))

    async def prove(self, name: str, place: Place) -> None:
        """Have a token to send a body with that cannot be sent twice.

        Raises:
            ArtifactError: the upstream refuses.
        """
        repository = self.repository(name)
        scopes = (repository_scope(repository.name, "pull", "push"),)
        now = self.session.transport.now()
        if self._credentials and not self._auth.authorization(place.url, scopes, now):
            await repository.places.state(place.url)

    # -- manifests -----------------------------------------------------------------------------

    async def put_tagged(
        self, name: str, digest: Digest, media_type: str, data: bytes, tags: tuple[str, ...]
    ) -> tuple[Digest | None, frozenset[str]]:
        """Store a manifest under its digest, with tags where the upstream takes them so.

        Returns:
            The subject that it took note of, and the tags that it gave.

        Raises:
            ArtifactError: the upstream refuses.
        """
        repository = self.repository(name)
        query = f"?{urlencode([('tag', each) for each in tags], quote_via=quote)}" if tags else ""
        call = Call(
            method="PUT",
            target=f"/v2/{repository.name}/manifests/{digest}{query}",
            what=f"put `{repository.name}` `{digest}`",
            ok=frozenset({200, 201, 202}),
            scopes=(repository_scope(repository.name, "pull", "push"),),
            headers=(("Content-Type", media_type),),
            body=data,
        )
        async with self.session.send(call) as answer:
            subject = answer.headers.get("oci-subject")
            given = ", ".join(answer.headers.all("oci-tag"))
        named = frozenset(each.strip() for each in given.split(",")) & frozenset(tags)
        return (Digest(subject) if subject else None), named


def once(body: Bytes) -> Callable[[], AsyncIterator[bytes]]:
    """Opens a body that exists once only.

    What is read of it the second time is ``Unavailable``: what was sent already is gone.
    """
    opened = False

    def begin() -> AsyncIterator[bytes]:
        nonlocal opened
        if opened:
            return _gone()
        opened = True
        return body

    return begin


async def _gone() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece
    raise Unavailable("the upstream registry wants the content once more; send it again")
