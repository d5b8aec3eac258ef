"""Reading server-sent events (WHATWG HTML, 9.2.6), bounded and sans-IO.

Lines end with LF or CRLF; a CR alone ends none (it would be a way to say one thing to us and
another to a stricter reader).
"""

from collections.abc import Iterator

import msgspec

from remit.guard.errors import GuardError

MAX_FIELD = 1024
SLACK = 64
"""A line is a little longer than the data in it."""
LINE_COST = 64
"""Lines without data would be free otherwise; messages come in one line or a few."""


class Event(msgspec.Struct, frozen=True):
    """One event: its data, and its id if it has one."""

    data: bytes
    id: str = ""


class EventReader:
    """Cuts a byte stream into events of at most ``limit`` bytes.

    What it gives does not depend on how the stream is cut into pieces, and the work is linear in
    the bytes taken: a sender of single bytes costs no more than one of large blocks.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._id = ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes and give the events that they complete; iterate to the end.

        Raises:
            GuardError: an event is larger than the limit.
        """
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._hold(line)
            whole = bytes(self._held)
            self._held.clear()
            event = self._line(whole.removesuffix(b"\r"))
            if event is not None:
                yield event
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        if self._size + len(self._held) > self._limit + SLACK:
            raise GuardError("the server's message is too large", code="json.size")

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event(b"\n".join(self._data), self._id) if self._data else None
            self._data, self._size = [], 0
            return event
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + LINE_COST
            self._data.append(value)
        elif name == b"id" and len(value) <= MAX_FIELD and value.isascii() and b"\0" not in value:
            text = value.decode("ascii")
            self._id = text if text.isprintable() else self._id
        return None
