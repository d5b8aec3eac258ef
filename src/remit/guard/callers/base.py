"""The words of this package: what a request presented, who it is from, and the two refusals."""

from typing import Any, Literal, Protocol

import msgspec
import orjson

from remit.core.event import Agent
from remit.guard.errors import GuardError


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who a request is from, by a credential that was verified.

    Attributes:
        agent: id for policies, from the credential; never what the client says of itself.
        user: on whose behalf, as policy sees it.
        on_behalf_of: the ``act`` chain of the token (RFC 8693 §4.1), the current actor first,
            separated by spaces; empty if there is none.
        how: which kind of credential.
        credential: id of the key, ``iss#sub``, or SHA-256 of the certificate: for records, never
            a secret.
    """

    agent: Agent
    user: str
    on_behalf_of: str = ""
    how: Literal["key", "oauth", "mtls", "local"]
    credential: str

    @property
    def identity(self) -> str:
        """Two requests belong to the same caller if and only if this is equal.

        A list in JSON, because joined with any separator two callers could become one. What a
        renewed token changes (times, scopes, its id) is not in it.
        """
        parts = [self.how, self.credential, self.agent.id, self.user, self.on_behalf_of]
        return orjson.dumps(parts).decode()


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What one request brought along.

    Attributes:
        authorization: the value of every ``Authorization`` header, as received.
        certificate: DER of the client certificate that TLS verified; empty if there is none.
        resource: canonical URL of the protected resource, ``https://host:8443/mcp/git``. From the
            configuration, never from the request's ``Host``: tokens are checked against it.
        server: server id of the path.
    """

    authorization: tuple[str, ...]
    certificate: bytes = b""
    resource: str
    server: str

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"Presented(server={self.server!r}, resource={self.resource!r})"


class CallerError(GuardError):
    """A request is refused before anything of it is read; base of the two refusals.

    Attributes:
        status: HTTP status of the answer.
        error: error code of RFC 6750 §3.1; empty if no credential was presented.
        scope: the scopes that are needed, separated by spaces.
        www_authenticate: value of the ``WWW-Authenticate`` header; set by :class:`.combined`.
    """

    status = 401

    def __init__(
        self, message: str, *, code: str, hint: str = "", error: str = "", scope: str = ""
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.error = error
        self.scope = scope
        self.www_authenticate = "Bearer"


class Unauthenticated(CallerError):  # noqa: N818 - the name of the HTTP status
    """Nobody is shown to call: 401."""

    code = "caller.unauthenticated"


class Forbidden(CallerError):  # noqa: N818 - the name of the HTTP status
    """The caller is known and may not use this server: 403."""

    code = "caller.forbidden"
    status = 403


class Callers(Protocol):
    """Finds out who a request is from."""

    async def authenticate(self, presented: Presented) -> Caller:
        """The caller of a request.

        Raises:
            Unauthenticated: no credential, or one that does not hold.
            Forbidden: a credential that holds, but not for this server.
        """
        ...

    def metadata(self, resource: str) -> dict[str, Any] | None:
        """Protected resource metadata (RFC 9728 §2); ``None`` if no OAuth issuer is configured."""
        ...


def invalid(message: str, code: str, *, hint: str = "") -> Unauthenticated:
    """The refusal of a credential that does not hold (RFC 6750 ``invalid_token``)."""
    return Unauthenticated(message, code=code, hint=hint, error="invalid_token")
