"""``remit trust``: the file that says which keys count."""

import json
import time
from pathlib import Path

import click

from remit.cli.registry_ends import OUTPUT
from remit.cli.sign import KEY
from remit.cli.trust_roots import TRUST_KEY, load, read_file

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def trust() -> None:
    """Check and sign the trust root: which keys count, for what, where and when.

    \b
      remit trust check trust.toml
      remit trust sign trust.toml --key ~/.config/remit/keys/root.key
      remit verify registry.example/team/model:v1 --trust trust.toml --trust-key root.pub
    """


@trust.command()
@click.argument("file", type=_FILE)
@TRUST_KEY
@OUTPUT
def check(file: Path, trust_key: Path | None, output: str) -> int:
    """Read the trust root FILE as `remit verify` does, and show its keys."""
    from remit.attest.predicates.known import short_of
    from remit.attest.trust import TrustError
    from remit.core.text import printable

    try:
        root = load(file, trust_key, time.time_ns() // 1000)
    except TrustError as error:
        click.echo(f"remit: {error.diagnostics()}", err=True)
        return 3
    keys = [
        {
            "name": each.name,
            "fingerprint": each.fingerprint,
            "roles": list(each.roles),
            "predicates": sorted(map(short_of, each.predicates)),
            "repositories": list(each.repositories),
            "revoked": each.revoked,
        }
        for each in root.keys
    ]
    if output == "json":
        value = {"name": root.name, "serial": root.serial, "digest": root.digest, "keys": keys}
        click.echo(json.dumps(value, indent=2))
        return 0
    click.echo(f"{root.name} serial {root.serial}", err=True)
    for key in root.keys:
        state = f"revoked: {printable(key.revoked, 200)}" if key.revoked else ",".join(key.roles)
        click.echo(f"{key.name}\t{state}\t{' '.join(key.repositories)}\t{key.fingerprint}")
    return 0


@trust.command()
@click.argument("file", type=_FILE)
@KEY
def sign(file: Path, key_name: str) -> int:
    """Sign the trust root FILE; the signature is FILE.sigstore.json."""
    from remit.attest.trust import MAX_BYTES
    from remit.attest.trust_signature import SUFFIX, sign_trust
    from remit.cli.signers import signer
    from remit.core.files import write_atomically

    data = read_file(file, MAX_BYTES)
    bundle = sign_trust(data, signer(key_name))
    place = file.with_name(file.name + SUFFIX)
    write_atomically(place, bundle + b"\n", mode=0o644)
    click.echo(place)
    return 0
