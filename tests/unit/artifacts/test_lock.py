"""Locks: every tag a digest, for one definition."""

import json

import msgspec
import pytest

from remit.artifacts.agent import parse_agent
from remit.artifacts.errors import DefinitionError, DigestError
from remit.artifacts.layout import LayoutError
from remit.artifacts.lock import (
    Edge,
    definition_digest,
    edges,
    lock,
    lock_bytes,
    locked,
    parse_lock,
)
from remit.artifacts.oci.digests import digest_of
from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from remit.core.digest import Digest
from tests.unit.artifacts.test_agent import DIGEST, FULL

AGENT = parse_agent(FULL.encode())
SUBJECT = Digest("sha256:" + "5" * 64)


def resolve(reference):
    digest = reference.digest or digest_of(str(reference).encode())
    return Descriptor(media_type=MANIFEST, digest=digest, size=7)


LOCK = lock(AGENT, resolve)


def test_every_reference_has_its_digest():
    assert [pin.digest for pin in LOCK.pins] == [
        resolve(each.reference).digest for each in AGENT.dependencies
    ]
    assert [str(pin.reference) for pin in LOCK.pins][:1] == [
        f"registry.example/models/qwen:7b@{digest_of(b'registry.example/models/qwen:7b')}"
    ]
    assert parse_lock(lock_bytes(LOCK)) == LOCK
    assert lock_bytes(lock(AGENT, resolve)) == lock_bytes(LOCK)


def test_the_graph():
    found = edges(SUBJECT, locked(AGENT, LOCK))
    assert len(found) == len(AGENT.dependencies)
    assert found[2] == Edge(
        subject=SUBJECT, dependency=Digest(DIGEST), role="mcp-server", name="files"
    )
    with pytest.raises(DefinitionError, match="has no digest"):
        edges(SUBJECT, AGENT)


def test_how_it_is_written_does_not_matter_and_what_it_says_does():
    same = parse_agent(
        ("# a comment\n" + FULL.replace("[prompts/tone]", "\n  - prompts/tone")).encode()
    )
    assert definition_digest(same) == definition_digest(AGENT)
    assert locked(same, LOCK) == locked(AGENT, LOCK)
    for change in ("claude-code", "reporter", "1.10", "qwen:7b", "reports"):
        other = parse_agent(FULL.replace(change, "other").encode())
        assert definition_digest(other) != definition_digest(AGENT)
        with pytest.raises(DefinitionError, match="another definition"):
            locked(other, LOCK)


def test_a_locked_definition_can_be_locked_again():
    again = lock(locked(AGENT, LOCK), resolve)
    assert [pin.digest for pin in again.pins] == [pin.digest for pin in LOCK.pins]


def test_a_digest_that_is_another_there():
    def wrong(reference):
        return Descriptor(media_type=MANIFEST, digest=digest_of(b"other"), size=7)

    with pytest.raises(DigestError, match="has the digest"):
        lock(AGENT, wrong)


def test_one_that_is_missing_is_no_lock():
    def missing(reference):
        raise LayoutError("not there")

    with pytest.raises(LayoutError):
        lock(AGENT, missing)


def test_pins_that_were_exchanged():
    first, second = LOCK.pins[:2]
    swapped = msgspec.structs.replace(first, reference=second.reference)
    with pytest.raises(DefinitionError, match="names another"):
        locked(AGENT, msgspec.structs.replace(LOCK, pins=(swapped, *LOCK.pins[1:])))
    for pins in (LOCK.pins[1:], (*LOCK.pins, msgspec.structs.replace(first, name="more"))):
        with pytest.raises(DefinitionError, match="another definition"):
            locked(AGENT, msgspec.structs.replace(LOCK, pins=pins))


VALUE = json.loads(lock_bytes(LOCK))


@pytest.mark.parametrize(
    "change",
    [
        {"lockVersion": 2}, {"lockVersion": True}, {"lockVersion": None}, {"definition": "x"}, {"definition": None},
        {"dependencies": {}}, {"dependencies": [1]}, {"more": 1},
        *({"dependencies": [VALUE["dependencies"][0] | each]} for each in (
            {"role": "thing"}, {"role": None}, {"name": 1}, {"ref": "a:v1"}, {"ref": "A"}, {"ref": 1}, {"size": -1},
            {"size": 1.0}, {"size": True}, {"mediaType": None}, {"more": 1},
        )),
    ],
)  # fmt: skip
def test_malformed_locks(change):
    with pytest.raises(DefinitionError):
        parse_lock(json.dumps(VALUE | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"{}", b'{"a":1,"a":2}'])
def test_no_locks(data):
    with pytest.raises(DefinitionError):
        parse_lock(data)
