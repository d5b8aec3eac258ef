"""The error base of the Guard."""

from remit.core.errors import RemitError


class GuardError(RemitError):
    """The Guard cannot start or cannot go on."""

    code = "guard.error"
