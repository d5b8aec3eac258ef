"""``remit push``, ``pull``, ``copy``, ``tags``, ``referrers``: artifacts and registries."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.registry_ends import (
    OUTPUT,
    PARALLEL,
    PLATFORM,
    REFERRERS,
    STORE,
    Connection,
    Ends,
    connected,
    connected_twice,
    ends,
    local_name,
    parse,
    reference,
    store,
    stored_name,
)

if TYPE_CHECKING:
    from remit.artifacts.oci.manifest import Descriptor
    from remit.artifacts.transfer.copy import Transferred
    from remit.artifacts.transfer.ports import Source, Target


@click.command()
@click.argument("name")
@click.argument("ref", required=False)
@click.option("--wait", is_flag=True, help="Wait until the Hub's gate has decided.")
@click.option(
    "--wait-timeout",
    "timeout_s",
    type=click.FloatRange(min=0, max=604_800),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@REFERRERS
@PARALLEL
@STORE
@OUTPUT
@connected
def push(
    name: str,
    ref: str | None,
    wait: bool,
    timeout_s: float,
    referrers: bool,
    parallel: int,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Push NAME of this machine's store to a registry, as REF if it is called otherwise there.

    What the registry has already is not sent again; a push that was cut off goes on where it was.

    \b
      remit push registry.example/team/model:v1
      remit push model:v1 registry.example/team/model:v1
      remit push model:v1 hub.example/team/model:v1 --wait

    With --wait the exit status says what the gate of a Hub decided: 0 admitted, 1 refused or
    withdrawn, 4 still quarantined or left to curators when the time was over. A registry without
    a gate cannot be waited for: it is pushed, and the status is 2.
    """
    from remit.artifacts.errors import BadReferenceError
    from remit.artifacts.transfer.layouts import LayoutSource

    parsed = reference(ref or name)
    if ref and parsed.digest:
        raise BadReferenceError("a target has a tag, not a digest", hint="leave the digest out")
    layout = store(store_path)
    here = local_name(layout, name)
    tag = parsed.tag or ("" if parsed.digest else "latest")
    written = f"{parsed.host}/{parsed.repository}" + (f":{tag}" if tag else "")

    async def work(both: Ends) -> "Transferred":
        target = both.registry_target(parsed, layout)
        options = {"parallel": parallel, "referrers": referrers}
        return await _transfer(both, LayoutSource(layout), target, (here, tag), output, options)

    done = _run(connection, work)
    if not wait:
        return _show(done, written, output)
    return _waited(connection, done, written, output, timeout_s)


def _waited(
    connection: Connection, done: "Transferred", written: str, output: str, timeout_s: float
) -> int:
    """Show what was pushed, and what is decided of it: the exit status."""
    from remit.cli.registry_output import transferred
    from remit.cli.registry_wait import NoGateError, decided, line, status_of

    if output == "table":
        transferred(done, written, output)
    host, _, rest = written.partition("/")
    pushed = parse(f"{host}/{rest.partition(':')[0]}@{done.descriptor.digest}")
    try:
        found = decided(connection, pushed, timeout_s, output)
    except NoGateError:
        if output == "json":
            transferred(done, written, output, admission=None)
        raise
    if output == "json":
        transferred(done, written, output, admission=found)
    else:
        click.echo(line(found), err=True)
    return status_of(str(found.get("state")))


@click.command()
@click.argument("ref")
@click.option("--as", "name", default="", metavar="NAME", help="Call it NAME in the store.")
@REFERRERS
@PLATFORM
@PARALLEL
@STORE
@OUTPUT
@connected
def pull(
    ref: str,
    name: str,
    referrers: bool,
    platform: str,
    parallel: int,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Pull REF from a registry into this machine's store.

    Everything is verified against the digests of its manifest before it is there. A pull that was
    cut off goes on where it was.

    \b
      remit pull registry.example/team/model:v1
      remit pull registry.example/team/model@sha256:…
    """
    from remit.artifacts.transfer.layouts import LayoutTarget
    from remit.artifacts.transfer.partial import sweep
    from remit.artifacts.transfer.registries import RegistrySource

    parsed = reference(ref)
    here = stored_name(parse(name) if name else parsed)
    layout = store(store_path, create=True)
    sweep(layout, time.time())

    async def work(both: Ends) -> "Transferred":
        source = RegistrySource(both.repository(parsed), parsed.host)
        target = LayoutTarget(layout, both.pause)
        options = {"parallel": parallel, "referrers": referrers, "platform": platform}
        return await _transfer(both, source, target, (parsed.name, here), output, options)

    return _show(_run(connection, work), here.partition("@")[0], output)


@click.command()
@click.argument("source")
@click.argument("target")
@REFERRERS
@PLATFORM
@PARALLEL
@STORE
@OUTPUT
@connected_twice
def copy(
    source: str,
    target: str,
    referrers: bool,
    platform: str,
    parallel: int,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """Copy an artifact from SOURCE to TARGET, bytes and digests as they are.

    Each is a reference in a registry (with a host), a name in this machine's store (without), or an
    image layout in a directory, oci:DIR[:TAG]. From one registry to another it passes through
    without being stored.

    \b
      remit copy a.example/team/model:v1 b.example/team/model:v1 --referrers
      remit copy a.example/team/model:v1 oci:./layout:v1
    """

    async def work(both: Ends) -> "tuple[Transferred, str]":
        come, name, tag = both.source(source, store_path)
        go, to, written = both.target(target, store_path, tag)
        options = {"parallel": parallel, "referrers": referrers, "platform": platform}
        return await _transfer(both, come, go, (name, to), output, options), written

    done, written = _run(connection, work)
    return _show(done, written, output)


@click.command()
@click.argument("repository")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@OUTPUT
@connected
def tags(repository: str, limit: int | None, output: str, connection: Connection) -> int:
    """List the tags of REPOSITORY in a registry."""
    parsed = reference(repository)

    async def work(both: Ends) -> list[str]:
        return await both.repository(parsed).tags(limit)

    found = _run(connection, work)
    if output == "json":
        value = {"repository": f"{parsed.host}/{parsed.repository}", "tags": found}
        click.echo(json.dumps(value, indent=2))
    else:
        for each in found:
            click.echo(each)
    return 0


@click.command()
@click.argument("ref")
@click.option("--type", "artifact_type", default="", help="Only those of an artifact type.")
@STORE
@OUTPUT
@connected
def referrers(
    ref: str,
    artifact_type: str,
    store_path: Path | None,
    output: str,
    connection: Connection,
) -> int:
    """List what refers to REF: signatures, attestations, lists of parts.

    REF is in a registry, or without a host in this machine's store, or in a layout, oci:DIR[:TAG].
    """
    from remit.cli.registry_output import referrers as show

    async def work(both: Ends) -> "list[Descriptor]":
        source, name, _ = both.source(ref, store_path)
        root = await source.fetch(name)
        found = await source.referrers(root.descriptor.digest)
        return [each for each in found if artifact_type in {"", each.artifact_type}]

    show(_run(connection, work), output)
    return 0


async def _transfer(
    both: Ends,
    source: "Source",
    target: "Target",
    names: tuple[str, str],
    output: str,
    options: dict[str, Any],
) -> "Transferred":
    from remit.artifacts.transfer.copy import Transfer
    from remit.cli.registry_output import watcher

    with watcher(output) as watching:
        transfer = Transfer(
            source=source, target=target, each=both.transport.each, watcher=watching, **options
        )
        return await transfer.run(*names)


def _run(connection: Connection, work: Any) -> Any:
    from remit.artifacts.oci.transport import run

    async def whole() -> Any:
        async with ends(connection) as both:
            return await work(both)

    return run(whole())


def _show(done: "Transferred", written: str, output: str) -> int:
    from remit.cli.registry_output import transferred

    transferred(done, written, output)
    return 0
