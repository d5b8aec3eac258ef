"""URLs of providers: which are safe to ask, and to send somebody to."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from remit.core.text import printable
from remit.web.errors import WebError

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Signatures with a public key only: with ``HS*`` the issuer's public key would be the secret."""


def check_url(url: str, what: str, *, loopback: bool) -> SplitResult:
    """Refuse a URL that nobody can be sure of.

    Args:
        url: absolute, without user and fragment.
        what: the subject of the error's sentence.
        loopback: whether ``http`` to this machine will do.

    Raises:
        WebError: anything else.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    wrong = (
        not (url.isascii() and url.isprintable())
        or any(c in url for c in ' "\\<>#@')
        or not parts.hostname
        or not (parts.scheme == "https" or (loopback and is_loopback(url)))
    )
    if wrong:
        raise WebError(
            f"{what} `{printable(url, 200)}` is not an https URL",
            code="oauth.unsafe_url",
            hint="http will do for an issuer on this machine only",
        )
    return parts


def is_loopback(url: str) -> bool:
    """Whether ``url`` is ``http`` to this machine, by its address or as ``localhost``."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            return False
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
