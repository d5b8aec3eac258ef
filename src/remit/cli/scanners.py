"""``remit scanners``: install, list and remove scanners of others."""

import os
import sys
from pathlib import Path

import click

_DIRECTORY = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where their environments are.  [default: $REMIT_SCANNERS, else the user's]",
)
_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)


@click.group()
def scanners() -> None:
    """Install, list and remove external scanners.

    Each gets an environment of its own, from a lock file with a digest of every package. `remit
    scan` asks those that are installed, beside Remit's own.

    \b
      remit scanners list
      remit scanners install picklescan modelaudit
      remit scan ./model
    """


@scanners.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--python", metavar="PROGRAM", help="Interpreter to use.  [default: Remit's]")
@_DIRECTORY
@_OUTPUT
def install(names: tuple[str, ...], python: str | None, directory: Path | None, output: str) -> int:
    """Install scanners, all of them if none is named. What is there and current stays."""
    from remit.scan.external.environments import Environment, tools
    from remit.scan.external.install import install as install_it

    where = _where(directory)
    done: list[Environment] = [
        install_it(name, where, _told, python or sys.executable) for name in names or tuple(tools())
    ]
    if output == "json":
        import msgspec

        _json([{**msgspec.to_builtins(each.record), "path": str(each.place)} for each in done])
    else:
        for each in done:
            click.echo(f"{each.record.name} {each.record.version}")
    return 0


@scanners.command(name="list")
@_DIRECTORY
@_OUTPUT
def list_(directory: Path | None, output: str) -> int:
    """List external scanners, and which of them are installed."""
    from remit.scan.external.environments import installed, tools

    where = _where(directory)
    found = [(tool, installed(name, where)) for name, tool in tools().items()]
    if output == "json":
        _json(
            [
                {
                    "name": tool.name,
                    "summary": tool.summary,
                    "installed": each is not None,
                    "version": each.record.version if each else None,
                    "rules": each.rules() if each else None,
                    "path": str(each.place) if each else None,
                }
                for tool, each in found
            ]
        )
        return 0
    for tool, each in found:
        version = each.record.version if each else "-"
        click.echo(f"{tool.name:<16}{version:<12}{tool.summary}")
    return 0


@scanners.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_DIRECTORY
def remove(names: tuple[str, ...], directory: Path | None) -> int:
    """Remove scanners."""
    from remit.scan.external.install import remove as remove_it

    where = _where(directory)
    for name in names:
        there = remove_it(name, where)
        click.echo(f"{name}: {'removed' if there else 'it was not installed'}", err=True)
    return 0


def _where(directory: Path | None) -> Path:
    from remit.scan.external.environments import directory as usual

    return directory or usual(os.environ)


def _told(text: str) -> None:
    click.echo(text, err=True)


def _json(value: object) -> None:
    import json

    click.echo(json.dumps(value, indent=2))
