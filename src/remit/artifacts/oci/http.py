"""HTTP as the client of a registry sees it: values, and the port to the network.

The client decides what is asked, of whom and with which secret; a :class:`Transport` moves bytes
and decides nothing. So all of it can be tested without a socket.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from remit.artifacts.oci.errors import ProtocolError


class Headers:
    """Fields of a message; names match in any case."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple((name.lower(), value) for name, value in fields)

    def get(self, name: str) -> str:
        """The first field of that name, without space around it; empty if there is none."""
        return next((value.strip() for key, value in self._fields if key == name.lower()), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every field of that name, in order."""
        return tuple(value.strip() for key, value in self._fields if key == name.lower())


class Stream(msgspec.Struct, frozen=True):
    """A body that is not held in memory.

    Attributes:
        length: its bytes.
        open: begins it anew, for a request that is sent again.
    """

    length: int
    open: Callable[[], AsyncIterator[bytes]]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request, complete: the transport adds nothing but ``Host`` and the framing."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Stream = b""


class Answer(Protocol):
    """The answer to a request; its body is read once, as it comes."""

    @property
    def status(self) -> int:
        """Status code."""
        ...

    @property
    def headers(self) -> Headers:
        """Header fields."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, not decoded.

        Raises:
            UnreachableError: it ended too early.
        """
        ...


class Transport(Protocol):
    """What the client needs of the machine."""

    def send(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send ``request`` as it is; follow no redirect, keep no cookie.

        Raises:
            UnreachableError: no answer.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def each(self, works: Iterable[Callable[[], Awaitable[Any]]], limit: int) -> None:
        """Do ``works``, ``limit`` at a time; the first that fails ends the others and is raised."""
        ...


async def read(answer: Answer, limit: int) -> bytes:
    """The body, if it has at most ``limit`` bytes.

    Raises:
        ProtocolError: it has more; reading stopped there.
        UnreachableError: it ended too early.
    """
    body = bytearray()
    async for piece in answer.pieces():
        body += piece
        if len(body) > limit:
            raise ProtocolError(f"the registry answers with more than {limit} bytes")
    return bytes(body)
