"""Reading server-sent events (WHATWG HTML, 9.2.6), bounded and sans-IO.

Lines end with LF or CRLF; a CR alone ends none (it would be a way to say one thing to us and
another to a stricter reader).
"""

import msgspec

from remit.guard.errors import GuardError

MAX_FIELD = 1024


class Event(msgspec.Struct, frozen=True):
    """One event: its data, and its id if it has one."""

    data: bytes
    id: str = ""


class EventReader:
    """Cuts a byte stream into events of at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._id = ""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes and give the events that they complete.

        Raises:
            GuardError: an event is larger than the limit.
        """
        self._held += data
        *lines, rest = self._held.split(b"\n")
        self._held = bytearray(rest)
        found = []
        for line in lines:
            event = self._line(bytes(line).removesuffix(b"\r"))
            if event is not None:
                found.append(event)
        if self._size + len(self._held) > self._limit:
            raise GuardError("the server's message is too large", code="json.size")
        return found

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event(b"\n".join(self._data), self._id) if self._data else None
            self._data, self._size = [], 0
            return event
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value)
            if self._size > self._limit:
                raise GuardError("the server's message is too large", code="json.size")
            self._data.append(value)
        elif name == b"id" and len(value) <= MAX_FIELD and value.isascii() and b"\0" not in value:
            text = value.decode("ascii")
            self._id = text if text.isprintable() else self._id
        return None
