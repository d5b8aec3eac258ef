"""The ``Authorization`` header and its answer, ``WWW-Authenticate`` (RFC 6750, RFC 9728 §5)."""

import re
from urllib.parse import urlsplit

from remit.guard.callers.base import CallerError, Unauthenticated

MAX_BYTES = 16 * 1024
METADATA_PATH = "/.well-known/oauth-protected-resource"

# `b64token` of RFC 6750 §2.1. No comma, so two headers that somebody joined are no token.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]+=*)", re.ASCII)
# What may stand between the quotes of a header parameter without any escape.
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")


def token_of(authorization: tuple[str, ...]) -> str | None:
    """The bearer token of a request; ``None`` if it has no ``Authorization`` header.

    Raises:
        Unauthenticated: more than one header, another scheme, or anything but one token.
    """
    if not authorization:
        return None
    if len(authorization) > 1:
        raise _malformed("the request has more than one Authorization header")
    value = authorization[0]
    if len(value) > MAX_BYTES:
        raise _malformed(f"the Authorization header is larger than {MAX_BYTES} bytes")
    found = _BEARER.fullmatch(value)
    if found is None:
        raise _malformed("the Authorization header is not `Bearer` and one token")
    return found[1]


def _malformed(message: str) -> Unauthenticated:
    return Unauthenticated(message, code="caller.malformed", error="invalid_request")


def metadata_url(resource: str) -> str:
    """Where the metadata of ``resource`` is (RFC 9728 §3.1); empty if it is not an HTTP URL."""
    try:
        parts = urlsplit(resource)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return ""
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{METADATA_PATH}{path}{query}"


def challenge(refused: CallerError, *, metadata: str) -> str:
    """The value of ``WWW-Authenticate``: one Bearer challenge.

    Args:
        refused: why; without an ``error`` nothing was presented, and RFC 6750 §3.1 wants none.
        metadata: URL of the protected resource metadata, empty if there is none.
    """
    parameters = {
        "realm": "remit",
        "error": refused.error,
        "error_description": refused.message if refused.error else "",
        "scope": refused.scope,
        "resource_metadata": metadata,
    }
    shown = [f'{name}="{_quotable(value)}"' for name, value in parameters.items() if value]
    return "Bearer " + ", ".join(shown)


def _quotable(text: str) -> str:
    return _UNQUOTABLE.sub("'", text)
