"""Errors of web pages.

::

    WebError
    ├── PageError      a request that gets a page saying why not
    ├── TokenError     a signed token that does not hold
    └── FetchError     a provider gave no answer that can be used (remit.web.fetch)
"""

from remit.core.errors import RemitError


class WebError(RemitError):
    """Something that a page, or who lets people in, cannot do."""

    code = "web.error"


class PageError(WebError):
    """A request that gets a page saying why not.

    Attributes:
        status: HTTP status code.
    """

    code = "web.refused"

    def __init__(self, status: int, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code or None)
        self.status = status


class TokenError(WebError):
    """A signed token that does not hold, or cannot be checked."""

    code = "oauth.token"


def invalid(message: str, code: str, *, hint: str = "") -> TokenError:
    """The refusal of a token."""
    return TokenError(message, code=code, hint=hint)
