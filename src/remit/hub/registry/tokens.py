"""Bearer tokens: JSON Web Tokens that the Hub signs for itself (distribution's token protocol).

A token says who asked and for which scopes. What its owner may do is looked up again at every
request, so a token outlives neither a revoked role nor a disabled account by more than the
seconds for which roles are remembered.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from remit.core.clock import Clock
from remit.hub.ledger import Ledger
from remit.hub.registry.access import ANONYMOUS, Caller, Scope, granted, parse_scopes
from remit.hub.registry.errors import Unauthorized
from remit.hub.registry.http import Reply, Request, json_reply

LIFE_S = 300
MAX_TOKEN = 8192
MAX_REMEMBERED = 4096
_ALGORITHM = "HS256"


class Tokens:
    """Makes and reads tokens.

    Args:
        key: 32 random bytes, the same for all Hubs on one database.
        clock: when they expire.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock
        self._read: OrderedDict[str, tuple[str, tuple[Scope, ...], int]] = OrderedDict()

    async def answer(
        self, request: Request, caller: Caller, scopes: Iterable[str], ledger: Ledger
    ) -> Reply:
        """A token for what the caller asks, in ``scopes``, and may do.

        Raises:
            LogUnavailableError: the use of the key cannot be recorded.
        """
        given = granted(caller, parse_scopes(scopes))
        now = self._clock.now_us() // 1_000_000
        token = self.make(caller.name, given)
        await ledger.note(
            "registry.token",
            {
                "actor": {"user": caller.name, "peer": request.peer},
                "scopes": [f"{each.name}:{','.join(each.actions)}"[:300] for each in given],
            },
        )
        return json_reply(
            {
                "token": token,
                "access_token": token,
                "expires_in": LIFE_S,
                "issued_at": _rfc3339(now),
            },
            headers=(("cache-control", "no-store"),),
        )

    def make(self, name: str, scopes: tuple[Scope, ...]) -> str:
        """A token of ``name`` for ``scopes``."""
        now = self._clock.now_us() // 1_000_000
        claims = {
            "sub": name,
            "iat": now,
            "exp": now + LIFE_S,
            "access": [
                {"type": each.type, "name": each.name, "actions": list(each.actions)}
                for each in scopes
            ],
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def read(self, token: str) -> tuple[str, tuple[Scope, ...]]:
        """Whose token it is, and for what.

        Raises:
            Unauthorized: forged, malformed or expired.
        """
        known = self._read.get(token)
        if known is None:
            known = self._verified(token)
            self._read[token] = known
            while len(self._read) > MAX_REMEMBERED:
                self._read.popitem(last=False)
        name, scopes, expires = known
        if expires <= self._clock.now_us() // 1_000_000:
            raise Unauthorized("the token has expired")
        return name, scopes

    def _verified(self, token: str) -> tuple[str, tuple[Scope, ...], int]:
        if len(token) > MAX_TOKEN:
            raise Unauthorized("the token is not one of this Hub")
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            scopes = tuple(
                Scope(type=each["type"], name=each["name"], actions=tuple(each["actions"]))
                for each in claims["access"]
            )
            return str(claims["sub"]), scopes, int(claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unauthorized("the token is not one of this Hub") from None


def _rfc3339(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


__all__ = ["ANONYMOUS", "LIFE_S", "Tokens"]
