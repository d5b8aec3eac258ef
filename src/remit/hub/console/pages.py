"""The pages of the console: their templates, and the files that they need."""

from functools import cache
from typing import Any

from remit.web import pages
from remit.web.exchange import Reply

_PACKAGE = "remit.hub.console"
_OWN = frozenset({"console.css", "htmx.js"})
_SHARED = frozenset({"base.css", "icon.svg"})
ASSETS = _OWN | _SHARED
KIB = 1024
DIGEST_SHOWN = 19


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


def size(count: int) -> str:
    """Bytes as people say them."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < KIB:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= KIB
    return f"{number:.1f} TiB"


def many(number: int, word: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def short(digest: str) -> str:
    """The beginning of a digest, for tables; the whole one is in a title."""
    return digest[:DIGEST_SHOWN]


@cache
def _pages() -> pages.Pages:
    return pages.Pages(_PACKAGE, size=size, short=short, many=many, ago=pages.span)
