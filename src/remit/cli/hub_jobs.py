"""``remit hub jobs``, ``rescan`` and ``gate``: the scans of a Hub, beside it."""

import asyncio
import getpass
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from remit.cli.audit_output import safe
from remit.cli.hub import DATABASE, STATE, hub, state_of
from remit.cli.socket import OUTPUT

if TYPE_CHECKING:
    from remit.hub.jobs.values import Job, Status
    from remit.hub.store.scans import SqlScans
    from remit.scan.base import Report

_R = TypeVar("_R")
_STATES = ("waiting", "running", "done", "failed", "cancelled")
_OVER = frozenset({"done", "failed", "cancelled"})
WATCH_S = 1.0
NOT_THERE, FAILED = 2, 1


def beside(state: Path | None, database: str, work: "Callable[[SqlScans], Awaitable[_R]]") -> _R:
    """Do something with the queue of a Hub beside this process."""
    from remit.hub.compose import HubOptions
    from remit.hub.guarding import scans

    async def run() -> _R:
        async with scans(HubOptions(state=state_of(state), database=database)) as found:
            return await work(found)

    return asyncio.run(run())


def by() -> str:
    """Who is at this machine."""
    return getpass.getuser()


def missing(what: str) -> int:
    """Say that there is no such thing; the exit status."""
    click.echo(f"remit: there is no {what}", err=True)
    return NOT_THERE


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M:%S}" if us else "-"


def _print(found: "list[Job]", output: str) -> None:
    import msgspec

    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    for each in found:
        state = f"{each.progress // 10} %" if each.state == "running" else each.state
        what = f"{each.repository}@{each.digest[:19]}"
        what += f"  by asking {each.target}" if each.target else ""
        click.echo(f"{each.id}  {state:<9}  {each.reason:<8}  {_time(each.made_us)}  {what}")
        if each.error:
            click.echo(f"{'':28}{safe(each.error, 200)}")


@hub.group()
def jobs() -> None:
    """The work about what was pushed: scans, and asking served models."""


@jobs.command("list")
@click.option("--only", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--repository", default="", help="Only of this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", default="", metavar="ID", help="Made before this one: the next page.")
@STATE
@DATABASE
@OUTPUT
def jobs_list(
    states: tuple[str, ...],
    repository: str,
    limit: int,
    before: str,
    state: Path | None,
    database: str,
    output: str,
) -> int:
    """Jobs, the last made first."""
    found = beside(state, database, lambda scans: scans.listed(states, repository, before, limit))
    _print(found, output)
    _explain(found, state, database)
    return 0


@jobs.command("show")
@click.argument("job", metavar="ID")
@STATE
@DATABASE
@OUTPUT
def jobs_show(job: str, state: Path | None, database: str, output: str) -> int:
    """One job, and what was found. Exit status 1 if it failed, 2 if there is none."""
    import msgspec

    found = beside(state, database, lambda scans: scans.job(job))
    if found is None:
        return missing(f"job `{safe(job, 60)}`")
    reports = beside(state, database, lambda scans: scans.reports(job))
    shown = msgspec.to_builtins(found)
    if output == "json":
        click.echo(json.dumps({**shown, "reports": msgspec.to_builtins(reports)}, indent=2))
    else:
        for key, value in shown.items():
            text = _time(value) if key.endswith("_us") else value
            click.echo(f"{key.removesuffix('_us'):<10} {safe(str(text), 1000)}")
        for report in reports:
            said = f"failed: {report.failed}" if report.failed else _counted(report)
            click.echo(safe(f"{report.scanner:<20} {said}", 1000))
            for each in report.findings:
                what = f"{each.severity:<8} {each.rule} in {each.member}: {each.title}"
                click.echo(safe(f"  {what} ({each.evidence})", 1000))
    _explain([found], state, database)
    return FAILED if found.state == "failed" else 0


def _counted(report: "Report") -> str:
    count = len(report.findings)
    return "found nothing" if not count else f"{count} finding{'s' * (count > 1)}"


def _explain(found: "list[Job]", state: Path | None, database: str) -> None:
    """Say on standard error why a job that waits is taken by nobody."""
    if any(each.state == "waiting" for each in found):
        status = beside(state, database, lambda scans: scans.status())
        for why in filter(None, (_stuck(status), _unasked(status))):
            click.echo(why, err=True)


def _unasked(found: "Status") -> str:
    """Which served models nobody asks; empty if none is waited for."""
    if not found.unasked:
        return ""
    names = ", ".join(f"`{safe(each, 64)}`" for each in found.unasked[:20])
    return f"no prober has {names}: start `remit hub prober` with a file that lists it"


@jobs.command("retry")
@click.argument("job", metavar="ID")
@STATE
@DATABASE
def jobs_retry(job: str, state: Path | None, database: str) -> int:
    """Do a job again, whatever became of it; prints the new job."""
    done = beside(state, database, lambda scans: scans.again(job, by()))
    if done is None:
        return missing(f"job `{safe(job, 60)}`, or its artifact is gone")
    click.echo(done[0])
    return 0


@jobs.command("cancel")
@click.argument("job", metavar="ID")
@STATE
@DATABASE
def jobs_cancel(job: str, state: Path | None, database: str) -> int:
    """End a job that waits or runs. What was pushed stays what it is."""
    done = beside(state, database, lambda scans: scans.cancel(job, by()))
    return 0 if done is not None else missing(f"job `{safe(job, 60)}`")


@jobs.command("watch")
@click.argument("job", metavar="ID")
@click.option("--timeout", type=click.FloatRange(min=0), default=0, help="Seconds; 0 for ever.")
@STATE
@DATABASE
def jobs_watch(job: str, timeout: float, state: Path | None, database: str) -> int:
    """Follow a job until it is over. Exit status 1 if it failed, 4 if that takes too long."""
    until = time.monotonic() + timeout if timeout else float("inf")
    last = ""
    while True:
        found = beside(state, database, lambda scans: scans.job(job))
        if found is None:
            return missing(f"job `{safe(job, 60)}`")
        text = (
            f"{found.state} {found.progress // 10} %" if found.state == "running" else found.state
        )
        if text != last:
            click.echo(text)
            last = text
            _explain([found], state, database)
        if found.state in _OVER:
            return FAILED if found.state == "failed" else 0
        if time.monotonic() > until:
            return 4
        time.sleep(WATCH_S)


@hub.command()
@click.argument("reference", metavar="REPOSITORY[:TAG|@DIGEST]", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything, when there is time.")
@STATE
@DATABASE
def rescan(reference: str | None, everything: bool, state: Path | None, database: str) -> int:
    """Scan an artifact again. What is admitted stays so meanwhile, and is withdrawn if it fails.

    \b
      remit hub rescan team/model:v1
      remit hub rescan --all
    """
    from remit.artifacts.oci.names import Reference

    if (reference is None) != everything:
        raise click.UsageError("say which artifact, or --all")
    if reference is None:
        count, _, _ = beside(state, database, lambda scans: scans.rescan_all(by()))
        click.echo(f"{count} scans were asked for")
        return 0
    found = Reference.parse(reference)
    if found.host:
        raise click.BadParameter("has no host here: it is in this Hub", param_hint="REFERENCE")
    done = beside(state, database, lambda scans: scans.rescan(found.repository, found.name, by()))
    if done is None:
        return missing(f"`{reference}`")
    click.echo(done[0])
    return 0


def _stuck(found: "Status") -> str:
    """Why what waits is not scanned; empty if it is, or nothing waits."""
    waits = found.jobs.get("waiting") or found.jobs.get("running")
    if not waits or any(not each.lacks for each in found.workers):
        return ""
    if not found.workers:
        return "something waits and nobody scans: start `remit hub worker`"
    return (
        "something waits and no worker has every scanner that the Hub expects:"
        " `remit hub gate status` shows what they lack, `remit scanners install NAME` installs it"
        " on the worker's machine; then start the worker again"
    )


def _lacks(names: tuple[str, ...]) -> str:
    return f"lacks {', '.join(f'`{safe(each, 60)}`' for each in names[:20])}"


@hub.group()
def gate() -> None:
    """What is quarantined, admitted, refused; and who scans."""


@gate.command("status")
@STATE
@DATABASE
@OUTPUT
def gate_status(state: Path | None, database: str, output: str) -> int:
    """How much there is of everything. Exit status 1 if something waits and nobody scans.

    A worker that lacks a scanner that the Hub expects takes no job; what it lacks is shown.
    """
    import msgspec

    found = beside(state, database, lambda scans: scans.status())
    stuck = _stuck(found)
    if output == "json":
        sys.stdout.write(json.dumps(msgspec.to_builtins(found), indent=2) + "\n")
        return int(bool(stuck))
    for title, counts in (("artifacts", found.artifacts), ("jobs", found.jobs)):
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        click.echo(f"{title:<10} {said or 'none'}")
    click.echo(f"{'undecided':<10} {found.undecided}")
    click.echo(f"{'oldest job':<10} {found.oldest_s} s")
    short = sum(each.short for each in found.workers)
    full = f", {short} without room on their disks" if short else ""
    click.echo(f"{'workers':<10} {len(found.workers)}{full}")
    said = ", ".join(f"{count} {name}" for name, count in found.probes.items())
    if said or found.probers:
        has = sorted({name for each in found.probers for name in each.targets})
        click.echo(f"{'probes':<10} {said or 'none'}")
        click.echo(f"{'probers':<10} {len(found.probers)}{' for ' if has else ''}{', '.join(has)}")
    for each in found.workers:
        if each.lacks:
            click.echo(f"{'':<10} {safe(each.name, 150)} takes no job: it {_lacks(each.lacks)}")
    for why in filter(None, (stuck, _unasked(found))):
        click.echo(why, err=True)
    return int(bool(stuck))
