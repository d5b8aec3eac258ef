"""Looking into a layer without unpacking it, for the small files that say what is in it.

Sans I/O: the caller gives the bytes of the layer, from the store of this machine or from a
registry, and verifies their digest.
"""

from collections.abc import Collection, Mapping

from remit.artifacts import agent as agents
from remit.artifacts import lock as locks
from remit.artifacts.decompress import Decompressed
from remit.artifacts.errors import ArchiveError
from remit.artifacts.members import LIMITS, Limits, shown
from remit.artifacts.modelkit import Layer
from remit.artifacts.untar import Read, TarReader

AGENT_FILES = (agents.FILE, locks.FILE)


def peek(
    read: Read, layer: Layer, names: Collection[str], limit: int, limits: Limits = LIMITS
) -> dict[str, bytes]:
    """Some files of a layer that is an archive; the whole archive is read and checked.

    Args:
        read: gives up to so many bytes of the layer; none at its end.
        layer: what it is.
        names: of the files.
        limit: bytes of each.
        limits: of the archive.

    Raises:
        ArchiveError: the archive is malformed or hostile, or a file larger than ``limit``.
    """
    found: dict[str, bytes] = {}
    reader = TarReader(Decompressed(read, layer.compression, limits).read, limits)
    for entry in reader:
        if entry.name not in names or entry.directory:
            continue
        if entry.size > limit:
            raise ArchiveError(f"`{shown(entry.name)}` in the layer is larger than {limit} bytes")
        found[entry.name] = b"".join(reader.content())
    return found


def agent_of(files: Mapping[str, bytes]) -> agents.Agent | None:
    """The agent that ``agent.yaml`` defines, with the digests of ``agent.lock`` if there is one.

    Raises:
        DefinitionError: one of them is malformed, or the lock belongs to another definition.
    """
    if agents.FILE not in files:
        return None
    agent = agents.parse_agent(files[agents.FILE])
    if locks.FILE not in files:
        return agent
    return locks.locked(agent, locks.parse_lock(files[locks.FILE]))
