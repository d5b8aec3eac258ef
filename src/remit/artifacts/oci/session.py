"""Talking to one registry: authentication, redirects, repetition, errors and warnings."""

import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec

from remit.artifacts.oci.answers import (
    BUSY,
    MAX_ERROR_BODY,
    MAX_WAIT_S,
    failure,
    retry_after,
    warnings,
)
from remit.artifacts.oci.auth import MAX_TOKEN_ANSWER, Auth
from remit.artifacts.oci.errors import (
    ProtocolError,
    RegistryError,
    UnauthorizedError,
    UnreachableError,
)
from remit.artifacts.oci.http import Answer, Request, Stream, Transport, read
from remit.artifacts.oci.urls import Origin, follow

ATTEMPTS = 5
FIRST_WAIT_S = 0.5
MAX_REDIRECTS = 4
MAX_PROOFS = 2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_OK = 200


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a registry, before it is known how it must be authenticated.

    Attributes:
        method: of HTTP.
        target: a path on the registry, or a URL that the registry gave.
        what: what it is for, as it continues "cannot …".
        ok: statuses that the caller handles; any other is an error.
        scopes: what a token for it must allow.
        headers: more fields.
        body: of the request.
        repeat: whether it may be sent again when it is not known what became of it.
        redirect: whether a redirect is followed: blobs only.
    """

    method: str
    target: str
    what: str
    ok: frozenset[int] = frozenset({_OK})
    scopes: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Stream = b""
    repeat: bool = True
    redirect: bool = False


class Session:
    """One registry, for as long as a command runs.

    Args:
        transport: the way to it.
        origin: where it is.
        auth: what proves who asks, for this origin.
        plain_http: whether the user allowed HTTP to other machines.
        warn: is given each warning of the registry, once.
        attempts: how often a request is sent that may succeed the next time.
    """

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        auth: Auth,
        *,
        plain_http: bool = False,
        warn: Callable[[str], None] | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.transport = transport
        self.origin = origin
        self.attempts = attempts
        self._auth = auth
        self._plain_http = plain_http
        self._warn = warn
        self._warned: set[str] = set()
        self._answered = False
        self.proved = False
        """Whether the registry asked who it is, and was answered."""

    @contextlib.asynccontextmanager
    async def send(self, call: Call) -> AsyncIterator[Answer]:
        """The answer to ``call``, of a status that it handles.

        Raises:
            UnauthorizedError, DeniedError, NotFoundError, RegistryError: the registry refuses.
            UnreachableError: it does not answer, also after repetitions.
            ProtocolError: it answers what cannot be read.
        """
        async with contextlib.AsyncExitStack() as stack:
            yield await self._answer(call, stack)

    def follow(self, location: str, base: str = "") -> str:
        """The URL of a ``Location`` that the registry gave; see :mod:`urls`."""
        return follow(base or f"{self.origin}/", location, plain_http=self._plain_http)

    async def pause(self, attempt: int, asked: float = 0.0) -> None:
        """Wait before the next attempt: as long as the registry asked for, else ever longer.

        Args:
            attempt: how many there were, from 1.
            asked: what it asked for in seconds; 0 if it did not.
        """
        await self.transport.sleep(asked or FIRST_WAIT_S * 2 ** (attempt - 1))

    async def _answer(self, call: Call, stack: contextlib.AsyncExitStack) -> Answer:
        attempt = 0
        proved = 0
        while True:
            async with contextlib.AsyncExitStack() as trial:
                try:
                    answer, url = await self._follow(call, trial)
                except UnreachableError:
                    attempt += 1
                    # A host that never answered is more often wrong than busy.
                    most = self.attempts if self._answered else min(self.attempts, 2)
                    if not call.repeat or attempt >= most:
                        raise
                    await self.pause(attempt)
                    continue
                self._answered = True
                self._heed(answer)
                if answer.status in call.ok:
                    stack.push_async_exit(trial.pop_all())
                    return answer
                here = Origin.of(url) == self.origin
                asked = answer.headers.all("www-authenticate") if here else ()
                error = await self._error(call, answer)
                wait = retry_after(answer.headers)
            if asked and answer.status in {_UNAUTHORIZED, _FORBIDDEN} and proved < MAX_PROOFS:
                proved += 1
                await self._prove(call, asked, answer.status, error)
                continue
            attempt += 1
            if (
                answer.status not in BUSY
                or not call.repeat
                or attempt >= self.attempts
                or wait > MAX_WAIT_S
            ):
                raise error
            await self.pause(attempt, wait)

    async def _follow(self, call: Call, trial: contextlib.AsyncExitStack) -> tuple[Answer, str]:
        """Send, and follow redirects of a blob; only the registry itself sees ``Authorization``."""
        url = self.follow(call.target)
        for _ in range(MAX_REDIRECTS + 1):
            answer = await trial.enter_async_context(self.transport.send(self._request(call, url)))
            if answer.status not in _REDIRECTS or answer.status in call.ok:
                return answer, url
            if not call.redirect or call.method not in {"GET", "HEAD"}:
                return answer, url
            url = self.follow(answer.headers.get("location"), url)
        raise ProtocolError(f"cannot {call.what}: `{self.origin}` redirects without end")

    def _request(self, call: Call, url: str) -> Request:
        value = self._auth.authorization(url, call.scopes, self.transport.now())
        proof = (("Authorization", value),) if value else ()
        return Request(method=call.method, url=url, headers=(*call.headers, *proof), body=call.body)

    def _heed(self, answer: Answer) -> None:
        if self._warn is None:
            return
        for text in warnings(answer.headers):
            if text not in self._warned:
                self._warned.add(text)
                self._warn(text)

    async def _error(self, call: Call, answer: Answer) -> RegistryError:
        body = bytearray()
        if call.method != "HEAD":
            with contextlib.suppress(UnreachableError):
                async for piece in answer.pieces():
                    body += piece[: MAX_ERROR_BODY - len(body)]
                    if len(body) >= MAX_ERROR_BODY:
                        break
        where = str(self.origin).partition("://")[2]
        return failure(call.what, where, answer.status, answer.headers, bytes(body))

    async def _prove(
        self, call: Call, asked: tuple[str, ...], status: int, error: RegistryError
    ) -> None:
        """Get what the registry asks for, for another attempt."""
        self._auth.forget(call.scopes)
        try:
            request = self._auth.challenged(asked, call.scopes)
        except UnauthorizedError as refusal:
            # 403 after Basic: it knows who asks and does not want that.
            raise (error if status == _FORBIDDEN else refusal) from None
        self.proved = True
        if request is not None:
            await self._token(request, call.scopes)

    async def _token(self, request: Request, scopes: tuple[str, ...]) -> None:
        attempt = 0
        while True:
            try:
                async with self.transport.send(request) as answer:
                    status, headers = answer.status, answer.headers
                    body = await read(answer, MAX_TOKEN_ANSWER)
            except UnreachableError:
                status = 0
                if attempt + 1 >= self.attempts:
                    raise
            if status == _OK:
                self._auth.granted(scopes, body, self.transport.now())
                return
            if status in {_UNAUTHORIZED, _FORBIDDEN}:
                raise self._auth.refused()
            other = self._auth.again(request, status)
            if other is not None:
                request = other
                continue
            attempt += 1
            if status and (status not in BUSY or attempt >= self.attempts):
                where = str(Origin.of(request.url)).partition("://")[2]
                raise failure("get a token", where, status, headers, body)
            await self.pause(attempt)
