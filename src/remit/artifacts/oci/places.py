"""Uploads that a registry has begun: their endpoints, one exchange each (distribution-spec 1.1).

:mod:`uploads` makes of them a way that survives cut connections.
"""

import contextlib
import re
from http import HTTPStatus
from urllib.parse import quote, urlencode

import msgspec

from remit.artifacts.errors import DigestError
from remit.artifacts.oci.answers import received
from remit.artifacts.oci.auth import repository_scope
from remit.artifacts.oci.errors import RegistryError
from remit.artifacts.oci.http import Answer, Stream
from remit.artifacts.oci.session import Call, Session
from remit.core.digest import Digest

_OCTETS = (("Content-Type", "application/octet-stream"),)
_MIN_CHUNK = re.compile(r"[0-9]{1,12}")


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


class Places:
    """Uploads to one repository.

    Args:
        session: to its registry.
        name: of the repository in the registry's API.
    """

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name
        self._base = f"/v2/{name}"
        self._push = (repository_scope(name, "pull", "push"),)

    async def begin(
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
            if answer.status == HTTPStatus.CREATED:
                return None
            return self._place(answer, 0)

    async def state(self, url: str) -> Place | None:
        """How far an upload is; None if the registry does not know it any more."""
        call = Call(
            method="GET",
            target=url,
            what=f"go on with an upload to `{self.name}`",
            ok=frozenset({200, 202, 204, 400, 404, 405, 410, 416}),
            scopes=self._push,
        )
        async with self.session.send(call) as answer:
            if answer.status >= HTTPStatus.BAD_REQUEST:
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

    async def finish(self, place: Place, digest: Digest, body: Stream | None = None) -> None:
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

    async def cancel(self, url: str) -> None:
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

    def _place(self, answer: Answer, offset: int, url: str = "", minimum: int = 0) -> Place:
        location = answer.headers.get("location")
        if location or not url:
            url = self.session.follow(location)
        said = answer.headers.get("oci-chunk-min-length")
        if _MIN_CHUNK.fullmatch(said):
            minimum = int(said)
        return Place(url=url, offset=offset, minimum=minimum)
