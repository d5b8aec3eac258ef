"""Callers by client certificate: mutual TLS, with SPIFFE ids or names of our own.

TLS has verified the certificate against the configured authorities before it comes here. Its one
URI that we know names the agent: a SPIFFE id of a trusted domain as it is (X.509-SVID §2 wants
exactly one URI), any other by the configuration. The user is its mail address, else its common
name; a workload that has neither acts for itself.
"""

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from remit.attest.errors import CertificateError
from remit.core.clock import Clock
from remit.core.event import Agent
from remit.core.text import printable
from remit.guard.callers.base import Caller, invalid
from remit.guard.callers.settings import MtlsTable

if TYPE_CHECKING:
    from remit.attest.certificates import Certificate

MAX_NAME = 300


@functools.lru_cache(maxsize=256)
def _parsed(der: bytes) -> "Certificate":
    # 50 ms of import that only mutual TLS needs.
    from remit.attest.certificates import parse_certificate

    return parse_certificate(der)


class CertificateCallers:
    """Callers by certificate.

    Args:
        settings: ``[mtls]``.
        clock: a connection may outlive its certificate.
    """

    def __init__(self, settings: MtlsTable, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def authenticate(self, der: bytes) -> Caller:
        """The caller whose certificate TLS verified.

        Raises:
            Unauthenticated: it is over, not a client's, or does not name an agent clearly.
        """
        try:
            certificate = _parsed(der)
        except CertificateError as error:
            raise invalid(error.message, "mtls.malformed") from error
        if not certificate.not_before_us <= self._clock.now_us() <= certificate.not_after_us:
            raise invalid("the certificate is not valid at this time", "mtls.time")
        if certificate.authority or not certificate.client:
            raise invalid("the certificate is not a client's", "mtls.purpose")
        agent, uri = self._agent(certificate)
        return Caller(
            agent=Agent(id=agent),
            user=_user(certificate) or uri,
            how="mtls",
            credential=certificate.fingerprint,
        )

    def _agent(self, certificate: "Certificate") -> tuple[str, str]:
        known = [(self._known(uri), uri) for uri in certificate.uris]
        found = [(agent, uri) for agent, uri in known if agent]
        spiffe = sum(uri.lower().startswith("spiffe:") for uri in certificate.uris)
        if len(found) != 1 or (spiffe and len(certificate.uris) != 1):
            raise invalid(
                "the certificate does not name one agent that is known here",
                "mtls.agent",
                hint="its SAN URI is looked up in `trust_domains` and `agents` of [mtls]",
            )
        agent, uri = found[0]
        if not _is_name(uri):
            raise invalid("the certificate names its agent in a way nobody can read", "mtls.agent")
        return agent, uri

    def _known(self, uri: str) -> str:
        mapped = self._settings.agents.get(uri)
        if mapped:
            return mapped
        try:
            parts = urlsplit(uri)
        except ValueError:
            return ""
        # `spiffe://domain/path` and nothing else, so that one id has one spelling (SPIFFE-ID §2).
        plain = uri == f"spiffe://{parts.netloc}{parts.path}" and len(parts.path) > 1
        return uri if plain and parts.netloc in self._settings.trust_domains else ""


def _user(certificate: "Certificate") -> str:
    names = certificate.emails or certificate.common_names
    if not names:
        return ""
    if len(names) > 1 or not _is_name(names[0]):
        raise invalid("the certificate does not name one user", "mtls.user")
    return names[0]


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text == printable(text).strip() and "\n" not in text
