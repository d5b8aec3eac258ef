"""Asking the running Guard over its socket: options and the exchange that commands share."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import click

from remit.core.errors import RemitError

SOCKET = click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMIT_SOCKET",
    help="Guard's socket.  [default: in the user's runtime directory]",
)
OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
UNREACHABLE = 5
ANSWER_S = 30.0


def place(path: Path | None) -> Path:
    """Where Guard's socket is."""
    if path is not None:
        return path
    from remit_shim.mcp import socket_path

    return Path(socket_path())


def ask(path: Path | None, request: dict[str, Any]) -> dict[str, Any]:
    """Guard's answer; ends the command with status 5 if there is none."""
    where = place(path)
    data = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(where))
            connection.sendall(json.dumps({"remit": 1, **request}).encode() + b"\n")
            while piece := connection.recv(1 << 16):
                data += piece
        answer: dict[str, Any] = json.loads(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        click.echo(f"remit: no Guard answers on `{where}`: {reason}", err=True)
        click.echo("  Start one with `remit guard run`.", err=True)
        sys.exit(UNREACHABLE)
    if not answer.get("ok"):
        raise RemitError(
            str(answer.get("error")),
            hint=str(answer.get("hint") or ""),
            code=str(answer.get("code")),
        )
    return answer
