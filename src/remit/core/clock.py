"""The clock port. Pure code is given the time; only composition roots read it."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: wall time for people, monotonic time for durations."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z (may jump)."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start (never goes back)."""
        ...
