"""``remit hub``: run and look after the registry of artifacts."""

from pathlib import Path

import click

_DIRECTORY = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
STATE = click.option(
    "--state",
    type=_DIRECTORY,
    help="Directory of this Hub: log, keys, and unless told otherwise database and blobs."
    "  [default: the user's]",
)
DATABASE = click.option(
    "--database",
    envvar="REMIT_HUB_DATABASE",
    default="",
    metavar="URL",
    help="postgresql://USER:PASSWORD@HOST/NAME instead of SQLite in the state directory.",
)
BLOBS = click.option(
    "--blobs",
    envvar="REMIT_HUB_BLOBS",
    default="",
    metavar="URL",
    help="s3://BUCKET[/PREFIX][?endpoint=URL] instead of files in the state directory.",
)


def state_of(state: Path | None) -> Path:
    """The Hub's state directory."""
    import os

    from remit.core.paths import user_state

    return state or user_state(os.environ) / "hub"


@click.group()
def hub() -> None:
    """Run the registry that artifacts come from, and look after it."""


@hub.command()
@STATE
@DATABASE
@BLOBS
@click.option(
    "--listen", default="127.0.0.1:7450", show_default=True, metavar="ADDRESS:PORT", help="Where."
)
@click.option("--url", default="", help="How clients reach the Hub, if a proxy is before it.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Its private key, PEM.")
@click.option(
    "--redirect",
    is_flag=True,
    help="Send clients to the object store for blobs; it must be reachable for them.",
)
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    show_default=True,
    help="What clients are asked for; passwords are accepted either way.",
)
def run(
    state: Path | None,
    database: str,
    blobs: str,
    listen: str,
    url: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    redirect: bool,
    auth: str,
) -> int:
    """Be a Hub until stopped. With nothing else it keeps everything in one directory.

    \b
      remit hub run
      remit login 127.0.0.1:7450 -u admin
      remit push 127.0.0.1:7450/team/model:v1
    """
    from remit.hub.compose import HubOptions
    from remit.hub.compose import run as serve

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit():
        raise click.BadParameter("is ADDRESS:PORT", param_hint="--listen")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return serve(
        HubOptions(
            state=state_of(state),
            host=host.strip("[]"),
            port=int(port),
            database=database,
            blobs=blobs,
            url=url.rstrip("/"),
            certificate=tls_cert,
            key=tls_key,
            redirect=redirect,
            basic=auth == "basic",
        )
    )
