"""What Guard has to say in one HTTP response, in order, and what may be said again.

A stream outlives its connection: in the legacy era a client that was cut off comes back with
``Last-Event-ID`` and gets the rest (MCP 2025-11-25, transports, resumability). While somebody reads
it, what waits in it makes the server wait; while nobody does, the oldest of it is given up.
"""

import asyncio
import collections
from collections.abc import Callable

import msgspec

MAX_KEPT = 512
MAX_KEPT_BYTES = 4 << 20
MAX_UNREAD_BYTES = 8 << 20


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
        on_size: told how the bytes change that wait for a reader who is there.
        keep: keep what was taken, to be said again.
    """

    def __init__(self, name: str, on_size: Callable[[int], None], *, keep: bool) -> None:
        self.name = name
        self.ended = False
        self._reader: object | None = None
        self._on_size = on_size
        self._keep = keep
        self._number = 0
        self._waiting: collections.deque[Item] = collections.deque()
        self._waiting_bytes = 0
        self._kept: collections.deque[Item] = collections.deque()
        self._kept_bytes = 0
        self._wake = asyncio.Event()

    @property
    def reader(self) -> object | None:
        """Who reads it now."""
        return self._reader

    @property
    def unread(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return self._waiting_bytes + self._kept_bytes

    def attach(self, reader: object) -> None:
        """Let somebody read; whoever did so before gets nothing more."""
        if self._reader is None:
            self._on_size(self._waiting_bytes)
        self._reader = reader
        self._wake.set()

    def detach(self, reader: object) -> None:
        """Say that ``reader`` is gone, unless another one took over."""
        if self._reader is reader:
            self._reader = None
            self._on_size(-self._waiting_bytes)
            self._trim()

    def put(self, data: bytes, *, last: bool = False) -> None:
        """Add a message; after the last one nothing is added."""
        if self.ended:
            return
        self._number += 1
        self._waiting.append(Item(self._number, data, last))
        self._changed(len(data))
        if last:
            self.ended = True
        self._trim()
        self._wake.set()

    def end(self) -> None:
        """End it without an answer: its request was cancelled, or its session is over."""
        self.ended = True
        self._wake.set()

    async def next(self, reader: object) -> Item | None:
        """The next message; ``None`` at the end or if another reader took over.

        Cancelling loses nothing.
        """
        while self._reader is reader and not self._waiting and not self.ended:
            self._wake.clear()
            await self._wake.wait()
        if self._reader is not reader or not self._waiting:
            return None
        item = self._waiting.popleft()
        self._changed(-len(item.data))
        if self._keep:
            self._kept.append(item)
            self._kept_bytes += len(item.data)
            while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
                self._kept_bytes -= len(self._kept.popleft().data)
        return item

    async def soon(self, reader: object, patience_s: float) -> Item | None:
        """:meth:`next`, or ``None`` after ``patience_s``: cheaper than a task with a time-out."""
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            self._wake.set()

        timer = asyncio.get_running_loop().call_later(patience_s, expire)
        try:
            while self._reader is reader and not (self._waiting or self.ended or expired):
                self._wake.clear()
                await self._wake.wait()
        finally:
            timer.cancel()
        return await self.next(reader) if self._waiting else None

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
            self._changed(len(item.data))
        self._wake.set()
        return True

    def drop(self) -> None:
        """Forget everything; nobody will read it."""
        self.end()
        self._changed(-self._waiting_bytes)
        self._waiting.clear()
        self._forget_kept()

    def _next_number(self) -> int:
        return self._waiting[0].number if self._waiting else self._number + 1

    def _changed(self, by: int) -> None:
        self._waiting_bytes += by
        if self._reader is not None:
            self._on_size(by)

    def _trim(self) -> None:
        while self._reader is None and self._waiting_bytes > MAX_UNREAD_BYTES and self.unread > 1:
            self._changed(-len(self._waiting.popleft().data))
            # INVARIANT: what is kept and what waits follow on each other without a gap.
            self._forget_kept()

    def _forget_kept(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0


def event(stream: Stream, item: Item, *, resumable: bool) -> bytes:
    """A message as a server-sent event (WHATWG HTML, 9.2)."""
    number = f"id: {stream.name}:{item.number}\n".encode() if resumable else b""
    return number + b"event: message\ndata: " + item.data + b"\n\n"


def event_id(text: str) -> tuple[str, int] | None:
    """Stream and number of an event id that :func:`event` gave."""
    name, colon, number = text.partition(":")
    if not colon or not (number.isascii() and number.isdecimal()) or len(number) > len("9" * 12):
        return None
    return name, int(number)
