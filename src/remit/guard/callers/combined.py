"""The one way in: what was presented decides how it is checked, and a failure is final.

1. An ``Authorization`` header decides alone. A token with the prefix of our keys is a key and
   nothing else; any other is an access token if OAuth is configured.
2. Without that header, a certificate decides if mutual TLS is configured.
3. Without either nobody calls, on loopback too: every process of this machine and every page in a
   browser can reach a port of loopback, and TCP does not say which of them did.

A credential that does not hold is never followed by a look at another one.
"""

from typing import Any

from remit.guard.callers.base import Caller, CallerError, Presented, Unauthenticated, invalid
from remit.guard.callers.bearer import challenge, metadata_url, token_of
from remit.guard.callers.keys import PREFIX, KeyCallers
from remit.guard.callers.mtls import CertificateCallers
from remit.guard.callers.oauth import OAuthCallers


class CombinedCallers:
    """:class:`.base.Callers` over all that is configured."""

    def __init__(
        self,
        keys: KeyCallers,
        oauth: OAuthCallers | None = None,
        certificates: CertificateCallers | None = None,
    ) -> None:
        self._keys = keys
        self._oauth = oauth
        self._certificates = certificates

    async def authenticate(self, presented: Presented) -> Caller:
        """The caller of a request; see :class:`.base.Callers`.

        Raises:
            Unauthenticated, Forbidden: with ``www_authenticate`` set. Nothing else is raised.
        """
        try:
            return await self._decide(presented)
        except CallerError as error:
            refused = error
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody gets in
            refused = Unauthenticated("the caller cannot be checked", code="caller.internal")
            refused.__cause__ = error
        metadata = metadata_url(presented.resource) if self._oauth is not None else ""
        refused.www_authenticate = challenge(refused, metadata=metadata)
        raise refused

    async def _decide(self, presented: Presented) -> Caller:
        token = token_of(presented.authorization)
        if token is not None:
            if token.startswith(PREFIX):
                return await self._keys.authenticate(token, presented.server)
            if self._oauth is not None:
                return await self._oauth.authenticate(token, presented)
            raise invalid("the token is not a key of this Guard", "caller.key_unknown")
        if presented.certificate and self._certificates is not None:
            return self._certificates.authenticate(presented.certificate)
        raise Unauthenticated(
            "a key is required",
            code="caller.nothing_presented",
            hint="issue one with `remit key new --agent NAME` and send it as a bearer token",
        )

    def metadata(self, resource: str) -> dict[str, Any] | None:
        """See :class:`.base.Callers`."""
        return None if self._oauth is None else self._oauth.metadata(resource)
