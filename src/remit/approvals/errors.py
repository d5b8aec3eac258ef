"""Errors of approvals."""

from remit.core.errors import RemitError


class ApprovalError(RemitError):
    """An approval that does not hold; ``code`` says why (``approval.<reason>``)."""

    code = "approval.error"
