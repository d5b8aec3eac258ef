"""Asking a Hub what it withdrew: the network's part of :mod:`.poll`."""

import asyncio
import importlib

from remit.artifacts.oci.review import HubReview, Withdrawals
from remit.guard.admission.settings import ArtifactsConfig
from remit.guard.admission.supply import registry

CONNECT_S = 10.0
IDLE_S = 20.0
MAX_PAGE_BYTES = 2 << 20


class HubWithdrawals:
    """Hubs as they are configured; the credentials are those with which artifacts are pulled."""

    def __init__(self, config: ArtifactsConfig) -> None:
        self._config = config

    async def ask(
        self, host: str, repository: str, since: str, tag: str, limit: int
    ) -> Withdrawals:
        """See :data:`remit.guard.admission.poll.Ask`."""
        from remit.artifacts.oci.transport import AiohttpTransport

        # It takes a fifth of a second, in which calls would wait.
        await asyncio.to_thread(importlib.import_module, "aiohttp")
        transport = AiohttpTransport(
            self._config.ca_file, connect_s=CONNECT_S, idle_s=IDLE_S, read_bytes=1 << 16
        )
        async with transport, registry(self._config, transport, host, repository, 1) as session:
            review = HubReview(session)
            return await review.withdrawals(since, tag, limit=limit, max_bytes=MAX_PAGE_BYTES)
