"""What the commands for artifacts print: tables for people, JSON for programs."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.audit_output import dump_one, safe

if TYPE_CHECKING:
    from remit.artifacts.layout import Layout
    from remit.artifacts.modelkit import Artifact
    from remit.artifacts.oci.manifest import Descriptor, Manifest
    from remit.artifacts.pack import Packed
    from remit.artifacts.unpack import Unpacked

    Told = Callable[[str, int, int], None]

_KILO = 1024


@contextlib.contextmanager
def progress(what: str) -> "Iterator[Told | None]":
    """A callback that moves a bar on stderr; ``None`` where nobody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[path]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, path="")

        def told(path: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, path=line(path, 60))

        yield told


def line(text: str, limit: int = 200) -> str:
    """``text`` on one line, with nothing that acts on a terminal."""
    return safe(text, limit).replace("\n", " ").replace("\t", " ")


def size(count: int) -> str:
    """A number of bytes for people."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KILO:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KILO
    return f"{number:.1f} TiB"


def packed(found: "Packed", name: str, output: str) -> None:
    """Print what was packed."""
    layers = [
        {"section": section, "path": path, **_described(layer)}
        for (section, path), layer in zip(_entries(found), found.layers, strict=True)
    ]
    if output == "json":
        dump_one(
            {
                "name": name,
                **_described(found.descriptor),
                "kind": found.kind,
                "layers": layers,
                "skipped": list(found.skipped),
            }
        )
    else:
        why = f" ({line(found.why)})" if found.why else ""
        click.echo(f"{name}  {found.kind}{why}")
        for layer in layers:
            click.echo(
                f"  {layer['section']:9}  {size(int(layer['size'])):>10}  {line(layer['path'])}"
            )
        click.echo(found.descriptor.digest)
    if found.skipped:
        click.echo(
            f"left out, because links and devices are not packed: {_some(found.skipped)}", err=True
        )


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(line(name, 80) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown  # noqa: PLR2004


def _entries(found: "Packed") -> list[tuple[str, str]]:
    return [(each.section, each.clean) for each in found.kitfile.entries if each.layered]


def _described(descriptor: "Descriptor") -> dict[str, Any]:
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def unpacked(found: "Unpacked", directory: Path, digest: str, output: str) -> None:
    """Print what was unpacked."""
    if output == "json":
        dump_one(
            {
                "directory": str(directory),
                "digest": digest,
                "kind": found.artifact.kind,
                "files": found.files,
                "bytes": found.bytes,
                "elsewhere": list(found.elsewhere),
            }
        )
    else:
        click.echo(f"{directory}: {found.files} files, {size(found.bytes)}, verified as {digest}")
    for each in found.elsewhere:
        click.echo(f"not in it, and belongs to it: {line(each)}", err=True)


def inspection(
    layout: "Layout",
    reference: str,
    descriptor: "Descriptor",
    manifest: "Manifest",
    artifact: "Artifact",
) -> dict[str, Any]:
    """What is to be said of an artifact."""
    from remit.artifacts.kitfile import document

    found: dict[str, Any] = {
        "reference": reference,
        **_described(descriptor),
        "artifactType": manifest.kind,
        "form": artifact.form,
        "kind": artifact.kind,
        "annotations": manifest.annotations,
    }
    if artifact.form in {"modelkit", "modelpack"}:
        found["generation"] = artifact.generation
        found["kitfile"] = document(artifact.kitfile, layers=True)
    found["layers"] = [
        {
            "section": each.section,
            "path": (each.entry.clean if each.entry else each.path),
            **_described(each.descriptor),
            "stored": layout.has(each.descriptor.digest, each.descriptor.size),
        }
        for each in artifact.layers
    ]
    found["manifests"] = [_described(each) for each in manifest.manifests]
    servers = [
        _server(layout.path(each.descriptor.digest))
        for each in artifact.layers
        if each.section == "mcpserver" and layout.has(each.descriptor.digest, each.descriptor.size)
    ]
    agent = _agent(layout, artifact)
    return (
        found | ({"mcpServers": servers} if servers else {}) | ({"agent": agent} if agent else {})
    )


def _agent(layout: "Layout", artifact: "Artifact") -> dict[str, Any] | None:
    """The definition of an agent, from the layer that has it."""
    from remit.artifacts.agent import MAX_BYTES
    from remit.artifacts.peek import AGENT_FILES, agent_of, peek

    if artifact.kind != "agent":
        return None
    files: dict[str, bytes] = {}
    for layer in artifact.layers:
        path = layout.path(layer.descriptor.digest)
        if layer.section == "code" and layer.archive and path.exists():
            with path.open("rb") as blob:
                files |= peek(blob.read, layer, AGENT_FILES, MAX_BYTES)
    agent = agent_of(files)
    if agent is None:
        return None
    return {
        "client": agent.client,
        "hostedModel": agent.hosted_model,
        "dependencies": [
            {"role": each.role, "name": each.name, "ref": str(each.reference)}
            for each in agent.dependencies
        ],
    }


def _server(path: Path) -> dict[str, Any]:
    from remit.artifacts.mcpb import read_mcpb

    found = read_mcpb(path)
    return {
        "name": found.name,
        "version": found.version,
        "type": found.type,
        "command": [found.command, *found.args],
        "tools": found.tools,
        "userConfig": list(found.user_config),
    }


def inspected(found: dict[str, Any], output: str) -> None:
    """Print it."""
    if output == "json":
        dump_one(found)
        return
    kitfile = found.get("kitfile", {})
    package = kitfile.get("package", {})
    pairs = [
        ("kind", found["kind"] or "unknown"),
        ("form", found["form"]),
        ("digest", found["digest"]),
        *((key, package[key]) for key in ("name", "version", "license") if package.get(key)),
        *((("about", package["description"]),) if package.get("description") else ()),
        ("size", size(sum(each["size"] for each in found["layers"]))),
    ]
    click.echo(line(found["reference"]))
    for key, value in pairs:
        click.echo(f"  {key:8} {line(str(value))}")
    for layer in found["layers"]:
        missing = "" if layer["stored"] else "  (not in the store)"
        click.echo(
            f"  {layer['section'] or 'layer':9}  {size(layer['size']):>10}"
            f"  {line(layer['path'] or layer['mediaType'])}{missing}"
        )
    for each in found.get("agent", {}).get("dependencies", []):
        click.echo(f"  {each['role']:10}  {line(each['name'])}  {line(each['ref'], 400)}")
    for server in found.get("mcpServers", []):
        click.echo(f"  runs     {line(' '.join(server['command']))}")
        for name, about in server["tools"].items():
            click.echo(f"  tool     {line(name)}  {line(about, 100)}")


def rows(layout: "Layout", prefix: str) -> list[dict[str, Any]]:
    """One row for each name; what cannot be read says so in its kind."""
    from remit.artifacts.modelkit import KIND, form_of
    from remit.core.errors import RemitError

    found = []
    for name, descriptor in sorted(layout.names().items()):
        if not name.startswith(prefix):
            continue
        row: dict[str, Any] = {"name": name, "kind": "", "form": "", "total": 0}
        try:
            manifest, _ = layout.manifest(descriptor)
        except RemitError as error:
            row["error"] = error.message
        else:
            row["form"] = form_of(manifest)
            row["kind"] = manifest.annotations.get(KIND, "")
            row["total"] = sum(each.size for each in manifest.layers)
        found.append(row | _described(descriptor))
    return found


def listed(found: list[dict[str, Any]], output: str) -> None:
    """Print the rows: a table on a terminal, tab-separated on a pipe."""
    if output == "json":
        dump_one(found)
        return
    cells = [
        (
            line(row["name"]),
            line(row["kind"]) or row["form"] or "unreadable",
            size(row["total"]),
            row["digest"],
        )
        for row in found
    ]
    header = ("name", "kind", "size", "digest")
    if not sys.stdout.isatty():
        for each in (header, *cells):
            click.echo("\t".join(each))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in header:
        right = column == "size"
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for each in cells:
        table.add_row(*map(Text, each))
    Console().print(table)
