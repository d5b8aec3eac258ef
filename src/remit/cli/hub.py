"""``remit hub``: run and look after the registry of artifacts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.hub_console import console_of, console_options
from remit.cli.scan_options import scan_options, settings_of
from remit.cli.together import together

if TYPE_CHECKING:
    from remit.hub.front import UpstreamOptions

_DIRECTORY = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


class _Bundle(click.Path):
    """A directory, or the name of a bundle that comes with Remit (``./NAME`` is a directory)."""

    name = "bundle"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The directory."""
        from remit.policy.shipped import ARTIFACT_DEFAULT, ARTIFACT_REVIEWED

        shipped = {each.name: each for each in (ARTIFACT_DEFAULT, ARTIFACT_REVIEWED)}
        return shipped.get(str(value)) or super().convert(value, param, ctx)


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

key_options = together(
    click.option(
        "--scan-key",
        envvar="REMIT_HUB_SCAN_KEY",
        default="",
        metavar="KEY",
        help="Key that signs what scanners found.  [default: keys/scan.key of the state]",
    ),
    click.option(
        "--gate-key",
        envvar="REMIT_HUB_GATE_KEY",
        default="",
        metavar="KEY",
        help="Key that signs what the gate decided.  [default: keys/gate.key of the state]",
    ),
)

upstream_options = together(
    click.option(
        "--upstream",
        envvar="REMIT_UPSTREAM",
        default="",
        metavar="URL",
        help="Registry that keeps the bytes, https://HOST[/PREFIX]; the Hub stands before it.",
    ),
    click.option("--upstream-user", default="", metavar="NAME", help="The Hub's account there."),
    click.option(
        "--upstream-password-file",
        type=_FILE,
        help="Its password or token.  [default: the environment's REMIT_UPSTREAM_PASSWORD]",
    ),
    click.option(
        "--upstream-plain-http",
        is_flag=True,
        help="Send the password over plain HTTP, where the network is trusted.",
    ),
    click.option("--upstream-ca-file", type=_FILE, help="Certificates to trust for it, PEM."),
    click.option(
        "--upstream-repository",
        multiple=True,
        metavar="NAME",
        help="What to look through, if it does not list its repositories; may be repeated.",
    ),
)


def upstream_of(
    upstream: str,
    upstream_user: str,
    upstream_password_file: Path | None,
    upstream_plain_http: bool,
    upstream_ca_file: Path | None,
    upstream_repository: tuple[str, ...],
    **more: Any,
) -> "UpstreamOptions | None":
    """What those options say; ``None`` without ``--upstream``."""
    import os

    from remit.artifacts.oci.names import is_repository
    from remit.hub.front import PASSWORD, UpstreamOptions, parse_upstream

    if not upstream:
        if upstream_user or upstream_password_file or upstream_repository:
            raise click.UsageError("--upstream-… belong to --upstream")
        return None
    for name in upstream_repository:
        if not is_repository(name):
            raise click.BadParameter(
                f"`{name}` is not the name of a repository", param_hint="--upstream-repository"
            )
    url = upstream.rstrip("/")
    parse_upstream(url)
    password = os.environ.get(PASSWORD, "")
    if upstream_password_file is not None:
        password = upstream_password_file.read_text().strip("\r\n")
    return UpstreamOptions(
        url=url,
        user=upstream_user,
        password=password if upstream_user else "",
        plain_http=upstream_plain_http,
        ca_file=upstream_ca_file,
        repositories=upstream_repository,
        **more,
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
@click.option(
    "--gate/--no-gate",
    default=True,
    show_default=True,
    help="Scan what is pushed, and give out only what is admitted.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0, max=64),
    default=1,
    show_default=True,
    help="Processes that scan, started here; 0 if they run elsewhere: remit hub worker.",
)
@click.option(
    "--max-waiting",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="SCANS",
    help="When so many scans wait, pushes are told to come back later.",
)
@key_options
@click.option(
    "--signers",
    type=_FILE,
    help="Trust root: whose signatures the policy is told of, context.input.signed_by.",
)
@click.option("--signers-key", type=_FILE, help="Public key that must have signed it.")
@click.option(
    "--policy",
    type=_Bundle(path_type=Path, file_okay=False, exists=True),
    help="Bundle that says what may be pulled: a directory, artifact-default, or artifact-reviewed"
    " (what nobody trusted has signed waits for a curator).  [default: artifact-default]",
)
@click.option(
    "--rescan-days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    metavar="DAYS",
    help="Age of a decision at which the artifact is scanned again; 0 for never.",
)
@scan_options
@upstream_options
@click.option(
    "--upstream-poll",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look for what was pushed to it past the Hub; 0 for never.",
)
@click.option(
    "--upstream-whole",
    is_flag=True,
    help="Send it each blob in one request, if it takes no pieces; found out by itself mostly.",
)
@console_options
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
    gate: bool,
    workers: int,
    policy: Path | None,
    signers: Path | None,
    signers_key: Path | None,
    scan_key: str,
    gate_key: str,
    max_waiting: int,
    rescan_days: float,
    indexes: tuple[str, ...],
    advisories: Path | None,
    upstream_poll: float,
    upstream_whole: bool,
    **upstream: Any,
) -> int:
    """Be a Hub until stopped. With nothing else it keeps everything in one directory.

    \b
      remit hub run
      remit login 127.0.0.1:7450 -u admin
      remit push 127.0.0.1:7450/team/model:v1

    \b
    Before a registry that keeps the bytes:
      REMIT_UPSTREAM_PASSWORD=... remit hub run --upstream https://harbor.example/team \\
        --upstream-user robot
    """
    from remit.hub.compose import HubOptions
    from remit.hub.serving import run as serve

    console = console_of(upstream)

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
            gate=gate,
            workers=workers,
            policy=policy,
            signers=signers,
            signers_key=signers_key,
            scan_key=scan_key,
            gate_key=gate_key,
            max_waiting=max_waiting,
            rescan_days=rescan_days,
            upstream=upstream_of(**upstream, poll_s=upstream_poll, whole=upstream_whole),
            console=console,
            settings=settings_of(indexes, advisories),
        )
    )
