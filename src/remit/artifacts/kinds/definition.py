"""What an agent definition in a layer says it needs, read without unpacking anything.

An annotation could say something else than the definition that is run, so the graph of
dependencies is made from the layer itself. What cannot be read, or names no digest, is said to be
unknown: whoever asks whether all of an agent was scanned must not get a yes for it.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from remit.artifacts import agent as definitions
from remit.artifacts import lock as locks
from remit.artifacts.agent import Agent, Dependency
from remit.artifacts.decompress import Compression, Decompressed
from remit.artifacts.errors import DefinitionError
from remit.artifacts.members import Limits
from remit.artifacts.untar import TarReader
from remit.core.errors import RemitError

MAX_LAYER_BYTES = 4 * 1024 * 1024
"""The largest layer in which a definition is looked for, packed."""
_LIMITS = Limits(entries=10_000, total=64 << 20, ratio=50, free=1 << 20)
_WANTED = {
    definitions.FILE: definitions.MAX_BYTES,
    locks.FILE: locks.MAX_BYTES,
}

Graph = Literal["", "complete", "unlocked", "unreadable"]
"""What is known of the dependencies of an artifact: it has none of its own (empty), all of them
with their digests, all but some digests, or nothing."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent definition needs.

    Attributes:
        graph: how much is known.
        agent: the definition; ``None`` if it cannot be read.
        dependencies: each with its digest if one was decided.
    """

    graph: Graph
    agent: Agent | None = None
    dependencies: tuple[Dependency, ...] = ()


UNREADABLE = Needs(graph="unreadable")


def files_in(layer: bytes, compression: Compression) -> dict[str, bytes]:
    """The definition and its lock in the tar archive ``layer``.

    Raises:
        ArchiveError: it is malformed or hostile.
    """
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        piece = layer[at : at + size]
        at += len(piece)
        return piece

    found: dict[str, bytes] = {}
    reader = TarReader(Decompressed(read, compression, _LIMITS).read, _LIMITS)
    for entry in reader:
        limit = _WANTED.get(entry.name)
        if limit is not None and not entry.directory and entry.size <= limit:
            found[entry.name] = b"".join(reader.content())
    return found


def needs_of(layers: Iterable[tuple[bytes, Compression, str]]) -> Needs:
    """What the definition in the layers of an agent needs.

    Args:
        layers: bytes, compression, and for a layer that is one file its path (else empty).

    Returns:
        :data:`UNREADABLE` whatever is wrong with them.
    """
    files: dict[str, bytes] = {}
    try:
        for data, compression, path in layers:
            more = {path: data} if path else files_in(data, compression)
            if files.keys() & more.keys():
                raise DefinitionError("two layers have a definition")
            files |= more
        if definitions.FILE not in files:
            return UNREADABLE
        agent = definitions.parse_agent(files[definitions.FILE])
        if locks.FILE in files:
            agent = locks.locked(agent, locks.parse_lock(files[locks.FILE]))
    except RemitError:
        return UNREADABLE
    complete = all(each.reference.digest for each in agent.dependencies)
    return Needs(
        graph="complete" if complete else "unlocked",
        agent=agent,
        dependencies=agent.dependencies,
    )
