"""Telling workers which scanners this Hub expects a report of, again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from remit.core.errors import RemitError

_log = logging.getLogger("remit.hub")
EVERY_S = 20.0


async def expecting(say: Callable[[], Awaitable[None]], *, every_s: float = EVERY_S) -> None:
    """Say it now and then, until cancelled.

    Args:
        say: writes it down.
        every_s: how often; more than twice in the time for which a Hub is believed.
    """
    while True:
        try:
            await say()
        except (RemitError, OSError) as error:
            _log.error("workers are not told which scanners are expected: %s", error)
        await asyncio.sleep(every_s)
