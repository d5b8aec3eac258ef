"""Small files of a layer, and the agent that they define."""

import gzip
import io

import pytest

from remit.artifacts.errors import ArchiveError, DefinitionError
from remit.artifacts.lock import edges, lock_bytes, locked
from remit.artifacts.modelkit import Layer
from remit.artifacts.oci.manifest import Descriptor
from remit.artifacts.peek import AGENT_FILES, agent_of, peek
from tests.unit.artifacts.archives import named, tar, tar_directory, tar_file
from tests.unit.artifacts.test_agent import FULL
from tests.unit.artifacts.test_lock import AGENT, LOCK, SUBJECT

DATA = tar(
    tar_directory("d"),
    tar_file("agent.yaml", FULL.encode()),
    tar_file("agent.lock", lock_bytes(LOCK)),
    tar_file("d/agent.yaml", b"another"),
    tar_file("large", bytes(100_000)),
)


def look(data: bytes, compression: str = "", limit: int = 10_000, names=AGENT_FILES):
    layer = Layer(
        descriptor=Descriptor(media_type="x", digest=SUBJECT, size=len(data)),
        compression=compression,
    )
    return peek(io.BytesIO(data).read, layer, names, limit)


def test_the_files_that_are_asked_for():
    for found in (look(DATA), look(gzip.compress(DATA), "gzip")):
        assert found == {"agent.yaml": FULL.encode(), "agent.lock": lock_bytes(LOCK)}
    assert look(DATA, names=["d", "none"]) == {}


def test_what_is_too_large_or_hostile():
    with pytest.raises(ArchiveError, match="larger than"):
        look(DATA, names=["large"])
    for data in (DATA[:-600], tar(tar_file("agent.yaml", b"x"), named(b"../x"))):
        with pytest.raises(ArchiveError):
            look(data)


def test_the_agent_and_its_graph():
    agent = agent_of(look(DATA))
    assert agent == locked(AGENT, LOCK)
    assert len(edges(SUBJECT, agent)) == len(AGENT.dependencies)
    assert agent_of({"agent.yaml": FULL.encode()}) == AGENT
    assert agent_of({}) is None
    with pytest.raises(DefinitionError, match="another definition"):
        agent_of({"agent.yaml": FULL.replace("1.10", "2").encode(), "agent.lock": lock_bytes(LOCK)})
