"""The system's clocks, behind the port of :mod:`remit.core.clock`."""

import time


class SystemClock:
    """Wall time and monotonic time of this machine."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.time_ns() // 1000

    def monotonic_ns(self) -> int:
        """Nanoseconds of the monotonic clock."""
        return time.monotonic_ns()
