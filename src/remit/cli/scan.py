"""``remit scan``: look at an artifact before it runs, in a sandbox."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.audit_output import safe
from remit.cli.scan_options import bounds_options, scan_options, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remit.scan.base import Report
    from remit.scan.verdict import Verdict

KINDS = ("agent", "code", "dataset", "mcp-server", "model", "prompt", "skill")
CLEAN, FINDINGS, USAGE, NOT_VERIFIED = 0, 1, 2, 3
_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow"}
_NOT_VERIFIED = frozenset(
    {"artifact.archive", "artifact.digest", "artifact.manifest", "scan.no_sandbox"}
)


class _Command(click.Command):
    def invoke(self, ctx: click.Context) -> Any:
        from remit.core.errors import RemitError

        try:
            return super().invoke(ctx)
        except RemitError as error:
            click.echo(f"error: {safe(error.diagnostics())}", err=True)
            status = NOT_VERIFIED if error.code in _NOT_VERIFIED else USAGE
            raise SystemExit(status) from None
        except OSError as error:
            click.echo(f"error: it cannot be read: {safe(error.strerror or str(error))}", err=True)
            raise SystemExit(NOT_VERIFIED) from None


@click.command(cls=_Command)
@click.argument("target", metavar="PATH|REF")
@click.option(
    "--scanner", "names", multiple=True, metavar="NAME", help="Only this scanner; repeatable."
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="What it is, where its files do not say so: rules differ. An artifact says it itself.",
)
@scan_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "sarif"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory with the artifacts of this machine.",
)
@bounds_options
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=256),
    metavar="N",
    help="Scanners that run at a time.  [default: processors]",
)
def scan(
    target: str,
    names: tuple[str, ...],
    kind: str | None,
    indexes: tuple[str, ...],
    advisories: Path | None,
    output: str,
    store: Path | None,
    time_limit: float,
    memory: int,
    jobs: int | None,
) -> None:
    """Scan a directory, a file, or an artifact of the local store. Nothing of it is loaded.

    Everything is read in a sandbox without network. A file that can execute and that nobody could
    read completely blocks, like a finding: what was not read is never clean.

    \b
    Examples:
      remit scan ./model
      remit scan models/qwen:7b -o json | jq .verdict
      remit scan weights.pt --scanner pickles
      remit scan . -o sarif > remit.sarif
      remit scan ./prompts --kind prompt
      remit scan ./server --index packages.example.com --advisories ./osv

    Exit codes: 0 clean, 1 findings or unread, 2 wrong usage, 3 could not be verified.
    """
    import msgspec

    from remit.cli.tidy import tidy
    from remit.core.paths import user_state
    from remit.scan.run import run
    from remit.scan.sandbox import Bounds
    from remit.scan.target import opened
    from remit.scan.verdict import judge

    wanted = _wanted(names)
    bounds = Bounds(seconds=time_limit, memory=memory * 1_000_000, jobs=jobs or 0)
    with tidy(), opened(target, store or user_state(os.environ) / "artifacts") as found:
        reports = run(
            msgspec.structs.replace(found, kind=found.kind or kind or ""),
            wanted=wanted,
            bounds=bounds,
            settings=settings_of(indexes, advisories),
        )
    verdict = judge(reports, ("archives", *wanted))
    show(output, target, found.digest, reports, verdict)
    sys.exit(CLEAN if verdict.word == "clean" else FINDINGS)


def _wanted(names: "Sequence[str]") -> tuple[str, ...]:
    """Names of scanners, each of which can be run.

    Raises:
        UsageError: one is not known.
        ScanError: one is not installed.
    """
    from remit.scan.base import ScanError
    from remit.scan.run import defaults, known

    able = defaults()
    for name in names:
        if name not in known():
            raise click.UsageError(
                f"there is no scanner `{safe(name, 80)}`; there are {', '.join(known())}"
            )
        if name not in able:
            raise ScanError(
                f"the scanner `{name}` is not installed",
                code="scan.not_installed",
                hint=f"install it with `remit scanners install {name}`",
            )
    return tuple(dict.fromkeys(names)) or able


def show(
    output: str, target: str, digest: str, reports: "Sequence[Report]", verdict: "Verdict"
) -> None:
    """Print what was found, as a table, JSON or SARIF."""
    import msgspec

    from remit.cli.diff_output import ascii_json
    from remit.scan.sarif import sarif

    if output == "sarif":
        sys.stdout.write(ascii_json(sarif(reports, digest=digest)) + "\n")
    elif output == "json":
        document = {"target": target, "digest": digest, "verdict": verdict, "reports": reports}
        sys.stdout.write(ascii_json(msgspec.json.encode(document)) + "\n")
    else:
        _table(target, reports, verdict)


def _table(target: str, reports: "Sequence[Report]", verdict: "Verdict") -> None:
    from rich.console import Console
    from rich.text import Text

    from remit.scan.verdict import distinct

    console = Console(highlight=False, soft_wrap=True)
    found = distinct(reports)
    for each in found:
        what = f"{each.title}: {each.evidence}" if each.evidence else each.title
        line = Text(f"{each.severity:<9} ", style=_STYLES.get(each.severity, ""))
        line.append(f"{each.rule:<22} {safe(each.member, 300)}\n", style="default")
        line.append(f"{'':10}{safe(what, 300)}", style="dim")
        console.print(line)
    unread = [reason for reason in verdict.reasons if "was not read" in reason]
    failed = [reason for reason in verdict.reasons if "has no result" in reason]
    for reason in (*unread, *failed):
        console.print(Text(safe(reason, 400)))
    console.print(Text(f"{safe(target, 200)}: {verdict.word}, {_counted(len(found), reports)}"))


def _counted(findings: int, reports: "Sequence[Report]") -> str:
    """How much was found and how much was read, for a person."""
    from remit.scan.verdict import readings

    seen, whole = readings(reports)
    said = "1 finding" if findings == 1 else f"{findings} findings"
    if not seen:
        return f"{said}, no file that a scanner reads"
    return f"{said}, {whole} of {seen} files read completely"
