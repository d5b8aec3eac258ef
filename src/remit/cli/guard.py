"""``remit guard``: run the Guard of this machine, and ask it."""

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.guard.store.secrets import Secrets

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIRECTORY = click.Path(path_type=Path, file_okay=False)
_SOCKET = click.option(
    "--socket",
    "socket_path",
    type=_FILE,
    envvar="REMIT_SOCKET",
    help="Guard's socket.  [default: in the user's runtime directory]",
)
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
UNREACHABLE = 5
ANSWER_S = 30.0


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
@_SOCKET
@click.option(
    "--http",
    metavar="ADDRESS:PORT|off",
    default="",
    help="Listen for MCP over HTTP there.  [default: [http] of the configuration, 127.0.0.1:7448]",
)
@click.option("--call-timeout", type=click.FloatRange(min=0.1), default=600.0, show_default=True)
@click.option("--confirm-timeout", type=click.FloatRange(min=0.1), default=300.0, show_default=True)
def run(
    config: Path,
    bundle: Path | None,
    state: Path | None,
    socket_path: Path | None,
    http: str,
    call_timeout: float,
    confirm_timeout: float,
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
            socket=_place(socket_path),
            bundle=bundle,
            state=state,
            http=http,
            limits=Limits(call_s=call_timeout, confirm_s=confirm_timeout),
        )
    )


@guard.command()
@_SOCKET
@_OUTPUT
def status(socket_path: Path | None, output: str) -> int:
    """Show servers, sessions, policy and log of the running Guard."""
    found = _ask(socket_path, {"op": "status"})
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    from remit.cli.guard_output import show_status

    show_status(found)
    return 0


@guard.command()
@_SOCKET
def reload(socket_path: Path | None) -> int:
    """Read configuration, policy bundle and pins again, without dropping a call.

    What does not check changes nothing: the last good bundle stays in force.
    """
    done = _ask(socket_path, {"op": "reload"})["reload"]
    click.echo(f"in force: serial {done['serial']}, {done['servers']} servers")
    return 0


@guard.command()
@_SOCKET
def stop(socket_path: Path | None) -> int:
    """End the running Guard; its sessions end with it."""
    _ask(socket_path, {"op": "stop"})
    return 0


@guard.command()
@_SOCKET
@_OUTPUT
def questions(socket_path: Path | None, output: str) -> int:
    """List the calls that wait for a person."""
    found = _ask(socket_path, {"op": "questions"})["questions"]
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
@_SOCKET
def confirm(question: str, socket_path: Path | None) -> int:
    """Say yes to a call that waits, once."""
    _ask(socket_path, {"op": "answer", "question": question, "yes": True})
    return 0


@guard.command()
@click.argument("question")
@_SOCKET
def refuse(question: str, socket_path: Path | None) -> int:
    """Say no to a call that waits."""
    _ask(socket_path, {"op": "answer", "question": question, "yes": False})
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
@_OUTPUT
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

    from remit.guard.paths import user_state
    from remit.guard.store.secrets import Secrets

    return Secrets(state or user_state(os.environ) / "guard")


def _place(path: Path | None) -> Path:
    if path is not None:
        return path
    from remit_shim.mcp import socket_path

    return Path(socket_path())


def _ask(path: Path | None, request: dict[str, Any]) -> dict[str, Any]:
    """Guard's answer; ends the command with status 5 if there is none."""
    place = _place(path)
    data = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(place))
            connection.sendall(json.dumps({"remit": 1, **request}).encode() + b"\n")
            while piece := connection.recv(1 << 16):
                data += piece
        answer: dict[str, Any] = json.loads(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        click.echo(f"remit: no Guard answers on `{place}`: {reason}", err=True)
        click.echo("  Start one with `remit guard run`.", err=True)
        sys.exit(UNREACHABLE)
    if not answer.get("ok"):
        raise RemitError(
            str(answer.get("error")),
            hint=str(answer.get("hint") or ""),
            code=str(answer.get("code")),
        )
    return answer
