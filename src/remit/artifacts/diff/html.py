"""A difference as one HTML file: no script, no network, readable in the dark and by ear."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from remit.artifacts.diff.base import SEVERITIES, Change, Difference
from remit.artifacts.diff.text import visible

MAX_SHOWN = 3000
"""Changes on the page; the JSON form has all."""
_NAMES = {"info": "Information", "low": "Low", "medium": "Medium", "high": "High",
          "critical": "Critical"}  # fmt: skip


def page(found: Difference) -> bytes:
    """The page, UTF-8. Everything from the artifacts is escaped."""
    counts = {
        name: sum(change.severity == name for change in found.changes)
        for name in reversed(SEVERITIES)
    }
    text = _template().render(
        found=found,
        groups=_groups(found.changes[:MAX_SHOWN]),
        left=max(0, len(found.changes) - MAX_SHOWN),
        counts={_NAMES[name]: count for name, count in counts.items() if count},
        names=_NAMES,
    )
    return text.encode()


def _groups(changes: tuple[Change, ...]) -> list[tuple[str, list[Change]]]:
    """Changes by file, in their order."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.path, []).append(change)
    return list(groups.items())


def _plain(text: object) -> str:
    return visible(str(text))


def _bytes(size: int) -> str:
    number = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@cache
def _template() -> Template:
    found = Environment(
        loader=PackageLoader("remit.artifacts.diff"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"plain": _plain, "bytes": _bytes, "number": _number}
    return found.get_template("difference.html")
