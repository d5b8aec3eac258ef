"""The Hub as one ASGI application: the registry, and what lies beside it."""

from collections.abc import Awaitable, Callable, Mapping

from remit.hub.ledger import Ledger
from remit.hub.registry.app import Registry
from remit.hub.registry.http import Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Hub:
    """Everything the Hub answers.

    Args:
        registry: below ``/v2/`` and at ``/token``.
        ledger: the log; the Hub is healthy while it takes records.
        rooms: what answers below other prefixes, each ending in ``/``.
    """

    def __init__(
        self, registry: Registry, ledger: Ledger, rooms: Mapping[str, Application] | None = None
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._rooms = dict(rooms or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path == "/healthz":
            await self._health(send)
            return
        if path in {"/", "/ui"} and "/ui/" in self._rooms:
            path = "/ui/"
        for prefix, room in self._rooms.items():
            if path.startswith(prefix):
                await room(scope, receive, send)
                return
        await self._registry(scope, receive, send)

    async def _health(self, send: Send) -> None:
        status = 503 if self._ledger.log.poisoned else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})
