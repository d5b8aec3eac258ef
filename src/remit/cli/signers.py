"""Keys on the command line: where one lives, and what opens it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.attest.ecdsa import Signer
    from remit.attest.places import Place


def signer(name: str) -> "Signer":
    """What signs with the key that ``name`` names: a file, ``keyring:…`` or ``pkcs11:…``.

    Raises:
        AttestError: there is none, it cannot be reached, or another secret opens it.
    """
    from remit.attest.places import place_of

    place = place_of(name)
    return place.open(secret(place, confirm=False))


def secret(place: "Place", *, confirm: bool) -> bytes:
    """From the terminal, or a line of the file that REMIT_PASSPHRASE_FILE names.

    Raises:
        RemitError: there is neither.
    """
    if not place.asks_for:
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
            f"there is no terminal to ask for the {place.asks_for}",
            hint="set REMIT_PASSPHRASE_FILE to a private file that holds it",
            code="approval.no_terminal",
        )
    return str(
        click.prompt(place.asks_for, hide_input=True, confirmation_prompt=confirm, err=True)
    ).encode()
