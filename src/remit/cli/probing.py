"""Options of the commands that run garak."""

from pathlib import Path

import click

from remit.cli.together import together

garak_options = together(
    click.option(
        "--environment",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        envvar="REMIT_GARAK",
        help="Python environment in which garak is installed.  [env: REMIT_GARAK]",
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(1, 604_800),
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        help="A run that takes longer has failed.",
    ),
    click.option(
        "--memory",
        type=click.IntRange(min=512, max=1 << 20),
        default=8192,
        show_default=True,
        metavar="MB",
        help="Address space of each process of garak.",
    ),
)
