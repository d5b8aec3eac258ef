"""``remit hub search``, ``uses`` and ``depends``: the catalogue of a Hub, over HTTP."""

import json
import os
from typing import Any

import click

import remit.cli.hub_admin
import remit.cli.hub_keys
import remit.cli.hub_review  # noqa: F401 - likewise
from remit.cli.audit_output import safe
from remit.cli.hub import hub
from remit.cli.registry_ends import OUTPUT, Connection, connected, credentials, ends, reference

_KINDS = (
    "agent", "code", "dataset", "docs", "image", "mcp-server", "model", "policy", "prompt", "skill",
)  # fmt: skip
_SORTS = ("pushed", "-pushed", "repository", "-repository", "size", "-size", "kind", "-kind")
_SHORT = 19
_DENIED = 1


@hub.command()
@click.argument("query", nargs=-1)
@click.option("--hub", "host", envvar="REMIT_HUB", default="", help="The Hub.  [default: the one"
              " that you are logged in to]")  # fmt: skip
@click.option("--kind", multiple=True, type=click.Choice(_KINDS), help="Only of this kind.")
@click.option("--repository", default="", metavar="PATTERN", help="Only there, such as team/*.")
@click.option("--digest", default="", help="Only what has this digest, wherever it is.")
@click.option("--untagged", is_flag=True, help="Also what has no tag.")
@click.option("--sort", type=click.Choice(_SORTS), default="-pushed", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@OUTPUT
@connected
def search(
    query: tuple[str, ...],
    host: str,
    kind: tuple[str, ...],
    repository: str,
    digest: str,
    untagged: bool,
    sort: str,
    limit: int,
    output: str,
    connection: Connection,
) -> int:
    """Search the artifacts of a Hub.

    Every word of QUERY is in the repository's name, a tag, the title or the kind.

    \b
      remit hub search tokenizer --kind model
      remit hub search --repository 'team/*' -o json
    """
    from remit.artifacts.oci.catalog import HubCatalog, only_host
    from remit.artifacts.oci.credentials import OwnFile

    where = host or only_host(OwnFile.of(os.environ).hosts())
    reference(f"{where}/x")
    asked = [("q", " ".join(query)), ("repository", repository), ("digest", digest)]
    parameters = [(name, value) for name, value in asked if value]
    parameters += [("kind", each) for each in kind] + [("sort", sort)]
    if not untagged:
        parameters.append(("tagged", "true"))

    async def work(catalog: HubCatalog) -> tuple[list[dict[str, Any]], bool]:
        return await catalog.search(parameters, limit)

    found, more = _asked(connection, where, work)
    if output == "json":
        click.echo(json.dumps({"artifacts": found, "more": more}, indent=2))
        return 0
    rows = [
        (_name(each), each.get("kind") or "-", _when(each), str(each.get("digest"))[:_SHORT])
        for each in found
    ]
    _table(("Artifact", "Kind", "Pushed", "Digest"), rows)
    if more:
        click.echo(f"there are more than {limit}: see --limit", err=True)
    return 0


@hub.command()
@click.argument("ref")
@OUTPUT
@connected
def uses(ref: str, output: str, connection: Connection) -> int:
    """Show what uses REF: agents, and what is made of them."""
    from remit.artifacts.oci.catalog import HubCatalog

    parsed = reference(ref)

    async def work(catalog: HubCatalog) -> dict[str, Any]:
        return await catalog.uses(parsed)

    found = _asked(connection, parsed.host, work)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return 0
    rows = [
        (_name(each), each.get("role"), each.get("as"), "direct" if each.get("direct") else "")
        for each in found.get("uses", [])
    ]
    _table(("Used by", "Role", "As", ""), rows)
    if not rows:
        click.echo(f"nothing that you may see uses {found.get('digest')}", err=True)
    return 0


@hub.command()
@click.argument("ref")
@click.option("--check", is_flag=True, help="Exit with 1 unless all of it was scanned and passed.")
@OUTPUT
@connected
def depends(ref: str, check: bool, output: str, connection: Connection) -> int:
    """Show what REF needs, and what that needs; and whether all of it was scanned."""
    from remit.artifacts.oci.catalog import HubCatalog

    parsed = reference(ref)

    async def work(catalog: HubCatalog) -> dict[str, Any]:
        return await catalog.dependencies(parsed)

    found = _asked(connection, parsed.host, work)
    scanned = found.get("scanned") is True
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        nodes = {each.get("digest"): each for each in found.get("nodes", [])}
        rows = []
        for edge in found.get("edges", []):
            node = nodes.get(edge.get("dependency"), {})
            state = node.get("scan", "-") if node.get("present") else "not here"
            where = edge.get("reference") or edge.get("dependency") or "-"
            rows.append((edge.get("role"), edge.get("name"), where, state))
        _table(("Role", "Name", "Needs", "Scan"), rows)
        for reason in found.get("reasons", []):
            click.echo(f"not scanned: {safe(str(reason))}", err=True)
    return _DENIED if check and not scanned else 0


def _asked(connection: Connection, host: str, work: Any) -> Any:
    from remit.artifacts.oci.catalog import HubCatalog
    from remit.artifacts.oci.transport import run

    async def whole() -> Any:
        async with ends(connection) as both:
            return await work(HubCatalog(both.session(host, credentials(host))))

    return run(whole())


def _name(item: dict[str, Any]) -> str:
    tags = item.get("tags") or []
    return f"{item.get('repository')}{':' + ', :'.join(map(str, tags)) if tags else ''}"


def _when(item: dict[str, Any]) -> str:
    return str(item.get("pushedAt", ""))[:16].replace("T", " ")


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for each in head:
        table.add_column(each, overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(str(each if each is not None else "-"))) for each in row))
    if rows:
        Console().print(table)
