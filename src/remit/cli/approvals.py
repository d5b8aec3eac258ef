"""``remit approvals``: see what waits for people, and sign a yes or a no."""

import json
import os
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from remit.cli.socket import OUTPUT, SOCKET, ask
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.approvals.decision import Approver
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
_USES = click.option(
    "--uses",
    type=click.IntRange(1, 99),
    default=1,
    show_default=True,
    help="How many calls of exactly this action, as far as policy allows more than one.",
)
_YES = click.option("--yes", is_flag=True, help="Do not ask again after showing the action.")
_STATES = {"approved": 0, "used": 0, "denied": 1, "expired": 1, "pending": 4}
MAX_FILE = 4 * 1024 * 1024


@click.group()
def approvals() -> None:
    """See calls that wait for people, approve or deny them, and prove it later.

    \b
    A key of your own, once:
      remit approvals key new
      remit approvals enrol ann --name "Ann Lee"
    Or a passkey, in a browser, by a link from whoever runs Guard:
      remit approvals invite ann --name "Ann Lee"
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
@_USES
@_YES
@SOCKET
def approve(
    request: str, key_name: str | None, user: str | None, reason: str, ticket: str, uses: int,
    yes: bool, socket_path: Path | None,
) -> int:  # fmt: skip
    """Show the action, then sign that it may be carried out."""
    said = {"word": "approve", "reason": reason, "ticket": ticket, "uses": uses}
    return _decide(request, said, key_name, user, yes, socket_path)


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
    said = {"word": "deny", "reason": reason, "ticket": ticket}
    return _decide(request, said, key_name, user, yes, socket_path)


@approvals.command()
@click.argument("file", type=click.File("rb"))
@click.option("--as", "user", required=True, help="Your id, as you are enrolled.")
@click.option("--name", required=True, help="Your printed name, as you are enrolled.")
@click.option("--deny", is_flag=True, help="Refuse instead of approving.")
@_KEY
@_REASON
@_TICKET
@_USES
@_YES
def sign(
    file: IO[bytes], user: str, name: str, deny: bool, key_name: str | None, reason: str,
    ticket: str, uses: int, yes: bool,
) -> int:  # fmt: skip
    """Sign a request away from its Guard: FILE is what `show -o json` gave there.

    \b
      at Guard:   remit approvals show APR-… -o json > request.json
      elsewhere:  remit approvals sign request.json --as ann --name "Ann Lee" > word.json
      at Guard:   remit approvals submit word.json
    """
    from remit.approvals.decision import Approver

    value = _read_json(file)
    request = _request(value.get("request", value))
    approver = Approver(id=user, name=name, key=b"")
    said = {"word": "deny" if deny else "approve", "reason": reason, "ticket": ticket}
    _show(request)
    bundle = _signed(request, approver, {**said, "uses": 1 if deny else uses}, key_name, yes)
    click.echo(json.dumps({"request": request.id, "bundle": bundle}))
    return 0


@approvals.command()
@click.argument("file", type=click.File("rb"))
@SOCKET
def submit(file: IO[bytes], socket_path: Path | None) -> int:
    """Give Guard a word that was signed elsewhere."""
    value = _read_json(file)
    word = {key: str(value.get(key, "")) for key in ("request", "bundle")}
    done = ask(socket_path, {"op": "approve", **word})
    click.echo(done["state"])
    return 0


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
@click.option("--name", required=True, help="Printed name, as it stands in the evidence.")
@SOCKET
def invite(user: str, name: str, socket_path: Path | None) -> int:
    """Print a link by which USER enrols a passkey, once and within 15 minutes.

    Give it to nobody else: whoever opens it first approves as USER.
    """
    found = ask(socket_path, {"op": "invite", "user": user, "name": name})
    click.echo(found["url"])
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
    from remit.cli.signers import secret

    place = _place(key_name)
    # A token has its PIN already.
    public = place.create(secret(place, confirm=place.asks_for == "Passphrase"))
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
    name: str, said: dict[str, Any], key_name: str | None, user: str | None, yes: bool,
    socket_path: Path | None,
) -> int:  # fmt: skip
    found = ask(socket_path, {"op": "approval", "request": name})["approval"]
    request = _request(found["request"])
    _show(request)
    if found["state"] != "pending":
        raise RemitError(f"the request is {found['state']}", code="approval.settled")
    approver = _myself(_place(key_name).public().fingerprint, user, socket_path)
    bundle = _signed(request, approver, said, key_name, yes)
    done = ask(socket_path, {"op": "approve", "request": name, "bundle": bundle})
    if done["state"] == "pending":
        click.echo(f"recorded: {done['given']} of {request.quorum}")
    else:
        click.echo(done["state"])
    return 0


def _show(request: "Request") -> None:
    """What is shown is made from what is signed, not taken from anybody's answer."""
    from remit.approvals.rendering import render

    click.echo(render(request), err=True)


def _signed(
    request: "Request", approver: "Approver", said: dict[str, Any], key_name: str | None, yes: bool
) -> str:
    """The bundle of a word, signed after a last question."""
    from remit.approvals.decision import statement
    from remit.attest.bundle import dump_bundle
    from remit.attest.dsse import sign as sign_payload

    if not yes:
        if not sys.stdin.isatty():
            raise RemitError(
                "there is no terminal to ask at",
                hint="read the action above; --yes signs it without asking",
                code="approval.no_terminal",
            )
        click.confirm(f"{said['word'].title()} this action", abort=True, err=True)
    signer = _signer(key_name)
    payload = statement(request, approver, signed_us=time.time_ns() // 1000, **said)
    return dump_bundle(sign_payload(payload, signer), signer.public).decode()


def _read_json(file: IO[bytes]) -> dict[str, Any]:
    from remit.core.strictjson import parse

    try:
        value = parse(file.read(MAX_FILE + 1), max_bytes=MAX_FILE)
    except RemitError as error:
        raise RemitError(
            f"`{file.name}` cannot be read: {error.message}",
            hint="it is what `show -o json` or `sign` printed",
            code="approval.file",
        ) from error
    if not isinstance(value, dict):
        raise RemitError(f"`{file.name}` holds no JSON object", code="approval.file")
    return value


def _request(value: dict[str, Any]) -> "Request":
    import msgspec

    from remit.approvals.request import Request

    try:
        return msgspec.convert(value, Request)
    except msgspec.ValidationError as error:
        raise RemitError(f"this is no request: {error}", code="approval.file") from error


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
    from remit.cli.signers import signer

    return signer(name or str(default_key()))
