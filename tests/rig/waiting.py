"""Waiting for what another process does."""

import time


def until(condition, deadline_s=15.0):
    """What a condition gives once it is true; fails after a while."""
    limit = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return found
