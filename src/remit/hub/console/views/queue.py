"""The scan queue: what is waiting, what is being scanned and how far, and what came of it."""

from collections.abc import Mapping

from remit.core.clock import Clock
from remit.hub.api.sight import sees
from remit.hub.console.pages import page
from remit.hub.console.ports import Shown
from remit.hub.console.words import Look
from remit.web.exchange import Reply

ENDED = 50


class Queue:
    """See the module's text."""

    def __init__(self, shown: Shown, clock: Clock, *, gated: bool) -> None:
        self._shown = shown
        self._clock = clock
        self._gated = gated

    async def __call__(self, look: Look, path: Mapping[str, str]) -> Reply:
        """The page."""
        del path
        open_, ended = await self._shown.queue(sees(look.me), ENDED)
        return page(
            "queue", look=look, csrf=look.csrf, open=open_, ended=ended, gated=self._gated,
            now_us=self._clock.now_us(),
        )  # fmt: skip
