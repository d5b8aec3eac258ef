"""What is configured about callers: the tables ``[oauth]`` and ``[mtls]`` of ``remit.toml``.

::

    [oauth]
    issuer = "https://login.example.com/tenant"
    required_scopes = ["mcp"]      # optional, as all below
    audience = ""                  # accepted beside the URL of the server
    algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
    agent_claim = ""               # default: client_id, else azp
    user_claim = "sub"
    max_stale_s = 3600             # how long keys outlive an issuer that cannot be reached
    skew_s = 30                    # how far clocks may differ
    jwks_uri = ""                  # default: by discovery
    allow_plain_jwt = false        # also tokens that are not typed at+jwt

    [mtls]
    trust_domains = ["example.com"]                   # spiffe://example.com/… names the agent
    agents = { "urn:agent:build" = "build-agent" }    # other SAN URIs
"""

from typing import Annotated
from urllib.parse import SplitResult

import msgspec

from remit.core.text import printable
from remit.guard.errors import GuardError
from remit.web.errors import WebError
from remit.web.urls import ALGORITHMS, is_loopback
from remit.web.urls import check_url as _check_url

_Claim = Annotated[str, msgspec.Meta(max_length=100)]
_Scope = Annotated[str, msgspec.Meta(pattern=r"\A[!#-\[\]-~]{1,100}\Z")]


class OAuthTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[oauth]``: whose access tokens are accepted.

    Attributes:
        issuer: exact ``iss`` of tokens; ``https``, or ``http`` on loopback.
        audience: an ``aud`` that is accepted for every server; empty for none.
        algorithms: accepted signatures, of :data:`ALGORITHMS`.
        required_scopes: all of them must be in the token.
        agent_claim: names the agent; empty for ``client_id``, else ``azp``.
        user_claim: names the user.
        max_stale_s: seconds that keys are used after they were last fetched.
        skew_s: seconds that the issuer's clock may differ.
        jwks_uri: where its keys are; empty to discover it (RFC 8414, OpenID Connect).
        allow_plain_jwt: also accept tokens of type ``JWT`` or none, beside ``at+jwt`` (RFC 9068).
    """

    issuer: str
    audience: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    required_scopes: tuple[_Scope, ...] = ()
    agent_claim: _Claim = ""
    user_claim: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "sub"
    max_stale_s: Annotated[int, msgspec.Meta(ge=0, le=7 * 86400)] = 3600
    skew_s: Annotated[int, msgspec.Meta(ge=0, le=300)] = 30
    jwks_uri: str = ""
    allow_plain_jwt: bool = False

    def check(self) -> None:
        """Refuse what types cannot say.

        Raises:
            GuardError: an issuer or key set that is not reached safely, an unknown algorithm.
        """
        if check_url(self.issuer, "the issuer", loopback=True).query:
            raise GuardError("the issuer has a query (RFC 8414 §2)", code="config.invalid")
        if self.jwks_uri:
            check_url(self.jwks_uri, "jwks_uri", loopback=is_loopback(self.issuer))
        unknown = set(self.algorithms) - set(ALGORITHMS)
        if unknown or not self.algorithms:
            shown = printable(", ".join(sorted(unknown)), 100) or "nothing"
            raise GuardError(
                f"`algorithms` of [oauth] names `{shown}`",
                code="config.invalid",
                hint=f"accepted are: {', '.join(ALGORITHMS)}",
            )


class MtlsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[mtls]``: which agents the URIs in client certificates are.

    Attributes:
        trust_domains: SPIFFE trust domains whose ids name agents as they are.
        agents: SAN URI to agent id, for all other certificates.
    """

    trust_domains: tuple[str, ...] = ()
    agents: dict[str, Annotated[str, msgspec.Meta(min_length=1, max_length=100)]] = {}


class CallersConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is configured about callers; keys are always on."""

    oauth: OAuthTable | None = None
    mtls: MtlsTable | None = None


def check_url(url: str, what: str, *, loopback: bool) -> SplitResult:
    """Refuse a URL of the configuration that nobody can be sure of; see :mod:`remit.web.urls`.

    Raises:
        GuardError: it is not ``https``, nor, with ``loopback``, ``http`` to this machine.
    """
    try:
        return _check_url(url, what, loopback=loopback)
    except WebError as error:
        raise GuardError(error.message, code=error.code, hint=error.hint) from error
