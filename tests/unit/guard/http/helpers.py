"""Waiting for a condition, with a deadline."""

import asyncio


async def until(condition, timeout_s=5.0):
    """Let the loop run until ``condition()`` holds and give what it gave."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not (found := condition()):
        assert loop.time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.001)
    return found
