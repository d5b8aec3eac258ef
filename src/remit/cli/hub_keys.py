"""``remit hub keys``: what verifies what a Hub signs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.hub import STATE, hub, key_options, state_of
from remit.cli.registry_ends import OUTPUT

if TYPE_CHECKING:
    from remit.attest.ecdsa import PublicKey


@hub.command()
@STATE
@key_options
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    metavar="PATTERN",
    help="What the keys may speak for, as in hub.example/**; may be repeated.  [default: **]",
)
@click.option("--role", type=click.Choice(["scan", "gate"]), help="Print only its key, as PEM.")
@OUTPUT
def keys(
    state: Path | None,
    scan_key: str,
    gate_key: str,
    repositories: tuple[str, ...],
    role: str | None,
    output: str,
) -> int:
    """Print the public keys of a Hub, as a trust root has them. They are made if there are none.

    \b
      remit hub keys --repository 'hub.example/**' >> trust.toml
      remit verify hub.example/team/model:v1 --trust trust.toml --no-signature --policy-digest …
      remit hub keys --role gate > gate.pub
      cosign verify-attestation --key gate.pub --insecure-ignore-tlog=true \\
        --type https://slsa.dev/verification_summary/v1 hub.example/team/model:v1
    """
    from remit.attest.patterns import is_pattern
    from remit.hub.admission.keys import ROLES, RoleKeys

    patterns = repositories or ("**",)
    bad = next((each for each in patterns if not is_pattern(each)), None)
    if bad is not None:
        raise click.BadParameter(f"`{bad}` is no pattern", param_hint="--repository")
    found = RoleKeys(state_of(state) / "keys", {"scan": scan_key, "gate": gate_key})
    public = {each: found.public(each) for each in ROLES if role in {None, each}}
    if role is not None:
        click.echo(next(iter(public.values())).pem, nl=False)
    elif output == "json":
        shown = [
            {"role": each, "fingerprint": key.fingerprint, "public": key.pem}
            for each, key in public.items()
        ]
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo("\n".join(trust_lines(each, key, patterns) for each, key in public.items()))
    return 0


def trust_lines(role: str, key: "PublicKey", patterns: tuple[str, ...]) -> str:
    """A key as a trust root has it (spec/trust-root.md)."""
    return (
        f'[[keys]]\nname = "hub-{role}-{key.fingerprint[7:15]}"\nroles = ["{role}"]\n'
        f'repositories = {json.dumps(list(patterns))}\npublic = """\n{key.pem}"""\n'
    )
