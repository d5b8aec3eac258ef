"""An import, step by step. The new name is given last, so nothing has it without its attestation.

1. Bring the artifact to its place, by digest alone.
2. Make the statement about it and sign it.
3. Put the attestation beside it.
4. Give the name.

Whatever fails, the name is not given; what was brought is taken away by the collector of its place.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from remit.artifacts.importing.contents import PackedFile, files_of
from remit.artifacts.importing.origins import AskGit, Origin, origin_of
from remit.artifacts.importing.provenance import (
    PREDICATE_TYPE,
    Times,
    import_statement,
    of_directory,
    of_registry,
)
from remit.artifacts.layout import Layout
from remit.artifacts.oci.client import Fetched
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.pack import Packed, Plan, Progress, pack
from remit.artifacts.transfer.attach import attach
from remit.artifacts.transfer.copy import Transfer, Transferred
from remit.artifacts.transfer.ports import Target
from remit.artifacts.transfer.tree import for_platform
from remit.artifacts.transfer.tree import plan as plan_of
from remit.attest.bundle import dump_bundle
from remit.attest.dsse import sign
from remit.attest.ecdsa import Signer
from remit.attest.predicates.fields import time_text
from remit.core.clock import Clock


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What every import needs.

    Attributes:
        signer: of the attestation.
        clock: for its times.
        invocation: id of this import.
        destination: the new name, as it is written.
        tag: the new name, as the target takes it.
    """

    signer: Signer
    clock: Clock
    invocation: str
    destination: str
    tag: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was imported.

    Attributes:
        descriptor: of the artifact.
        attestation: of the referrer that says where it came from.
        moved: what the transfer did.
    """

    descriptor: Descriptor
    attestation: Descriptor
    moved: Transferred


class PackedDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """A directory that was packed into a store, and where it came from."""

    packed: Packed
    files: tuple[PackedFile, ...]
    origin: Origin
    name: str
    started_us: int


def pack_directory(
    layout: Layout,
    what: Plan,
    clock: Clock,
    ask_git: AskGit,
    *,
    uri: str = "",
    progress: Progress | None = None,
) -> PackedDirectory:
    """Pack a directory without a name, and verify its origin by what was packed.

    Raises:
        ImportRefusedError: a file is not what its origin has.
        PackError, ArchiveError, DefinitionError: it cannot be packed.
        OSError: the disk is full or broken.
    """
    started = clock.now_us()
    packed = pack(layout, what, progress=progress)
    files = files_of(layout, packed.descriptor)
    origin = origin_of(what.tree.root, files, ask_git, uri)
    return PackedDirectory(
        packed=packed, files=tuple(files), origin=origin, name=what.tree.name, started_us=started
    )


async def import_directory(directory: PackedDirectory, transfer: Transfer, work: Work) -> Imported:
    """Bring what was packed to its place, with its attestation.

    Raises:
        ArtifactError: see the module's text.
    """
    origin = directory.origin
    dependencies = of_directory(origin, directory.name, directory.files)
    parameters = {
        "source": origin.uri or f"directory:{directory.name}",
        "form": origin.form,
        "kind": directory.packed.kind,
    }
    moved = await transfer.run(directory.packed.descriptor.digest)
    root = await transfer.source.fetch(directory.packed.descriptor.digest)
    return await _finished(
        transfer.target, root, moved, work, directory.started_us, parameters, dependencies
    )


async def import_artifact(
    name: str, written: str, transfer: Transfer, work: Work, platform: str = ""
) -> Imported:
    """Bring an artifact of another registry to its place, with its attestation.

    Args:
        name: its tag or digest where it is.
        written: how that is written, ``oci://HOST/REPOSITORY:TAG``.
        transfer: from there, for all platforms.
        work: see :class:`Work`.
        platform: only that member of an index; empty for all.

    Raises:
        ArtifactError: see the module's text.
    """
    started = work.clock.now_us()
    source = transfer.source
    root = await source.fetch(name)
    if platform:
        root = await for_platform(source, root, platform)
    tree = await plan_of(source, root, referrers=False)
    manifests = [node.manifest for node in tree.nodes]
    dependencies = of_registry(written, root.descriptor.digest, manifests)
    moved = await transfer.run(root.descriptor.digest)
    parameters = {"source": written, "form": "oci"}
    return await _finished(transfer.target, root, moved, work, started, parameters, dependencies)


async def _finished(
    target: Target,
    root: Fetched,
    moved: Transferred,
    work: Work,
    started_us: int,
    parameters: dict[str, str],
    dependencies: Sequence[dict[str, Any]],
) -> Imported:
    finished = work.clock.now_us()
    payload = import_statement(
        root.descriptor.digest,
        destination=work.destination,
        parameters=parameters,
        dependencies=dependencies,
        times=Times(started_us=started_us, finished_us=finished),
        invocation=work.invocation,
    )
    bundle = dump_bundle(sign(payload, work.signer), work.signer.public)
    created = time_text(finished)
    attached = await attach(target, root.descriptor, bundle, PREDICATE_TYPE, created)
    await target.put_manifest(root, work.tag)
    return Imported(descriptor=root.descriptor, attestation=attached, moved=moved)
