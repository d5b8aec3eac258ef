"""``remit key signing``: keys with which artifacts are signed."""

from pathlib import Path

import click


@click.group()
def signing() -> None:
    """Make keys that sign artifacts, and export what verifies.

    KEY is a file, keyring:NAME, or pkcs11:token=…;object=…?module-path=… Use one key for each
    role: one that signs, one of the scanners, one of the gate.

    \b
      remit key signing new ~/.config/remit/keys/ci.key
      remit key signing export ~/.config/remit/keys/ci.key > ci.pub
      cosign verify --key ci.pub --insecure-ignore-tlog=true registry.example/team/model:v1
    """


@signing.command()
@click.argument("key")
def new(key: str) -> int:
    """Make an ECDSA P-256 key at KEY; never replaces one."""
    from remit.attest.places import place_of
    from remit.cli.signers import secret

    place = place_of(key)
    # A token has its PIN already.
    public = place.create(secret(place, confirm=place.asks_for == "Passphrase"))
    click.echo(public.fingerprint)
    click.echo(f"the key is at {place}; `remit key signing export` gives what verifies", err=True)
    return 0


@signing.command()
@click.argument("key")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there instead."
)
def export(key: str, file: Path | None) -> int:
    """Print the public key of KEY (PEM), as `cosign` and trust roots take it."""
    from remit.attest.places import place_of
    from remit.core.files import write_atomically

    public = place_of(key).public()
    if file is None:
        click.echo(public.pem, nl=False)
    else:
        write_atomically(file, public.pem.encode(), mode=0o644)
    click.echo(public.fingerprint, err=True)
    return 0
