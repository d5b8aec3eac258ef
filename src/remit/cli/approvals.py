"""``remit approvals``: see what waits for people, and sign a yes or a no."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.socket import OUTPUT, SOCKET, ask
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.approvals.request import Request
    from remit.attest.ecdsa import Signer
    from remit.attest.places import Place

_FILE = click.Path(path_type=Path, dir_okay=False)
_KEY = click.option(
    "--key",
    "key_name",
    envvar="REMIT_APPROVER_KEY",
    help="Your key: a file, keyring:NAME, or pkcs11:token=…;object=…?module-path=…  "
    "[default: ~/.config/remit/keys/approver.key]",
)
_AS = click.option("--as", "user", help="Your id, if more than one is enrolled with this Guard.")
_REASON = click.option("--reason", "-m", default="", help="Why; it becomes part of the evidence.")
_TICKET = click.option("--ticket", default="", help="A change or incident that this belongs to.")
_YES = click.option("--yes", is_flag=True, help="Do not ask again after showing the action.")
_STATES = {"approved": 0, "used": 0, "denied": 1, "expired": 1, "pending": 4}
NOT_GIVEN, PENDING = 1, 4


@click.group()
def approvals() -> None:
    """See calls that wait for people, approve or deny them, and prove it later.

    \b
    A key of your own, once:
      remit approvals key new
      remit approvals enrol ann --name "Ann Lee"
    Then:
      remit approvals list
      remit approvals show APR-…
      remit approvals approve APR-… --reason "checked with the supplier"
    """


@approvals.command("list")
@click.option("--closed", is_flag=True, help="Those that are used or expired, newest first.")
@SOCKET
@OUTPUT
def list_(closed: bool, socket_path: Path | None, output: str) -> int:
    """List the calls that wait for approval, oldest first."""
    found = ask(socket_path, {"op": "approvals", "closed": closed})["approvals"]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    from remit.cli.approvals_output import show_list

    show_list(found)
    return 0


@approvals.command()
@click.argument("request")
@click.option(
    "--bundle",
    "evidence_path",
    type=_FILE,
    help="Write the evidence into this file instead: whoever has the keys checks it without Remit.",
)
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --bundle: state directory of the Guard that asked.  [default: of the running Guard]",
)
@SOCKET
@OUTPUT
def show(
    request: str, evidence_path: Path | None, state: Path | None, socket_path: Path | None,
    output: str,
) -> int:  # fmt: skip
    """Show one request in full: exactly the text that an approver signs.

    \b
      remit approvals show APR-…
      remit approvals show APR-… --bundle evidence.json
    """
    if evidence_path is not None:
        from remit.cli.approvals_evidence import write

        write(request, evidence_path, state or Path(ask(socket_path, {"op": "status"})["state"]))
        return 0
    found = ask(socket_path, {"op": "approval", "request": request})["approval"]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    from remit.cli.approvals_output import show_one

    show_one(found)
    return 0


@approvals.command()
@click.argument("request")
@_KEY
@_AS
@_REASON
@_TICKET
@_YES
@SOCKET
def approve(
    request: str, key_name: str | None, user: str | None, reason: str, ticket: str, yes: bool,
    socket_path: Path | None,
) -> int:  # fmt: skip
    """Show the action, then sign that it may be carried out once."""
    return _decide("approve", request, key_name, user, reason, ticket, yes, socket_path)


@approvals.command()
@click.argument("request")
@_KEY
@_AS
@_REASON
@_TICKET
@_YES
@SOCKET
def deny(
    request: str, key_name: str | None, user: str | None, reason: str, ticket: str, yes: bool,
    socket_path: Path | None,
) -> int:  # fmt: skip
    """Show the action, then sign that it must not be carried out."""
    return _decide("deny", request, key_name, user, reason, ticket, yes, socket_path)


@approvals.command()
@click.argument("request")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=300.0)
@SOCKET
def wait(request: str, timeout_s: float, socket_path: Path | None) -> int:
    """Wait until a request is decided.

    Status 0: approved or used; 1: denied or expired; 4: still neither.
    """
    until = time.monotonic() + timeout_s
    while True:
        state = ask(socket_path, {"op": "approval", "request": request})["approval"]["state"]
        if state != "pending" or time.monotonic() >= until:
            click.echo(state)
            return _STATES[state]
        time.sleep(0.5)


@approvals.command()
@click.argument("user")
@click.option("--name", required=True, help="Printed name, as it stands in the evidence.")
@_KEY
@SOCKET
def enrol(user: str, name: str, key_name: str | None, socket_path: Path | None) -> int:
    """Make your key the one by which this Guard knows USER, as the policy bundle calls you.

    The enrolment is signed with the key and recorded. A bundle that names keys in
    `[users.USER] keys` takes no other.
    """
    from remit.approvals.enrolment import enrol as sign_enrolment
    from remit.attest.bundle import dump_bundle

    signer = _signer(key_name)
    guard = ask(socket_path, {"op": "approvers"})["guard"]
    envelope = sign_enrolment(user, name, guard, signer)
    bundle = dump_bundle(envelope, signer.public).decode()
    done = ask(socket_path, {"op": "enrol", "bundle": bundle, "key": signer.public.pem})
    click.echo(f"{done['user']} is enrolled with {done['key']}")
    return 0


@approvals.command()
@click.argument("user")
@SOCKET
def revoke(user: str, socket_path: Path | None) -> int:
    """End the enrolment of USER at once; what was signed and not used counts no more."""
    ask(socket_path, {"op": "revoke", "user": user})
    return 0


@approvals.command()
@SOCKET
@OUTPUT
def approvers(socket_path: Path | None, output: str) -> int:
    """List who is enrolled."""
    found = ask(socket_path, {"op": "approvers"})["approvers"]
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    from remit.cli.approvals_output import show_approvers

    show_approvers(found)
    return 0


@approvals.group()
def key() -> None:
    """Make and look at the key with which you sign."""


@key.command()
@_KEY
def new(key_name: str | None) -> int:
    """Make a key: in a file with a passphrase, in your keyring, or on a token.

    \b
      remit approvals key new
      remit approvals key new --key keyring:approver
      remit approvals key new --key 'pkcs11:token=mine;object=approver?module-path=/usr/lib/….so'
    """
    place = _place(key_name)
    # A token has its PIN already.
    public = place.create(_secret(place, confirm=place.secret == "Passphrase"))  # noqa: S105
    click.echo(f"{place}\n{public.fingerprint}")
    return 0


@key.command("show")
@_KEY
def key_show(key_name: str | None) -> int:
    """Show the public key and its fingerprint."""
    public = _place(key_name).public()
    click.echo(f"{public.fingerprint}\n{public.pem}", nl=False)
    return 0


def default_key() -> Path:
    """Where a person's key lies unless they say otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "remit" / "keys" / "approver.key"


def _decide(
    word: Any, name: str, key_name: str | None, user: str | None, reason: str, ticket: str,
    yes: bool, socket_path: Path | None,
) -> int:  # fmt: skip
    from remit.approvals.decision import decide
    from remit.approvals.rendering import render
    from remit.attest.bundle import dump_bundle

    found = ask(socket_path, {"op": "approval", "request": name})["approval"]
    request = _request(found["request"])
    # What is shown is made here from what is signed, not taken from Guard's answer.
    click.echo(render(request), err=True)
    if found["state"] != "pending":
        raise RemitError(f"the request is {found['state']}", code="approval.settled")
    approver = _myself(_place(key_name).public().fingerprint, user, socket_path)
    if not yes:
        if not sys.stdin.isatty():
            raise RemitError(
                "there is no terminal to ask at",
                hint="read the action above; --yes signs it without asking",
                code="approval.no_terminal",
            )
        question = "Approve this action" if word == "approve" else "Refuse this action"
        click.confirm(question, abort=True, err=True)
    signer = _signer(key_name)
    now_us = time.time_ns() // 1000
    envelope = decide(request, approver, word, signer, reason=reason, ticket=ticket, now_us=now_us)
    bundle = dump_bundle(envelope, signer.public).decode()
    done = ask(socket_path, {"op": "approve", "request": name, "bundle": bundle})
    if done["state"] == "pending":
        click.echo(f"recorded: {done['given']} of {request.quorum}")
    else:
        click.echo(done["state"])
    return 0


def _request(value: dict[str, Any]) -> "Request":
    import msgspec

    from remit.approvals.request import Request

    return msgspec.convert(value, Request)


def _myself(fingerprint: str, user: str | None, socket_path: Path | None) -> Any:
    from remit.approvals.decision import Approver

    for person in ask(socket_path, {"op": "approvers"})["approvers"]:
        mine = person["key"] == fingerprint and not person["revoked_us"]
        if mine and user in (None, person["id"]):
            return Approver(id=person["id"], name=person["name"], key=b"")
    raise RemitError(
        "nobody is enrolled with this key",
        hint='remit approvals enrol USER --name "Your Name"',
        code="approval.stranger",
    )


def _place(name: str | None) -> "Place":
    from remit.attest.places import place_of

    return place_of(name or str(default_key()))


def _signer(name: str | None) -> "Signer":
    place = _place(name)
    return place.open(_secret(place, confirm=False))


def _secret(place: "Place", *, confirm: bool) -> bytes:
    """From the terminal, or a line of the file that REMIT_PASSPHRASE_FILE names."""
    if not place.secret:
        return b""
    file = os.environ.get("REMIT_PASSPHRASE_FILE")
    if file:
        try:
            return Path(file).read_bytes().split(b"\n")[0]
        except OSError as error:
            raise RemitError(
                f"`{file}` cannot be read: {error.strerror}", code="cli.passphrase"
            ) from error
    if not sys.stdin.isatty():
        raise RemitError(
            f"there is no terminal to ask for the {place.secret}",
            hint="set REMIT_PASSPHRASE_FILE to a private file that holds it",
            code="approval.no_terminal",
        )
    return str(
        click.prompt(place.secret, hide_input=True, confirmation_prompt=confirm, err=True)
    ).encode()
