"""Newline-delimited framing of the stdio transport, sans-IO and bounded.

A line feed ends a message and nothing else does: a carriage return inside a line is white space of
JSON, not a second line (MCP stdio transport; treating it as one is how calls were smuggled).
"""

from collections.abc import Iterator

import msgspec

SAMPLE_BYTES = 512


class Line(msgspec.Struct, frozen=True):
    """One complete line without its line feed."""

    data: bytes


class Overlong(msgspec.Struct, frozen=True):
    """A line that passed the limit; its middle was thrown away as it came.

    Attributes:
        size: bytes of the whole line.
        head, tail: its first and last bytes, by which the answered request may be known.
    """

    size: int
    head: bytes
    tail: bytes


class LineBuffer:
    """Cuts a byte stream into lines of at most ``limit`` bytes.

    Memory is bounded by ``limit``, whatever the peer sends.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = 0
        self._over: Overlong | None = None

    def feed(self, data: bytes) -> Iterator[Line | Overlong]:
        """Take bytes and give the lines that they complete."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            piece = data[start:end]
            start = end + 1
            line = self._finish(piece)
            if line is not None:
                yield line
        self._hold(data[start:])

    def close(self) -> Line | Overlong | None:
        """The stream ended: what was left without a line feed, if anything."""
        return self._finish(b"")

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        if self._over is None and self._held + len(piece) > self._limit:
            head = b"".join([*self._parts, piece])
            self._over = Overlong(size=0, head=head[:SAMPLE_BYTES], tail=b"")
            self._parts.clear()
        if self._over is None:
            self._parts.append(piece)
        else:
            tail = (self._over.tail + piece)[-SAMPLE_BYTES:]
            self._over = Overlong(size=0, head=self._over.head, tail=tail)
        self._held += len(piece)

    def _finish(self, piece: bytes) -> Line | Overlong | None:
        self._hold(piece)
        size, self._held = self._held, 0
        if self._over is not None:
            over, self._over = self._over, None
            return Overlong(size=size, head=over.head, tail=over.tail)
        if not size:
            return None
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return Line(data) if data.strip() else None
