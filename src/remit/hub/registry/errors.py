"""Errors of the registry, as the distribution-spec names them ("Error Codes")."""

from typing import Any

from remit.hub.errors import HubError


class RegistryError(HubError):
    """A request that the registry refuses.

    Attributes:
        status: of the HTTP response.
        oci: the specification's code, for example ``MANIFEST_UNKNOWN``.
        detail: what a client may show besides the message.
        headers: of the response.
    """

    status = 400
    oci = "UNSUPPORTED"

    def __init__(
        self, message: str, *, detail: Any = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message, code=f"registry.{self.oci.lower()}")
        self.detail = detail
        self.headers = headers


class BlobUnknown(RegistryError):
    """No such blob in this repository."""

    status, oci = 404, "BLOB_UNKNOWN"


class UploadInvalid(RegistryError):
    """A piece of an upload that does not fit."""

    status, oci = 400, "BLOB_UPLOAD_INVALID"


class RangeInvalid(RegistryError):
    """A piece of an upload that does not begin where the last one ended."""

    status, oci = 416, "BLOB_UPLOAD_INVALID"


class UploadUnknown(RegistryError):
    """No such upload, or it has expired."""

    status, oci = 404, "BLOB_UPLOAD_UNKNOWN"


class DigestInvalid(RegistryError):
    """A digest that is malformed, or that the bytes do not have."""

    status, oci = 400, "DIGEST_INVALID"


class ManifestInvalid(RegistryError):
    """A manifest that is malformed."""

    status, oci = 400, "MANIFEST_INVALID"


class ManifestTooLarge(RegistryError):
    """A manifest beyond the limit."""

    status, oci = 413, "MANIFEST_INVALID"


class Missing(RegistryError):
    """A manifest refers to what is not in its repository."""

    status, oci = 404, "MANIFEST_BLOB_UNKNOWN"


class ManifestUnknown(RegistryError):
    """No such manifest in this repository."""

    status, oci = 404, "MANIFEST_UNKNOWN"


class NameInvalid(RegistryError):
    """A name of a repository or a tag that is malformed."""

    status, oci = 400, "NAME_INVALID"


class NameUnknown(RegistryError):
    """No such repository, or none that the caller may know of."""

    status, oci = 404, "NAME_UNKNOWN"


class SizeInvalid(RegistryError):
    """A length that is missing or not true."""

    status, oci = 400, "SIZE_INVALID"


class Unauthorized(RegistryError):
    """Nobody said who they are, or not credibly."""

    status, oci = 401, "UNAUTHORIZED"


class Denied(RegistryError):
    """The caller may not do this."""

    status, oci = 403, "DENIED"


class Unsupported(RegistryError):
    """What the registry does not do."""

    status, oci = 405, "UNSUPPORTED"


class TooMany(RegistryError):
    """Try again later."""

    status, oci = 429, "TOOMANYREQUESTS"


class Busy(RegistryError):
    """Another request writes to the same upload."""

    status, oci = 416, "BLOB_UPLOAD_INVALID"


class Unavailable(RegistryError):
    """The disk, the database or the log cannot be used now."""

    status, oci = 503, "UNAVAILABLE"


class BadGateway(RegistryError):
    """The upstream does not answer, or not as a registry does."""

    status, oci = 502, "UNAVAILABLE"


class Refused(RegistryError):
    """The upstream refuses, in its own words.

    Args:
        message: its reason.
        status: of its answer.
        oci: its code.
        detail: what it says besides.
    """

    def __init__(self, message: str, status: int, oci: str, *, detail: Any = None) -> None:
        # Before the code is made of it.
        self.oci = oci
        super().__init__(message, detail=detail)
        self.status = status
