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
        self._held = bytearray()
        # Of a line that is too long: its first bytes, and how many were thrown away.
        self._head: bytes | None = None
        self._lost = 0

    def feed(self, data: bytes) -> Iterator[Line | Overlong]:
        """Take bytes and give the lines that they complete."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._hold(data[start:end])
            start = end + 1
            line = self.close()
            if line is not None:
                yield line
        self._hold(data[start:])

    def close(self) -> Line | Overlong | None:
        """End the line: what was held, if anything but white space."""
        held, self._held = bytes(self._held), bytearray()
        if self._head is not None:
            over = Overlong(self._lost + len(held), self._head, held[-SAMPLE_BYTES:])
            self._head, self._lost = None, 0
            return over
        return Line(held) if held.strip() else None

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        if self._head is None:
            if len(self._held) <= self._limit:
                return
            self._head = bytes(self._held[:SAMPLE_BYTES])
        surplus = max(0, len(self._held) - SAMPLE_BYTES)
        self._lost += surplus
        del self._held[:surplus]
