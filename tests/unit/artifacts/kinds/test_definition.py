"""What an agent definition in a layer needs, whatever is in the layer."""

import gzip

import pytest

from remit.artifacts.agent import parse_agent
from remit.artifacts.kinds.definition import UNREADABLE, files_in, needs_of
from remit.artifacts.lock import lock, lock_bytes
from remit.artifacts.oci.manifest import MANIFEST, Descriptor
from tests.unit.artifacts.archives import tar, tar_file

DIGEST = "sha256:" + "ab" * 32
HEAD = b"apiVersion: remit.example/agent/v1\nname: a\nversion: 1.0.0\nclient: x\n"
LOOSE = HEAD + b"model: host.example/models/m:v1\n"
PINNED = HEAD + f"model: host.example/models/m:v1@{DIGEST}\n".encode()


def layer(*files):
    return tar(*(tar_file(name, data) for name, data in files))


def test_a_pinned_definition_is_complete():
    found = needs_of([(layer(("agent.yaml", PINNED)), "", "")])
    assert found.graph == "complete"
    assert [(each.role, each.reference.digest) for each in found.dependencies] == [
        ("model", DIGEST)
    ]
    assert needs_of([(PINNED, "", "agent.yaml")]) == found
    assert needs_of([(gzip.compress(layer(("agent.yaml", PINNED))), "gzip", "")]) == found


def test_without_digests_it_is_unlocked_and_its_lock_has_them():
    assert needs_of([(layer(("agent.yaml", LOOSE)), "", "")]).graph == "unlocked"
    found = lock(
        parse_agent(LOOSE), lambda _: Descriptor(media_type=MANIFEST, digest=DIGEST, size=1)
    )
    both = layer(("agent.yaml", LOOSE), ("agent.lock", lock_bytes(found)))
    assert needs_of([(both, "", "")]).graph == "complete"


def test_a_lock_of_another_definition_makes_it_unreadable():
    found = lock(
        parse_agent(PINNED), lambda _: Descriptor(media_type=MANIFEST, digest=DIGEST, size=1)
    )
    both = layer(("agent.yaml", LOOSE), ("agent.lock", lock_bytes(found)))
    assert needs_of([(both, "", "")]) == UNREADABLE


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [(layer(("other.yaml", PINNED)), "", "")],
        [(layer(("sub/agent.yaml", PINNED)), "", "")],
        [(layer(("agent.yaml", b"name: [")), "", "")],
        [(layer(("agent.yaml", b"a" * 300_000)), "", "")],
        [(layer(("agent.yaml", PINNED))[:700], "", "")],
        [(layer(("agent.yaml", PINNED)), "gzip", "")],
        [(gzip.compress(bytes(80 << 20)), "gzip", "")],
        [(layer(("agent.yaml", PINNED)), "", ""), (layer(("agent.yaml", LOOSE)), "", "")],
        [(layer(("agent.yaml", PINNED)), "", ""), (LOOSE, "", "agent.yaml")],
    ],
    ids=[
        "nothing",
        "other",
        "below",
        "malformed",
        "large",
        "cut",
        "not-gzip",
        "bomb",
        "two",
        "mix",
    ],
)
def test_whatever_is_wrong_makes_it_unreadable(layers):
    assert needs_of(layers) == UNREADABLE


def test_nothing_else_is_taken_out_of_a_layer():
    found = files_in(layer(("agent.yaml", b"x"), ("big.bin", bytes(100_000))), "")
    assert found == {"agent.yaml": b"x"}
