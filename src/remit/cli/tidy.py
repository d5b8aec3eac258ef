"""Leaving nothing behind in the directory for temporary files, however a command ends."""

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from remit.core.scratch import scratch

TERMINATED = 128 + signal.SIGTERM


@contextlib.contextmanager
def tidy() -> Iterator[Path]:
    """Have all temporary files of this process in a directory of its own, removed at the end.

    The end may be SIGTERM, which then is the status 143; what SIGKILL leaves is removed by the next
    command that begins so.

    Raises:
        OSError: there is no room for a directory.
    """
    before = tempfile.tempdir
    previous = signal.signal(signal.SIGTERM, _terminated)
    try:
        with scratch(Path(tempfile.gettempdir())) as own:
            tempfile.tempdir = str(own)
            yield own
    finally:
        tempfile.tempdir = before
        signal.signal(signal.SIGTERM, previous)


def _terminated(number: int, frame: object) -> None:
    del number, frame
    # Once: who is asked again while it cleans up goes on with that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)
