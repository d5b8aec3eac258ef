"""The pages of approvals: their templates, and the files that they need."""

from functools import cache
from typing import Any

from remit.web import pages
from remit.web.exchange import Reply

_PACKAGE = "remit.guard.inbox"
_OWN = frozenset({"inbox.css", "inbox.js"})
_SHARED = frozenset({"base.css", "icon.svg"})
ASSETS = _OWN | _SHARED


def page(
    name: str, /, *, status: int = 200, more: dict[str, str] | None = None, **what: Any
) -> Reply:
    """A page of a template."""
    return _pages().page(name, status=status, more=more, **what)


def asset(name: str) -> Reply:
    """A file that pages need.

    Raises:
        PageError: there is none.
    """
    return pages.asset("remit.web" if name in _SHARED else _PACKAGE, name, ASSETS)


@cache
def _pages() -> pages.Pages:
    return pages.Pages(_PACKAGE)
