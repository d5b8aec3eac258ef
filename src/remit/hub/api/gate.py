"""What every endpoint beside the registry goes through: who asks, refusals, records.

The same rules as in :mod:`remit.hub.registry.access`, and the same fail-closed order: the log must
take records, the caller must be who they say, and whatever goes wrong is a refusal.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from remit.core.errors import RemitError
from remit.hub.ledger import Ledger, LogUnavailableError
from remit.hub.registry.access import Authenticator, Caller, authenticate, require, service
from remit.hub.registry.errors import Denied, RegistryError, Unauthorized, Unavailable
from remit.hub.registry.http import GoneError, Receive, Reply, Request, Scope, Send, respond

_log = logging.getLogger("remit.hub")

Stranger = Callable[[Request, RegistryError], Awaitable[None]]
"""Records that somebody came with wrong credentials."""
Answer = Callable[[Request], Awaitable[Reply]]
Refuse = Callable[[RegistryError], Reply]


class Gate:
    """Between the network and the endpoints.

    Args:
        authenticator: who asks.
        ledger: the Hub's log.
        stranger: see :data:`Stranger`.
        url: how clients reach the Hub; empty for what they say in ``Host``.
        bearer: whether clients are asked for tokens.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        ledger: Ledger,
        stranger: Stranger,
        *,
        url: str = "",
        bearer: bool = True,
    ) -> None:
        self._authenticator = authenticator
        self._ledger = ledger
        self._stranger = stranger
        self._url = url
        self._bearer = bearer

    def url(self, request: Request) -> str:
        """How the client reaches the Hub, without ``/`` at the end."""
        return self._url or f"{request.scheme}://{service(request)}"

    def realm(self, request: Request) -> str:
        """Where tokens are given; empty if none are."""
        return f"{self.url(request)}/token" if self._bearer else ""

    async def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            LogUnavailableError: nothing is given out without a record.
            Unauthorized: the credentials are wrong; this is recorded.
        """
        self._ledger.check()
        try:
            return await authenticate(request, self._authenticator, self.realm(request))
        except Unauthorized as error:
            await self._stranger(request, error)
            raise

    async def allow(
        self, caller: Caller, request: Request, repository: str, needs: tuple[str, ...]
    ) -> None:
        """Let the caller do something to a repository, or record that they may not.

        Raises:
            Unauthorized, Denied: see :func:`~remit.hub.registry.access.require`.
        """
        try:
            require(caller, request, self.realm(request), repository, needs)
        except Denied as error:
            await self._ledger.note(
                "registry.deny",
                {
                    "actor": {"user": caller.name, "peer": request.peer},
                    "request": {"method": request.method[:16], "path": request.path[:300]},
                    "decision": {"effect": "deny", "reasons": [error.message[:300]]},
                    "artifact": {"repository": repository},
                },
            )
            raise

    async def given(self, caller: Caller, request: Request, artifact: Mapping[str, Any]) -> None:
        """Record that content was given out."""
        actor = {"user": caller.name, "peer": request.peer}
        await self._ledger.note("registry.pull", {"actor": actor, "artifact": dict(artifact)})

    async def run(
        self, scope: Scope, receive: Receive, send: Send, answer: Answer, refuse: Refuse
    ) -> None:
        """Answer one request; whatever is raised becomes a refusal."""
        try:
            request = Request(scope, receive)
        except RegistryError as error:
            reply = refuse(error)
            headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
            return
        with contextlib.suppress(GoneError):
            await respond(await self._guarded(request, answer, refuse), request, send)

    async def _guarded(self, request: Request, answer: Answer, refuse: Refuse) -> Reply:
        try:
            with request.watched():
                return await answer(request)
        except RegistryError as error:
            return refuse(error)
        except GoneError:
            raise
        except LogUnavailableError as error:
            return refuse(Unavailable(error.message))
        except (RemitError, OSError) as error:
            _log.error("%s", error)
            return refuse(Unavailable("the Hub's storage cannot be used now"))
        except Exception:  # noqa: BLE001 - fail closed: whatever it was, the answer is a refusal
            _log.exception("%s %s failed", request.method, request.path)
            return refuse(Unavailable("the Hub could not do this; its operator sees why"))
