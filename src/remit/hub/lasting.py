"""Work of a Hub that goes on as long as the Hub does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger("remit.hub")
AGAIN_S = 5.0


async def lasting(
    work: Callable[[], Awaitable[None]], what: str, *, again_s: float = AGAIN_S
) -> None:
    """Do work that ends with its cancellation; after an error that nobody expected, begin again.

    A task that ended by one would be missed by nobody, and the gate stand still without a word.

    Args:
        work: does it.
        what: names it in the log.
        again_s: how long to wait before it begins again, seconds.
    """
    while True:
        try:
            return await work()
        except Exception:  # noqa: BLE001 - whatever it was, the gate must not stand still
            _log.exception("%s stopped by a defect, and begins again in %g s", what, again_s)
        await asyncio.sleep(again_s)
