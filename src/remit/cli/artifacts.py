"""``remit pack``, ``unpack``, ``inspect``, ``list`` and ``untag``: artifacts of this machine."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli import artifacts_output as out
from remit.cli.audit_output import safe

if TYPE_CHECKING:
    from remit.artifacts.layout import Layout

OK, NOT_THERE, USAGE, NOT_VERIFIED = 0, 1, 2, 3
_STATUS = {
    "artifact.store": NOT_THERE,
    "artifact.archive": NOT_VERIFIED,
    "artifact.digest": NOT_VERIFIED,
    "artifact.manifest": NOT_VERIFIED,
}
_ONLY = ("model", "code", "datasets", "docs", "prompts", "mcpservers", "kitfile")
_KINDS = ("agent", "code", "dataset", "docs", "mcp-server", "model", "policy", "prompt", "skill")


class _Command(click.Command):
    """Shows what was refused as a sentence and a hint, with the exit code that belongs to it."""

    def invoke(self, ctx: click.Context) -> Any:
        from remit.core.errors import RemitError

        try:
            return super().invoke(ctx)
        except RemitError as error:
            click.echo(f"error: {safe(error.diagnostics())}", err=True)
            raise SystemExit(_STATUS.get(error.code, USAGE)) from None
        except OSError as error:
            where = f" `{error.filename}`" if error.filename else ""
            reason = error.strerror or str(error)
            click.echo(f"error: the disk does not let it{where}: {safe(reason)}", err=True)
            raise SystemExit(NOT_THERE) from None


def _default_store() -> str:
    from remit.core.paths import user_state

    return str(user_state(os.environ) / "artifacts")


_command = functools.partial(click.command, cls=_Command)


def _store(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--store",
        default=_default_store,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where artifacts are on this machine: an OCI image layout. Default: `artifacts` in"
        " REMIT_STATE, else in the user's own state.",
    )(function)


def _output(*more: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", *more]),
        default="table",
        show_default=True,
        help="Form of the output.",
    )


@_command()
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("-t", "--tag", required=True, help="Name of the artifact: [HOST/]REPOSITORY[:TAG].")
@click.option(
    "-f", "--file", type=click.Path(path_type=Path), help="Kitfile, if it is not in DIRECTORY."
)
@click.option("--kind", type=click.Choice(_KINDS), help="Kind, instead of what is recognised.")
@click.option("--gzip", is_flag=True, help="Compress layers. Weights do not get smaller by it.")
@click.option(
    "--generation",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="Form of the manifest: 1 is what kit wrote before 2026.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be packed, as a Kitfile.")
@_store
@_output()
def pack(
    directory: Path,
    tag: str,
    file: Path | None,
    kind: str | None,
    gzip: bool,
    generation: str,
    dry_run: bool,
    store: Path,
    output: str,
) -> None:
    """Pack DIRECTORY, or one file, into an artifact, a ModelKit that `kit` reads too.

    What it holds is written in its Kitfile, or recognised: a model (a checkout of a hub, weights),
    an agent (agent.yaml), an MCP server (a .mcpb bundle or its contents), a skill (SKILL.md), a
    policy bundle (bundle.toml), prompts, a data set, documents, code. `.kitignore` says what to
    leave out. The same files give the same digest; SOURCE_DATE_EPOCH sets a time in the manifest.

    \b
    Examples:
      remit pack ./qwen -t models/qwen:7b
      remit pack files.mcpb -t mcp/files:1.0.0
      remit pack . -t registry.example/policies/finance:4 --kind policy
    """
    from remit.artifacts.kitfile import yaml_bytes
    from remit.artifacts.layout import Layout
    from remit.artifacts.local import local_name
    from remit.artifacts.oci.names import Reference
    from remit.artifacts.pack import pack as pack_it
    from remit.artifacts.pack import plan

    name = local_name(Reference.parse(tag))
    planned = plan(directory, kitfile=file, kind=kind or "")
    if dry_run:
        click.echo(yaml_bytes(planned.kitfile), nl=False)
        return
    with out.progress("packing") as told:
        packed = pack_it(
            Layout.open(store, create=True),
            planned,
            name=name,
            gzip=gzip,
            generation=1 if generation == "1" else 2,
            created=_created(os.environ.get("SOURCE_DATE_EPOCH", "")),
            progress=told,
        )
    out.packed(packed, name, output)


def _created(epoch: str) -> str:
    """The time of SOURCE_DATE_EPOCH (reproducible-builds.org), RFC 3339; empty if it is not set."""
    import datetime as dt

    if not epoch:
        return ""
    try:
        moment = dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise click.UsageError(
            f"SOURCE_DATE_EPOCH is `{safe(epoch, 40)}` and no number of seconds since 1970"
        ) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@_command()
@click.argument("reference")
@click.option(
    "-d",
    "--dir",
    "target",
    type=click.Path(path_type=Path),
    help="A new directory. Default: the last part of the name, here.",
)
@click.option(
    "--filter", "only", type=click.Choice(_ONLY), multiple=True, help="Only this part; repeatable."
)
@_store
@_output()
def unpack(
    reference: str, target: Path | None, only: tuple[str, ...], store: Path, output: str
) -> None:
    """Unpack the artifact REFERENCE into a new directory.

    Every digest is verified while it is unpacked, and the directory appears only when all is well.
    Links, devices and names that leave the directory are refused.

    \b
    Examples:
      remit unpack models/qwen:7b
      remit unpack models/qwen:7b -d ./weights --filter model
    """
    from remit.artifacts.local import find
    from remit.artifacts.oci.names import Reference
    from remit.artifacts.unpack import unpack as unpack_it

    wanted = Reference.parse(reference)
    layout = _open(store)
    descriptor = find(layout, wanted)
    directory = target or Path(wanted.repository.rpartition("/")[2])
    with out.progress("unpacking") as told:
        unpacked = unpack_it(layout, descriptor, directory, only=only, progress=told)
    out.unpacked(unpacked, directory, descriptor.digest, output)


@_command()
@click.argument("reference")
@_store
@_output("kitfile", "manifest")
def inspect(reference: str, store: Path, output: str) -> None:
    """Show what the artifact REFERENCE holds.

    \b
    Examples:
      remit inspect models/qwen:7b
      remit inspect models/qwen:7b -o kitfile
      remit inspect models/qwen@sha256:… -o json
    """
    from remit.artifacts.kitfile import yaml_bytes
    from remit.artifacts.local import find, read
    from remit.artifacts.oci.names import Reference

    layout = _open(store)
    descriptor = find(layout, Reference.parse(reference))
    if output == "manifest":
        sys.stdout.buffer.write(layout.manifest(descriptor)[1])
        return
    manifest, artifact = read(layout, descriptor)
    if output == "kitfile":
        click.echo(safe(yaml_bytes(artifact.kitfile).decode(), 1 << 20), nl=False)
        return
    out.inspected(out.inspection(layout, reference, descriptor, manifest, artifact), output)


@_command("list")
@click.argument("prefix", default="")
@_store
@_output()
def list_(prefix: str, store: Path, output: str) -> None:
    """List the artifacts of this machine whose name begins with PREFIX."""
    from remit.artifacts.layout import Layout

    if not (store / "oci-layout").exists():
        out.listed([], output)
        return
    out.listed(out.rows(Layout.open(store), prefix), output)


@_command()
@click.argument("names", nargs=-1, required=True)
@_store
def untag(names: tuple[str, ...], store: Path) -> None:
    """Take NAMES away. What they named stays until it is collected."""
    from remit.artifacts.local import local_name
    from remit.artifacts.oci.names import Reference

    wanted = [local_name(Reference.parse(each)) for each in names]
    layout = _open(store)
    for name in wanted:
        layout.resolve(name)
    for name in wanted:
        layout.forget(name)
        click.echo(f"untagged {name}", err=True)


def _open(store: Path) -> "Layout":
    from remit.artifacts.layout import Layout

    return Layout.open(store)
