"""Trust roots on the command line."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from remit.attest.ecdsa import PublicKey
    from remit.attest.trust import TrustRoot

TRUST = click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMIT_TRUST",
    help="The trust root: which keys count, for what (trust.toml).",
)
TRUST_KEY = click.option(
    "--trust-key",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="REMIT_TRUST_KEY",
    help="Public key (PEM) that must have signed the trust root.",
)


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit``.

    Raises:
        RemitError: it cannot be read, or is larger.
    """
    from remit.artifacts.trust_files import read_file as read

    return read(path, limit)


def load(file: Path, key: Path | None, now_us: int) -> "TrustRoot":
    """A trust root that may be used; its serial is remembered in the user's state.

    Raises:
        TrustError: malformed, expired, older than one that was used, or not signed by ``key``.
        RemitError: it cannot be read.
    """
    from remit.artifacts.trust_files import load_trust
    from remit.core.paths import user_state

    return load_trust(file, key, now_us, user_state(os.environ))


def public_key(file: Path) -> "PublicKey":
    """The P-256 key of a PEM file.

    Raises:
        RemitError: it holds none.
    """
    from remit.artifacts.trust_files import public_key as key_of

    return key_of(file)
