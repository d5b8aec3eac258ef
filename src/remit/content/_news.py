"""Where a reading of a text says what the reading it was made from does not.

A reading often differs from its parent in a few places only. What is found elsewhere was found in the
parent, too, at the same place of the original. So a detector has to look around what is new, as far as
anything that it finds can reach, and no further.
"""

from bisect import bisect_left
from collections.abc import Iterable

Span = tuple[int, int]


class News:
    """New places of a text, in order and apart. A place where something was left out is empty."""

    __slots__ = ("_around", "_ends", "_starts")

    def __init__(self, spans: Iterable[Span]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        # Several detectors ask for the same.
        self._around: dict[tuple[int, int], list[Span]] = {}
        for start, end in sorted(spans):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def touch(self, start: int, end: int) -> bool:
        """Whether something from ``start`` to ``end``, or right beside it, is new."""
        at = bisect_left(self._ends, start)
        return at < len(self._ends) and self._starts[at] <= end

    def around(self, reach: int, size: int) -> list[Span]:
        """Where all that touches something new lies, if it is no longer than ``reach``.

        ``size`` is the length of the text.
        """
        known = self._around.get((reach, size))
        if known is not None:
            return known
        found: list[Span] = []
        for start, end in zip(self._starts, self._ends, strict=True):
            low, high = max(start - reach, 0), min(end + reach, size)
            if found and low <= found[-1][1]:
                low = found.pop()[0]
            found.append((low, high))
        self._around[reach, size] = found
        return found

    def encoded(self, text: str) -> "News":
        """The same in bytes of ``text`` in UTF-8."""
        if text.isascii():
            return self
        spans: list[Span] = []
        last = size = 0
        for start, end in zip(self._starts, self._ends, strict=True):
            size += _size(text[last:start])
            begin = size
            size += _size(text[start:end])
            spans.append((begin, size))
            last = end
        return News(spans)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
