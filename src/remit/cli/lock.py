"""``remit lock``: every tag of an agent definition, or of ``remit.toml``, becomes a digest."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli.registry_ends import OUTPUT, STORE, Connection, Ends, connected, ends, store

if TYPE_CHECKING:
    from remit.artifacts.oci.manifest import Descriptor
    from remit.artifacts.oci.names import Reference


@click.command()
@click.argument(
    "definition",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=Path("agent.yaml"),
)
@click.option(
    "--check", is_flag=True, help="Change nothing; exit status 1 if the lock would be another."
)
@STORE
@OUTPUT
@connected
def lock(
    definition: Path, check: bool, store_path: Path | None, output: str, connection: Connection
) -> int:
    """Write agent.lock beside DEFINITION (agent.yaml): what each of its tags is now, by digest.

    References with a host are looked up in their registry, others in this machine's store. If one
    of them cannot be found there is no lock. `remit pack` packs both files.

    DEFINITION may also be a remit.toml: then it is remit.lock, beside it, and holds the digests of
    the servers that are started from artifacts. Guard starts none by a tag that is not in it.

    \b
      remit lock ./reporter/agent.yaml
      remit lock remit.toml
      remit lock --check                     # in CI: did a tag move?
    """
    if definition.suffix == ".toml":
        return _configuration(definition, check, store_path, output, connection)
    from remit.artifacts import lock as locks
    from remit.artifacts.agent import parse_agent
    from remit.artifacts.oci.transport import run
    from remit.core.files import write_atomically

    agent = parse_agent(definition.read_bytes(), str(definition))
    wanted = [each.reference for each in agent.dependencies]

    async def look() -> "dict[Reference, Descriptor]":
        async with ends(connection) as both:
            return {each: await _found(both, each, store_path) for each in wanted}

    found = run(look())
    made = locks.lock(agent, found.__getitem__)
    target = definition.with_name(locks.FILE)
    data = locks.lock_bytes(made) + b"\n"
    changed = not target.exists() or target.read_bytes() != data
    if changed and not check:
        write_atomically(target, data, mode=0o644)
    if output == "json":
        pins = [{"role": each.role, "ref": str(each.reference)} for each in made.pins]
        click.echo(json.dumps({"lock": str(target), "changed": changed, "pins": pins}, indent=2))
    else:
        for pin in made.pins:
            click.echo(f"{pin.role:<10} {pin.reference}")
        _state(target, changed=changed, check=check)
    return 1 if check and changed else 0


def _configuration(
    path: Path, check: bool, store_path: Path | None, output: str, connection: Connection
) -> int:
    """The lock of a configuration."""
    from remit.artifacts.oci.transport import run
    from remit.core.files import write_atomically
    from remit.guard.admission import lockfile
    from remit.guard.config import load

    config = load(path)
    wanted = [each for each in lockfile.references(config) if not each.digest]
    where = store_path or config.artifacts.store

    async def look() -> "dict[str, Descriptor]":
        async with ends(connection) as both:
            return {str(each): await _found(both, each, where) for each in wanted}

    found = {name: each.digest for name, each in run(look()).items()}
    target = path.with_name(lockfile.FILE)
    data = lockfile.lock_bytes(found) + b"\n"
    changed = not target.exists() or target.read_bytes() != data
    if changed and not check:
        write_atomically(target, data, mode=0o644)
    if output == "json":
        value = {"lock": str(target), "changed": changed, "artifacts": found}
        click.echo(json.dumps(value, indent=2))
    else:
        for name, digest in found.items():
            click.echo(f"{name}@{digest}")
        _state(target, changed=changed, check=check)
    return 1 if check and changed else 0


def _state(target: Path, *, changed: bool, check: bool) -> None:
    state = ("would change" if check else "written") if changed else "is as it was"
    click.echo(f"{target} {state}", err=True)


async def _found(both: Ends, reference: "Reference", store_path: Path | None) -> "Descriptor":
    from remit.artifacts.errors import BadReferenceError

    if not reference.host:
        from remit.artifacts.local import find

        return find(store(store_path), reference)
    found = await both.repository(reference).head_manifest(reference.name)
    if found is None:
        raise BadReferenceError(
            f"`{reference}` is not in its registry",
            hint="check the name; `remit tags` lists what a repository has",
        )
    return found
