"""``remit hub worker``: scan what was pushed to a Hub."""

from pathlib import Path
from typing import Any

import click

import remit.cli.hub_catalog
import remit.cli.hub_jobs
import remit.cli.hub_probes  # noqa: F401 - their commands belong to the group
from remit.cli.hub import BLOBS, DATABASE, STATE, hub, state_of, upstream_of, upstream_options
from remit.cli.scan_options import bounds_options, scan_options, settings_of


@hub.command()
@STATE
@DATABASE
@BLOBS
@upstream_options
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where artifacts are laid out to be scanned.  [default: the system's temporary files]",
)
@bounds_options
@scan_options
@click.option("--follow", is_flag=True, hidden=True, help="End when standard input closes.")
def worker(
    state: Path | None,
    database: str,
    blobs: str,
    scratch: Path | None,
    time_limit: float,
    memory: int,
    indexes: tuple[str, ...],
    advisories: Path | None,
    follow: bool,
    **upstream: Any,
) -> int:
    """Scan what was pushed to a Hub, until stopped. It needs the database and the bytes, no key.

    \b
    On another machine, over PostgreSQL and S3:
      remit hub worker --database postgresql://remit:...@db/remit --blobs s3://artifacts

    A worker that is killed loses nothing: another takes its job up within 30 seconds.
    """
    from remit.hub.compose import HubOptions
    from remit.hub.working import WorkerOptions, serve
    from remit.scan.sandbox import Bounds

    options = HubOptions(
        state=state_of(state),
        database=database,
        blobs=blobs,
        upstream=upstream_of(**upstream),
        settings=settings_of(indexes, advisories),
    )
    bounds = Bounds(seconds=time_limit, memory=memory * 1_000_000)
    return serve(WorkerOptions(hub=options, scratch=scratch, bounds=bounds, follow=follow))
