"""The system's clocks, behind the port of :mod:`remit.core.clock`."""

import os
import time
from pathlib import Path


class SystemClock:
    """Wall time and monotonic time of this machine."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.time_ns() // 1000

    def monotonic_ns(self) -> int:
        """Nanoseconds of the monotonic clock."""
        return time.monotonic_ns()


def boot_id() -> str:
    """What changes when the monotonic clock starts anew: the boot, else the process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return f"pid:{os.getpid()}:{os.urandom(8).hex()}"
