"""``remit hub prober`` and ``probe``: asking served models, as a job of the Hub."""

from pathlib import Path

import click

from remit.cli.hub import DATABASE, STATE, hub, state_of
from remit.cli.hub_jobs import beside, by, missing
from remit.cli.probing import garak_options

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@hub.command()
@click.option(
    "--targets",
    type=_FILE,
    required=True,
    envvar="REMIT_HUB_TARGETS",
    help="The served models that may be asked, TOML.  [env: REMIT_HUB_TARGETS]",
)
@garak_options
@STATE
@DATABASE
def prober(
    targets: Path,
    environment: Path,
    time_limit: float,
    memory: int,
    state: Path | None,
    database: str,
) -> int:
    """Ask served models what a Hub's jobs say, by garak, until stopped. It needs no key of the Hub.

    Jobs name a served model; where that is, and for which repositories it may be asked, stands in
    the file:

    \b
      format = "remit.served/v1"
      [[targets]]
      name = "qwen-staging"
      url = "http://10.0.0.5:8080/v1/"
      model = "qwen"
      repositories = ["team/*"]
      key_variable = "QWEN_KEY"

    \b
      remit hub prober --targets served.toml --environment /opt/garak
      remit hub probe team/qwen:v1 --target qwen-staging --probe promptinject --probe dan

    What was answered the Hub attests, and decides on the artifact anew.
    """
    from remit.hub.compose import HubOptions
    from remit.hub.jobs.probing import Limits
    from remit.hub.working import ProberOptions, probe

    return probe(
        ProberOptions(
            hub=HubOptions(state=state_of(state), database=database),
            targets=targets,
            environment=environment,
            limits=Limits(seconds=time_limit, memory=memory << 20),
        )
    )


@hub.command("probe")
@click.argument("reference", metavar="REPOSITORY[:TAG|@DIGEST]")
@click.option(
    "--target", required=True, metavar="NAME", help="The served model, as probers know it."
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Module or class of probes, as in promptinject or dan.Dan_11_0; repeatable.",
)
@click.option("--generations", type=click.IntRange(1, 1000), default=1, show_default=True)
@STATE
@DATABASE
def ask(
    reference: str,
    target: str,
    probes: tuple[str, ...],
    generations: int,
    state: Path | None,
    database: str,
) -> int:
    """Have a served model asked, as what the artifact is; prints the job.

    \b
      remit hub probe team/qwen:v1 --target qwen-staging --probe promptinject --probe dan
      remit hub jobs watch ID

    A prober does it: `remit hub prober`. The Hub attests what was answered, and decides on the
    artifact anew. That what is served is that artifact says whoever asks, and the prober's file.
    """
    from remit.artifacts.oci.names import Reference
    from remit.hub.jobs.questions import questions

    found = Reference.parse(reference)
    if found.host:
        raise click.BadParameter("has no host here: it is in this Hub", param_hint="REFERENCE")
    asked = questions(target, probes, generations)
    done = beside(
        state, database, lambda scans: scans.probe(found.repository, found.name, asked, by())
    )
    if done is None:
        return missing(f"`{reference}`")
    click.echo(done[0])
    status = beside(state, database, lambda scans: scans.status())
    if target in status.unasked:
        click.echo(f"no prober has `{target}` now: start `remit hub prober`", err=True)
    return 0
