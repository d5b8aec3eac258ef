"""``remit login`` and ``logout``: credentials of registries."""

import json
import os
import sys

import click

from remit.cli.registry_ends import OUTPUT, Connection, connected, ends
from remit.core.errors import RemitError

MAX_PASSWORD = 64 * 1024


@click.command()
@click.argument("host")
@click.option("-u", "--user", help="Name to log in with.  [default: asked for]")
@click.option("--password-stdin", is_flag=True, help="Read the password or token from stdin.")
@OUTPUT
@connected
def login(
    host: str, user: str | None, password_stdin: bool, output: str, connection: Connection
) -> int:
    """Keep a name and a password or token for the registry HOST, once it accepts them.

    They are kept in a file that only you can read, in Remit's state directory. Credentials of
    docker and podman are used too, without this.
    """
    from remit.artifacts.oci.auth import Credentials
    from remit.artifacts.oci.client import ping
    from remit.artifacts.oci.credentials import OwnFile
    from remit.artifacts.oci.transport import run

    _check(host)
    if user is None:
        if password_stdin:
            raise click.UsageError("--password-stdin needs --user")
        user = str(click.prompt("User", err=True))
    known = Credentials(user=user, password=_password(password_stdin))

    async def work() -> bool:
        async with ends(connection) as both:
            return await ping(both.session(host, known))

    asked = run(work())
    own = OwnFile.of(os.environ)
    own.keep(host, known)
    if output == "json":
        click.echo(json.dumps({"host": host, "user": user, "file": str(own.path)}, indent=2))
    else:
        click.echo(f"logged in to {host} as {user}; kept in {own.path}", err=True)
    if not asked:
        click.echo(f"{host} did not ask for them: they are NOT known to be right", err=True)
    return 0


@click.command()
@click.argument("host")
@OUTPUT
@connected
def logout(host: str, output: str, connection: Connection) -> int:
    """Forget the credentials that ``remit login`` keeps for HOST."""
    from remit.artifacts.oci.credentials import OwnFile

    del connection
    _check(host)
    found = OwnFile.of(os.environ).forget(host)
    if output == "json":
        click.echo(json.dumps({"host": host, "forgotten": found}, indent=2))
    else:
        click.echo(f"{host} is forgotten" if found else f"nothing is kept for {host}", err=True)
    return 0


def _check(host: str) -> None:
    from remit.artifacts.errors import BadReferenceError
    from remit.artifacts.oci.names import Reference

    if "/" in host or Reference.parse(f"{host}/x").host != host:
        raise BadReferenceError(
            f"`{host[:80]}` is not the host of a registry",
            hint="for example registry.example or localhost:5000, without https://",
        )


def _password(from_stdin: bool) -> str:
    if from_stdin:
        text = sys.stdin.read(MAX_PASSWORD + 1).rstrip("\r\n")
    else:
        text = str(click.prompt("Password or token", hide_input=True, err=True))
    if not text or len(text) > MAX_PASSWORD:
        raise RemitError("there is no password, or too much of one", code="registry.credentials")
    return text
