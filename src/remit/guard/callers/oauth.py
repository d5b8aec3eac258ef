"""Guard as an OAuth 2.1 resource server for JWT access tokens (RFC 9068, RFC 8707).

The order is: form, type and algorithm, issuer, key, signature, claims. Before the signature is
verified nothing of the token is used but to find the key.
"""

from typing import Any

from remit.core.clock import Clock
from remit.guard.callers.base import Caller, Presented, invalid
from remit.guard.callers.claims import caller_of, check_claims, check_type
from remit.guard.callers.settings import OAuthTable
from remit.web.errors import TokenError
from remit.web.fetch import Fetch
from remit.web.issuer import Issuer
from remit.web.jws import Token, VerifiedClaims, read_token


class OAuthCallers:
    """Callers by access token of one issuer.

    Args:
        settings: ``[oauth]``.
        fetch: asks the issuer.
        clock: for ``exp`` and the age of keys.

    Raises:
        GuardError: settings that cannot be used.
    """

    def __init__(self, settings: OAuthTable, fetch: Fetch, clock: Clock) -> None:
        settings.check()
        self._settings = settings
        self._clock = clock
        self._issuer = Issuer(
            settings.issuer, fetch, clock, jwks_uri=settings.jwks_uri,
            max_stale_s=settings.max_stale_s,
        )  # fmt: skip

    @property
    def problem(self) -> str:
        """Why the issuer's keys could not be fetched last time; empty if they could."""
        return self._issuer.problem

    async def authenticate(self, text: str, presented: Presented) -> Caller:
        """The caller who presents the token ``text``.

        Raises:
            Unauthenticated: it does not hold, or cannot be checked.
            Forbidden: it lacks a scope.
        """
        try:
            return await self._caller(text, presented)
        except TokenError as error:
            raise invalid(error.message, error.code, hint=error.hint) from error

    async def _caller(self, text: str, presented: Presented) -> Caller:
        token = read_token(text)
        check_type(token, self._settings)
        if token.algorithm not in self._settings.algorithms:
            raise invalid("the token is signed in a way that is not accepted", "oauth.algorithm")
        if token.claims.get("iss") != self._settings.issuer:
            raise invalid("the token is of another issuer", "oauth.issuer")
        claims = await self._verified(token)
        check_claims(claims, presented, self._settings, self._clock.now_us())
        return caller_of(claims, self._settings)

    async def _verified(self, token: Token) -> VerifiedClaims:
        keys = await self._issuer.keys(token.key_id)
        for key in keys.candidates(token.key_id, token.algorithm):
            claims = token.verified(key)
            if claims is not None:
                return claims
        raise invalid("the token is not signed by the issuer", "oauth.signature")

    def metadata(self, resource: str) -> dict[str, Any]:
        """Protected resource metadata (RFC 9728 §2)."""
        found: dict[str, Any] = {
            "resource": resource,
            "authorization_servers": [self._settings.issuer],
            "bearer_methods_supported": ["header"],
        }
        if self._settings.required_scopes:
            found["scopes_supported"] = list(self._settings.required_scopes)
        return found
