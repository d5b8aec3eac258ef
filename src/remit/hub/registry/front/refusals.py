"""What a Hub says when its upstream refuses, in the words of the distribution-spec.

1. No answer, or one that cannot be read, is 502; "not now" is 503; never 404.
2. That the upstream does not know the Hub is the operator's business: 502, and never 401, which
   would make a client ask its user for another password.
3. Anything else is passed on as the upstream put it: its status, its first code, its reason.
"""

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.errors import DeniedError, UnauthorizedError, UnreachableError
from remit.artifacts.oci.errors import RegistryError as UpstreamError
from remit.hub.registry.errors import (
    BadGateway,
    Denied,
    Missing,
    Refused,
    RegistryError,
    TooMany,
    Unavailable,
    Unsupported,
)

CODES = frozenset(
    (
        "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID",
        "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS",
    )
)  # fmt: skip
"""Of the distribution-spec, "Error Codes"."""
_BY_STATUS = {405: "UNSUPPORTED", 413: "SIZE_INVALID", 416: "BLOB_UPLOAD_INVALID"}
_TOO_MANY = 429


def refusal(error: ArtifactError, invalid: str = "UNSUPPORTED") -> RegistryError:
    """What the caller is told.

    Args:
        error: of the client that talked to the upstream.
        invalid: the code of a refusal that names none.
    """
    message = f"the upstream registry: {error.message}"
    if not isinstance(error, UpstreamError) or isinstance(error, UnauthorizedError):
        return BadGateway(message)
    if error.status == _TOO_MANY:
        return TooMany(message, headers=(("retry-after", "5"),))
    if isinstance(error, UnreachableError):
        return Unavailable(message) if error.status else BadGateway(message)
    if isinstance(error, DeniedError):
        # Without a status it is a rule of the client: a redirect to plain HTTP, for example.
        return Denied(message, detail=error.detail) if error.status else BadGateway(message)
    code = next((each for each in error.reasons if each in CODES), "")
    if code == "MANIFEST_BLOB_UNKNOWN":
        return Missing(message, detail=error.detail)
    if code == "UNSUPPORTED":
        return Unsupported(message, detail=error.detail)
    if not 400 <= error.status < 500 or error.status in {401, 407, 408}:  # noqa: PLR2004
        return BadGateway(message)
    oci = code or _BY_STATUS.get(error.status, invalid)
    return Refused(message, error.status, oci, detail=error.detail)
