"""The Hub as one ASGI application: the registry, and what lies beside it."""

from remit.hub.ledger import Ledger
from remit.hub.registry.app import Registry
from remit.hub.registry.http import Receive, Scope, Send


class Hub:
    """Everything the Hub answers.

    Args:
        registry: below ``/v2/`` and at ``/token``.
        ledger: the log; the Hub is healthy while it takes records.
    """

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        self._registry = registry
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/healthz":
            await self._health(send)
            return
        await self._registry(scope, receive, send)

    async def _health(self, send: Send) -> None:
        status = 503 if self._ledger.log.poisoned else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
