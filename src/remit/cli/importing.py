"""``remit import``: an artifact from elsewhere, with a signed statement of where it came from."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.registry_ends import (
    OUTPUT,
    PARALLEL,
    PLATFORM,
    STORE,
    Connection,
    Ends,
    connected,
    ends,
    store,
)
from remit.core.errors import RemitError

if TYPE_CHECKING:
    from remit.artifacts.importing.flow import Imported, PackedDirectory, Work
    from remit.attest.ecdsa import Signer


@click.command("import")
@click.argument("source")
@click.argument("target")
@click.option("--key", required=True, metavar="PLACE", help="What signs the attestation: a file,"
              " keyring:NAME or a pkcs11: URI.")  # fmt: skip
@click.option("--origin", default="", metavar="URI", help="Where a directory came from, if nothing"
              " in it says so.")  # fmt: skip
@click.option("--kind", default="", help="Kind of a directory, instead of what is recognised.")
@PLATFORM
@PARALLEL
@STORE
@OUTPUT
@connected
def import_(
    source: str,
    target: str,
    key: str,
    origin: str,
    kind: str,
    platform: str,
    parallel: int,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Import SOURCE as TARGET, and attest its origin, the digests of all its parts, and when.

    SOURCE is a directory (a checkout of git, what the Hugging Face client downloaded, or any
    other), or an artifact in another registry or layout. Files of a checkout must be those of its
    commit. The attestation is SLSA provenance in a Sigstore bundle, and refers to the artifact;
    the name is given last.

    \b
      remit import ./qwen registry.example/models/qwen:7b --key import.key
      remit import ghcr.io/org/server:1 registry.example/tools/server:1 --key import.key
    """
    from remit.artifacts.oci.transport import run

    signer = _signer(key)
    directory = Path(source)
    packed = None
    if directory.is_dir() or source.startswith((".", "/")):
        packed = _packed(directory, origin, kind, store_path)
    elif origin or kind:
        raise click.UsageError("--origin and --kind are for directories")

    async def work() -> "tuple[Imported, str]":
        async with ends(connection) as both:
            if packed is not None:
                return await _directory(both, packed, target, signer, store_path, parallel)
            return await _artifact(both, source, target, signer, store_path, (platform, parallel))

    done, written = run(work())
    _show(done, written, packed, output)
    return 0


def _packed(directory: Path, origin: str, kind: str, store_path: Path | None) -> "PackedDirectory":
    from remit.artifacts.importing.flow import pack_directory
    from remit.artifacts.pack import plan
    from remit.audit.clock import SystemClock
    from remit.cli.checkouts import ask_git

    layout = store(store_path, create=True)
    return pack_directory(layout, plan(directory, kind=kind), SystemClock(), ask_git, uri=origin)


def _work(signer: "Signer", destination: str, tag: str) -> "Work":
    from remit.artifacts.importing.flow import Work
    from remit.audit.clock import SystemClock
    from remit.core.ids import ulid

    clock = SystemClock()
    return Work(
        signer=signer,
        clock=clock,
        invocation=ulid(clock.now_us(), os.urandom(10)),
        destination=destination,
        tag=tag,
    )


async def _directory(
    both: Ends,
    packed: "PackedDirectory",
    target: str,
    signer: "Signer",
    store_path: Path | None,
    parallel: int,
) -> "tuple[Imported, str]":
    from remit.artifacts.importing.flow import import_directory
    from remit.artifacts.transfer.copy import Transfer
    from remit.artifacts.transfer.layouts import LayoutSource
    from remit.cli.registry_output import Quiet

    go, tag, written = both.target(target, store_path)
    transfer = Transfer(
        source=LayoutSource(store(store_path)),
        target=go,
        each=both.transport.each,
        watcher=Quiet(),
        parallel=parallel,
    )
    return await import_directory(packed, transfer, _work(signer, written, tag)), written


async def _artifact(
    both: Ends,
    source: str,
    target: str,
    signer: "Signer",
    store_path: Path | None,
    options: tuple[str, int],
) -> "tuple[Imported, str]":
    from remit.artifacts.importing.flow import import_artifact
    from remit.artifacts.transfer.copy import Transfer
    from remit.cli.registry_output import Quiet

    come, name, tag = both.source(source, store_path)
    go, to, written = both.target(target, store_path, tag)
    platform, parallel = options
    transfer = Transfer(
        source=come,
        target=go,
        each=both.transport.each,
        watcher=Quiet(),
        parallel=parallel,
    )
    uri = source if source.startswith("oci:") else f"oci://{source}"
    work = _work(signer, written, to)
    return await import_artifact(name, uri, transfer, work, platform), written


def _signer(key: str) -> "Signer":
    from remit.attest.places import place_of

    place = place_of(key)
    if not place.asks_for:
        return place.open(b"")
    file = os.environ.get("REMIT_PASSPHRASE_FILE")
    if file:
        try:
            return place.open(Path(file).read_bytes().split(b"\n")[0])
        except OSError as error:
            raise RemitError(
                f"`{file}` cannot be read: {error.strerror}", code="cli.passphrase"
            ) from error
    if not sys.stdin.isatty():
        raise RemitError(
            f"there is no terminal to ask for the {place.asks_for}",
            hint="set REMIT_PASSPHRASE_FILE to a private file that holds it",
            code="cli.no_terminal",
        )
    return place.open(str(click.prompt(place.asks_for, hide_input=True, err=True)).encode())


def _show(done: "Imported", written: str, packed: "PackedDirectory | None", output: str) -> None:
    value: dict[str, Any] = {
        "reference": written,
        "digest": done.descriptor.digest,
        "attestation": done.attestation.digest,
    }
    if packed is not None:
        value["kind"] = packed.packed.kind
        value["files"] = len(packed.files)
        value["origin"] = {
            "form": packed.origin.form,
            "uri": packed.origin.uri,
            "commit": packed.origin.commit,
        }
    if output == "json":
        click.echo(json.dumps(value, indent=2))
        return
    click.echo(f"{written}@{done.descriptor.digest}")
    said = ""
    if packed is not None:
        commit = f" at {packed.origin.commit[:12]}" if packed.origin.commit else ""
        said = (
            f"{packed.packed.kind}, {len(packed.files)} files of a {packed.origin.form}{commit}; "
        )
    click.echo(f"{said}attested by {done.attestation.digest}", err=True)
