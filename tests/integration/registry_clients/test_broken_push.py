"""Pushes whose connection breaks in the middle, and which go on where they were."""

import hashlib
from pathlib import Path

import pytest

from tests.rig.chunked import ChunkedClient, random_file
from tests.rig.cut import Cut
from tests.rig.registries import Registry

MIB = 1 << 20
GIB = 1 << 30


def pull(registry: Registry, repository: str, digest: str) -> str:
    """Digest of what the registry gives out under `digest`."""
    import urllib.request

    client = ChunkedClient(registry.host, registry, MIB)
    request = urllib.request.Request(
        f"{registry.url}/v2/{repository}/blobs/{digest}", headers=client.headers
    )
    taken = hashlib.sha256()
    with urllib.request.urlopen(request, timeout=120) as answer:
        while data := answer.read(MIB):
            taken.update(data)
    return f"sha256:{taken.hexdigest()}"


def push_over_breaks(
    registry: Registry, repository: str, file: Path, piece: int, cuts: list[int]
) -> int:
    """Push through a network that breaks at those bytes: bytes that were sent."""
    with Cut(registry.host, cuts) as network:
        done = ChunkedClient(network.host, registry, piece).push(repository, file)
    assert network.cuts == len(cuts)
    assert done.breaks >= 1
    assert pull(registry, repository, done.digest) == done.digest
    return done.sent


def test_cut_three_times(registry: Registry, repository: str, tmp_path: Path) -> None:
    file = random_file(tmp_path / "blob", 40 * MIB)
    # In the middle of a piece; nearly at the end of one; nearly at the end of all.
    cuts = [10 * MIB, 24 * MIB - 100, 39 * MIB]
    sent = push_over_breaks(registry, repository, file, 8 * MIB, cuts)
    # A piece that broke is sent again, and nothing before it.
    assert sent <= (40 + len(cuts) * 8) * MIB


def test_cut_before_the_first_piece_is_there(
    registry: Registry, repository: str, tmp_path: Path
) -> None:
    file = random_file(tmp_path / "blob", 3 * MIB)
    push_over_breaks(registry, repository, file, 8 * MIB, [MIB])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gibibytes(registry: Registry, repository: str, tmp_path: Path) -> None:
    """Half of it is there when the network goes; the other half is what is sent afterwards."""
    file = random_file(tmp_path / "blob", 2 * GIB)
    sent = push_over_breaks(registry, repository, file, 100 * MIB, [GIB + 30 * MIB])
    assert sent <= 2 * GIB + 100 * MIB
