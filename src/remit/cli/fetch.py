"""Artifacts that a command names and that are not on this machine yet."""

import time
from pathlib import Path

import click

from remit.cli.registry_ends import (
    Connection,
    ends,
    local_name,
    parse,
    store,
    stored_name,
)


def fetched(text: str, store_path: Path | None, connection: Connection) -> str:
    """``text``, pulled into the store with what refers to it if it names a registry and is missing.

    What is in the store already is not looked up again, and neither is what is a path.

    Raises:
        RemitError: the registry has not, or cannot be reached.
    """
    if Path(text).exists():
        return text
    from remit.artifacts.errors import BadReferenceError
    from remit.artifacts.layout import LayoutError
    from remit.artifacts.oci.transport import run
    from remit.artifacts.transfer.copy import Transfer
    from remit.artifacts.transfer.layouts import LayoutTarget
    from remit.artifacts.transfer.partial import sweep
    from remit.artifacts.transfer.registries import RegistrySource
    from remit.cli.registry_output import watcher

    try:
        parsed = parse(text)
    except BadReferenceError:
        return text
    if not parsed.host:
        return text
    layout = store(store_path, create=True)
    try:
        layout.resolve(local_name(layout, text))
    except LayoutError:
        pass
    else:
        return text
    sweep(layout, time.time())
    click.echo(f"pulling {text}", err=True)

    async def pull() -> None:
        async with ends(connection) as both:
            source = RegistrySource(both.repository(parsed), parsed.host)
            target = LayoutTarget(layout, both.pause)
            with watcher("table") as watching:
                transfer = Transfer(
                    source=source,
                    target=target,
                    each=both.transport.each,
                    watcher=watching,
                    referrers=True,
                )
                await transfer.run(parsed.name, stored_name(parsed))

    run(pull())
    return text
