"""What an operator says to the scanners: options of ``remit scan`` and of the Hub."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.audit_output import safe
from remit.cli.together import together

if TYPE_CHECKING:
    from remit.scan.base import Settings


def _hosts(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    import re

    for each in given:
        if not re.fullmatch(r"(?i)[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", each):
            raise click.BadParameter(
                f"`{safe(each, 80)}` is no host name; give it without scheme, port and path",
                context,
                parameter,
            )
    return tuple(dict.fromkeys(each.lower() for each in given))


bounds_options = together(
    click.option(
        "--time-limit",
        type=click.FloatRange(min=1, max=86_400),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="A scan that takes longer has failed.",
    ),
    click.option(
        "--memory",
        type=click.IntRange(min=128, max=1 << 20),
        default=1500,
        show_default=True,
        metavar="MB",
        help="Address space of the sandbox.",
    ),
)
scan_options = together(
    click.option(
        "--index",
        "indexes",
        multiple=True,
        metavar="HOST",
        callback=_hosts,
        help="Host of a package index that you vouch for; repeatable.",
    ),
    click.option(
        "--advisories",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="REMIT_ADVISORIES",
        help="Directory of advisories (OSV), for what packages are known for.",
    ),
)


def settings_of(indexes: tuple[str, ...], advisories: Path | None) -> "Settings":
    """What those options say; a directory by its full path, for other processes."""
    from remit.scan.base import Settings

    folder = str(advisories.absolute()) if advisories is not None else ""
    return Settings(indexes=indexes, advisories=folder)
