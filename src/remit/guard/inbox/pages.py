"""Pages as text: Jinja templates, always escaped."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from remit.approvals.rendering import iso
from remit.core.text import printable
from remit.guard.inbox.exchange import PageError, Reply

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
          "svg": "image/svg+xml"}  # fmt: skip
ASSETS = frozenset({"inbox.css", "inbox.js", "icon.svg"})
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


def page(name: str, *, status: int = 200, more: dict[str, str] | None = None, **what: Any) -> Reply:
    """A page of a template."""
    text = _templates().get_template(f"{name}.html").render(what)
    return Reply(status=status, body=text.encode(), more=more or {})


@cache
def asset(name: str) -> Reply:
    """A file that pages need.

    Raises:
        PageError: there is none.
    """
    if name not in ASSETS:
        raise PageError(404, "there is no such page", code="inbox.unknown")
    body = files("remit.guard.inbox").joinpath("static", name).read_bytes()
    return Reply(body=body, kind=_KINDS[name.rpartition(".")[2]])


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


def _plain(text: str) -> str:
    """A line with nothing in it that could deceive."""
    return printable(text, 500).replace("\n", "\\n").replace("\t", "\\t")


def _safe(text: str) -> str:
    """The same for text of more than one line."""
    return printable(text, len(text))


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("remit.guard.inbox"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"iso": iso, "span": span, "plain": _plain, "safe_text": _safe}
    return found
