"""``remit guard``: run the Guard of this machine, and ask it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.socket import OUTPUT, SOCKET, ask, place
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.guard.store.secrets import Secrets

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.group()
def guard() -> None:
    """Run and ask the Guard of this machine: one for all servers, agents and sessions."""


@guard.command()
@click.option(
    "--config",
    type=_FILE,
    default=Path("remit.toml"),
    show_default=True,
    help="The remit.toml that names servers and policy bundle.",
)
@click.option("--bundle", type=_DIRECTORY, help="Policy bundle, instead of the configuration's.")
@click.option(
    "--state", type=_DIRECTORY, help="Directory for log, keys and pins; one Guard at a time."
)
@SOCKET
@click.option(
    "--http",
    metavar="ADDRESS:PORT|off",
    default="",
    help="Listen for MCP over HTTP there.  [default: [http] of the configuration, 127.0.0.1:7448]",
)
@click.option("--call-timeout", type=click.FloatRange(min=0.1), default=600.0, show_default=True)
@click.option("--confirm-timeout", type=click.FloatRange(min=0.1), default=300.0, show_default=True)
@click.option(
    "--hold-timeout",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Longest time a call is held for an approval, if its client waits so long.",
)
def run(
    config: Path,
    bundle: Path | None,
    state: Path | None,
    socket_path: Path | None,
    http: str,
    call_timeout: float,
    confirm_timeout: float,
    hold_timeout: float,
) -> int:
    """Be the Guard of this machine until stopped.

    Clients reach a server through `remit-mcp SERVER`, which they start in place of the server.

    \b
    remit.toml:
      [guard]
      bundle = "policy"
      [servers.git]
      command = ["mcp-server-git", "--repository", "."]
    A client's configuration:
      {"command": "remit-mcp", "args": ["git"]}
    """
    from remit.guard.daemon.compose import GuardOptions, serve
    from remit.guard.mcp.session import Limits

    return serve(
        GuardOptions(
            config=config,
            socket=place(socket_path),
            bundle=bundle,
            state=state,
            http=http,
            limits=Limits(call_s=call_timeout, confirm_s=confirm_timeout, hold_s=hold_timeout),
        )
    )


@guard.command()
@SOCKET
@OUTPUT
def status(socket_path: Path | None, output: str) -> int:
    """Show servers, sessions, policy and log of the running Guard."""
    found = ask(socket_path, {"op": "status"})
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    from remit.cli.guard_output import show_status

    show_status(found)
    return 0


@guard.command()
@SOCKET
def reload(socket_path: Path | None) -> int:
    """Read configuration, policy bundle and pins again, without dropping a call.

    What does not check changes nothing: the last good bundle stays in force.
    """
    done = ask(socket_path, {"op": "reload"})["reload"]
    click.echo(f"in force: serial {done['serial']}, {done['servers']} servers")
    return 0


@guard.command()
@SOCKET
def stop(socket_path: Path | None) -> int:
    """End the running Guard; its sessions end with it."""
    ask(socket_path, {"op": "stop"})
    return 0


@guard.command()
@SOCKET
@OUTPUT
def questions(socket_path: Path | None, output: str) -> int:
    """List the calls that wait for a person."""
    found = ask(socket_path, {"op": "questions"})["questions"]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    elif not found:
        click.echo("no call waits", err=True)
    else:
        for question in found:
            click.echo(f"{question['id']}\n{question['text']}\n")
    return 0


@guard.command()
@click.argument("question")
@SOCKET
def confirm(question: str, socket_path: Path | None) -> int:
    """Say yes to a call that waits, once."""
    ask(socket_path, {"op": "answer", "question": question, "yes": True})
    return 0


@guard.command()
@click.argument("question")
@SOCKET
def refuse(question: str, socket_path: Path | None) -> int:
    """Say no to a call that waits."""
    ask(socket_path, {"op": "answer", "question": question, "yes": False})
    return 0


@guard.group()
def secret() -> None:
    """Keep credentials of servers in Guard, encrypted; agents never see them."""


_STATE = click.option(
    "--state", type=_DIRECTORY, help="Guard's state directory.  [default: the user's]"
)


@secret.command("set")
@click.argument("name")
@_STATE
def set_(name: str, state: Path | None) -> int:
    """Keep one line of standard input, or of a prompt, under NAME.

    \b
    In remit.toml:
      headers = { Authorization = { secret = "NAME", prefix = "Bearer " } }
      env = { TOKEN = { secret = "NAME" } }
    """
    if sys.stdin.isatty():
        value = click.prompt(name, hide_input=True, err=True)
    else:
        value = sys.stdin.readline().removesuffix("\n")
    _secrets(state).put(name, value)
    return 0


@secret.command("list")
@_STATE
@OUTPUT
def list_(state: Path | None, output: str) -> int:
    """Names of the secrets, never their values."""
    names = _secrets(state).names()
    click.echo(json.dumps(names) if output == "json" else "\n".join(names))
    return 0


@secret.command()
@click.argument("name")
@_STATE
def remove(name: str, state: Path | None) -> int:
    """Forget a secret; sessions that have it already keep it."""
    if not _secrets(state).remove(name):
        raise RemitError(f"there is no secret `{name}`", code="secret.missing")
    return 0


def _secrets(state: Path | None) -> "Secrets":
    import os

    from remit.core.paths import user_state
    from remit.guard.store.secrets import Secrets

    return Secrets(state or user_state(os.environ) / "guard")
