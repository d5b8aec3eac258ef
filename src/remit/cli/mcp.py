"""``remit mcp``: put MCP servers under Guard."""

import gc
import sys
from pathlib import Path

import click

_DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.group()
def mcp() -> None:
    """Put MCP servers under Guard."""


@mcp.command("exec", context_settings={"ignore_unknown_options": False})
@click.argument("target", nargs=-1, required=True, metavar="SERVER | -- CMD…")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The remit.toml that names the servers.  [default: ./remit.toml]",
)
@click.option("--bundle", type=_DIRECTORY, help="Directory of the policy bundle.")
@click.option(
    "--state", type=_DIRECTORY, help="Exact directory for log, keys and pins; one Guard at a time."
)
@click.option(
    "--name",
    help="Guard's name of the server, as policies say it.  "
    "[default: the only server of the bundle's tools.lock, else the program's name]",
)
@click.option(
    "--workspace",
    type=_DIRECTORY,
    help="What path facts call inside.  [default: the working directory]",
)
@click.option(
    "--confirm-on",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TTY",
    help="Terminal for confirmations when the client cannot ask, e.g. /dev/pts/3.",
)
@click.option(
    "--call-timeout",
    type=click.FloatRange(min=0.1),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time for one call at the server.",
)
@click.option(
    "--confirm-timeout",
    type=click.FloatRange(min=0.1),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time a person has to confirm.",
)
def exec_(
    target: tuple[str, ...],
    config_path: Path | None,
    bundle: Path | None,
    state: Path | None,
    name: str | None,
    workspace: Path | None,
    confirm_on: Path | None,
    call_timeout: float,
    confirm_timeout: float,
) -> int:
    """Govern one stdio MCP server in this process.

    The client starts this command in place of the server. Every call is judged by the bundle with
    its real arguments; what is denied never reaches the server, and every decision is in the log.

    \b
    A server of remit.toml:
      remit mcp exec git
    Any command:
      remit mcp exec --bundle ./policy -- mcp-server-git --repository .
    In a client's configuration:
      {"command": "remit", "args": ["mcp", "exec", "--bundle", "/etc/remit/git", "--",
                                    "mcp-server-git"]}
    """
    # msgspec takes it along where it finds it, and uses of it what `typing` has since 3.11: 1.3 MB.
    sys.modules.setdefault("typing_extensions", None)  # type: ignore[arg-type]
    from remit.guard.target import resolve

    chosen = resolve(
        target,
        config_path=config_path,
        bundle=bundle,
        state=state,
        name=name,
        workspace=workspace,
    )
    if chosen.server.url or chosen.server.artifact or chosen.judge or chosen.bundle is None:
        sys.modules.pop("typing_extensions", None)
    else:
        # asyncio takes TLS along where it finds it: 4 MB and 14 ms for pipes that have none.
        sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
    from remit.guard.compose import ExecOptions, execute
    from remit.guard.mcp.session import Limits

    options = ExecOptions(
        server=chosen.server,
        bundle=chosen.bundle,
        state=chosen.state,
        judge=chosen.judge,
        config=chosen.config,
        terminal=confirm_on,
        limits=Limits(call_s=call_timeout, confirm_s=confirm_timeout),
    )
    # Start-up made what lives for ever; the collector need not look at it again on the hot path.
    gc.collect()
    gc.freeze()
    return execute(options)
