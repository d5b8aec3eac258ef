"""The port to the network with answers from a script: what the client does can be seen and told."""

import contextlib
from collections.abc import AsyncIterator, Callable

from remit.artifacts.oci.auth import Auth, Credentials
from remit.artifacts.oci.http import Headers, Request, Stream
from remit.artifacts.oci.session import Session
from remit.artifacts.oci.urls import Origin


class Said:
    """An answer."""

    def __init__(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.status = status
        self.headers = Headers((name.replace("_", "-"), value) for name, value in headers.items())
        self._body = body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, in two pieces."""
        half = len(self._body) // 2
        for piece in (self._body[:half], self._body[half:]):
            if piece:
                yield piece


class Scripted:
    """Answers with what `answer` gives for a request, or raises it; remembers all requests."""

    def __init__(self, answer: Callable[[Request], Said | Exception]) -> None:
        self._answer = answer
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.slept: list[float] = []
        self.time = 0.0

    @contextlib.asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Said]:
        """Take the body, answer."""
        self.requests.append(request)
        body = request.body
        if isinstance(body, Stream):
            body = b"".join([piece async for piece in body.open()])
        self.bodies.append(body)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        yield answer

    async def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.slept.append(seconds)
        self.time += seconds

    def now(self) -> float:
        """The time."""
        return self.time

    async def each(self, works, limit):
        """One after another."""
        for work in works:
            await work()

    def sent(self, name: str) -> list[str]:
        """The values of a header field in all requests; empty where it is missing."""
        return [dict(request.headers).get(name, "") for request in self.requests]


def session(
    answer: Callable[[Request], Said | Exception],
    origin: str = "https://registry.example",
    credentials: Credentials | None = None,
    *,
    plain_http: bool = False,
    **more: object,
) -> tuple[Session, Scripted]:
    """A session with a scripted registry."""
    transport = Scripted(answer)
    place = Origin.of(origin)
    auth = Auth(place, credentials, plain_http=plain_http)
    return Session(transport, place, auth, plain_http=plain_http, **more), transport
