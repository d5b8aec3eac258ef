"""Errors of the HTTP API; their status and code are those of the registry where it has them."""

from remit.hub.registry.errors import RegistryError


class BadRequest(RegistryError):  # noqa: N818 - HTTP's name
    """A parameter that is malformed or unknown."""

    status, oci = 400, "BAD_REQUEST"


class NotFound(RegistryError):  # noqa: N818 - HTTP's name
    """There is no such thing, or the caller may not know of it."""

    status, oci = 404, "NOT_FOUND"
