"""``remit sign`` and ``attest``: signed statements beside the artifacts that they are about."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.registry_ends import OUTPUT, STORE, Connection, connected, ends
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.artifacts.oci.manifest import Descriptor

MAX_PREDICATE = 16 * 1024 * 1024
KEY = click.option(
    "--key",
    "key_name",
    required=True,
    envvar="REMIT_SIGNING_KEY",
    help="What signs: a file, keyring:NAME, or pkcs11:token=…;object=…?module-path=…",
)


@click.command()
@click.argument("ref")
@KEY
@STORE
@OUTPUT
@connected
def sign(
    ref: str, key_name: str, store_path: Path | None, output: str, connection: Connection
) -> int:
    """Sign the artifact REF: its digest, whatever its name is later.

    REF is in a registry, or without a host in this machine's store, or in a layout, oci:DIR[:TAG].
    The signature is stored where the artifact is; `cosign verify --key` takes it too. Use a key
    that signs nothing else: `cosign` takes any statement of a key for a signature.

    \b
      remit key signing new ~/.config/remit/keys/ci.key
      remit sign registry.example/team/model:v1 --key ~/.config/remit/keys/ci.key
    """
    from remit.attest.predicates import signature

    said = (signature.TYPE, signature.predicate())
    return _show(_attached(ref, key_name, said, store_path, connection), "signed", output)


@click.command()
@click.argument("ref")
@click.option(
    "--type",
    "kind",
    required=True,
    metavar="URI|NAME",
    help="Predicate type: a URI, or cyclonedx, provenance, scan, vsa, vulns.",
)
@click.option(
    "--predicate",
    "predicate_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="JSON file with what is claimed; - for standard input.",
)
@KEY
@STORE
@OUTPUT
@connected
def attest(
    ref: str,
    kind: str,
    predicate_file: Path,
    key_name: str,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Sign a statement about the artifact REF and store it where the artifact is.

    A predicate of a type that Remit knows must have the form of that type. `cosign
    verify-attestation --key` takes it too.

    \b
      export REMIT_SIGNING_KEY=~/.config/remit/keys/scanner.key
      remit attest registry.example/team/model:v1 --type cyclonedx --predicate bom.json
      remit attest team/model:v1 --type https://example.com/review/v1 --predicate - < review.json
    """
    from remit.attest.predicates.known import check, type_of

    uri, predicate = type_of(kind), _predicate(predicate_file)
    check(uri, predicate)
    return _show(
        _attached(ref, key_name, (uri, predicate), store_path, connection), "attested", output
    )


def _predicate(file: Path) -> Mapping[str, Any]:
    from remit.core.strictjson import parse

    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_PREDICATE + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(MAX_PREDICATE + 1)
        value = parse(data, max_bytes=MAX_PREDICATE)
    except RemitError as error:
        raise RemitError(
            f"`{file}` cannot be read: {error.message}", code="cli.predicate"
        ) from error
    if not isinstance(value, dict):
        raise RemitError(f"`{file}` holds no JSON object", code="cli.predicate")
    return value


def _attached(
    ref: str,
    key_name: str,
    said: tuple[str, Mapping[str, Any]],
    store_path: Path | None,
    connection: Connection,
) -> dict[str, str]:
    """Sign and store; what was done, for the output."""
    from remit.artifacts.attestations import make_bundle
    from remit.artifacts.oci.transport import run
    from remit.artifacts.transfer.attach import attach
    from remit.attest.predicates.fields import time_text
    from remit.cli.signers import signer

    key = signer(key_name)
    kind, predicate = said

    async def work() -> "tuple[Descriptor, Descriptor, str]":
        async with ends(connection) as both:
            source, target, name, repository = both.beside(ref, store_path)
            subject = (await source.fetch(name)).descriptor
            bundle = make_bundle(repository, subject.digest, kind, predicate, key)
            created = time_text(time.time_ns() // 1000)
            return subject, await attach(target, subject, bundle, kind, created), repository

    subject, referrer, repository = run(work())
    return {
        "repository": repository,
        "subject": subject.digest,
        "predicateType": kind,
        "referrer": referrer.digest,
        "key": key.public.fingerprint,
    }


def _show(done: dict[str, str], word: str, output: str) -> int:
    if output == "json":
        click.echo(json.dumps(done, indent=2))
        return 0
    name = f"{done['repository']}@{done['subject']}" if done["repository"] else done["subject"]
    click.echo(f"{word} {name}")
    click.echo(f"by {done['key']}, stored as {done['referrer']}", err=True)
    return 0
