"""Errors of the Hub."""

from remit.core.errors import RemitError


class HubError(RemitError):
    """Something the Hub refuses or cannot do."""

    code = "hub.error"
