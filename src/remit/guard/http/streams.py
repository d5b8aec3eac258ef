"""What Guard has to say in one HTTP response, in order, and what may be said again.

A stream outlives its connection: in the legacy era a client that was cut off comes back with
``Last-Event-ID`` and gets the rest (MCP 2025-11-25, transports, resumability).
"""

import asyncio
import collections
from collections.abc import Callable

import msgspec

MAX_KEPT = 512
MAX_KEPT_BYTES = 4 << 20


class Item(msgspec.Struct, frozen=True):
    """One message of a stream.

    Attributes:
        number: counts from 1.
        data: the message as one line of JSON.
        last: whether it is the answer that ends the stream.
    """

    number: int
    data: bytes
    last: bool


class Stream:
    """Messages for one response. Belongs to the event loop's thread.

    Args:
        name: part of event ids, without ``:``.
        on_size: told how the bytes that wait change.
        keep: keep what was taken, to be said again.
    """

    def __init__(self, name: str, on_size: Callable[[int], None], *, keep: bool) -> None:
        self.name = name
        self.ended = False
        self.reader: object | None = None
        self._on_size = on_size
        self._keep = keep
        self._number = 0
        self._waiting: collections.deque[Item] = collections.deque()
        self._kept: collections.deque[Item] = collections.deque()
        self._kept_bytes = 0
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether there is something to say now."""
        return bool(self._waiting)

    def put(self, data: bytes, *, last: bool = False) -> None:
        """Add a message; after the last one nothing is added."""
        if self.ended:
            return
        self._number += 1
        self._waiting.append(Item(self._number, data, last))
        self._on_size(len(data))
        if last:
            self.ended = True
        self._wake.set()

    def end(self) -> None:
        """End it without an answer: its request was cancelled, or its session is over."""
        self.ended = True
        self._wake.set()

    async def next(self) -> Item | None:
        """The next message; ``None`` at the end. Cancelling loses nothing."""
        while not self._waiting:
            if self.ended:
                return None
            self._wake.clear()
            await self._wake.wait()
        item = self._waiting.popleft()
        self._on_size(-len(item.data))
        if self._keep:
            self._kept.append(item)
            self._kept_bytes += len(item.data)
            while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
                self._kept_bytes -= len(self._kept.popleft().data)
        return item

    def rewind(self, number: int) -> bool:
        """Say everything after message ``number`` again; whether all of it is still kept."""
        again = [item for item in self._kept if item.number > number]
        first = again[0].number if again else self._next_number()
        if first != number + 1:
            return False
        for item in reversed(again):
            self._kept.pop()
            self._kept_bytes -= len(item.data)
            self._waiting.appendleft(item)
            self._on_size(len(item.data))
        self._wake.set()
        return True

    def _next_number(self) -> int:
        return self._waiting[0].number if self._waiting else self._number + 1

    def drop(self) -> None:
        """Forget everything; nobody will read it."""
        self.end()
        for item in self._waiting:
            self._on_size(-len(item.data))
        self._waiting.clear()
        self._kept.clear()


def event(stream: Stream, item: Item, *, resumable: bool) -> bytes:
    """A message as a server-sent event (WHATWG HTML, 9.2)."""
    number = f"id: {stream.name}:{item.number}\n".encode() if resumable else b""
    return number + b"event: message\ndata: " + item.data + b"\n\n"


def event_id(text: str) -> tuple[str, int] | None:
    """Stream and number of an event id that :func:`event` gave."""
    name, colon, number = text.partition(":")
    if not colon or not number.isdecimal() or len(number) > len("9" * 12):
        return None
    return name, int(number)
