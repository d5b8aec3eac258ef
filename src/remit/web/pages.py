"""Pages as text: Jinja templates, always escaped, and the files that pages need."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from remit.core.text import printable
from remit.web.errors import PageError
from remit.web.exchange import Reply

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
          "svg": "image/svg+xml"}  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(css|js|svg)")
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
MAX_LINE = 500


class Pages:
    """The templates of a package, in its directory ``templates``."""

    def __init__(self, package: str, **filters: Any) -> None:
        self._found = Environment(
            loader=PackageLoader(package),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._found.filters |= {
            "iso": iso,
            "span": span,
            "plain": plain,
            "safe_text": safe,
            **filters,
        }

    def page(
        self, name: str, /, *, status: int = 200, more: dict[str, str] | None = None, **what: Any
    ) -> Reply:
        """A page of a template."""
        text = self._found.get_template(f"{name}.html").render(what)
        return Reply(status=status, body=text.encode(), more=more or {})


@cache
def asset(package: str, name: str, known: Collection[str]) -> Reply:
    """A file that pages need, of the directory ``static`` of a package.

    Args:
        package: whose it is.
        name: as a browser asks for it.
        known: names of all that may be given, hashable.

    Raises:
        PageError: there is none.
    """
    if name not in known or _NAME.fullmatch(name) is None:
        raise PageError(404, "there is no such page", code="web.unknown")
    body = files(package).joinpath("static", name).read_bytes()
    return Reply(body=body, kind=_KINDS[name.rpartition(".")[2]])


def iso(time_us: int) -> str:
    """A time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(time_us: int) -> str:
    """A span of time as people say it."""
    seconds = max(0, time_us) // 1_000_000
    if seconds < MINUTE_S:
        return "less than a minute"
    if seconds < HOUR_S:
        return _many(seconds // MINUTE_S, "minute")
    if seconds < DAY_S:
        return _many(seconds // HOUR_S, "hour")
    return _many(seconds // DAY_S, "day")


def _many(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def plain(text: str) -> str:
    """A line with nothing in it that could deceive."""
    return printable(text, MAX_LINE).replace("\n", "\\n").replace("\t", "\\t")


def safe(text: str) -> str:
    """The same for text of more than one line."""
    return printable(text, len(text))
