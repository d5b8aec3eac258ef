import pytest

from remit.audit import tiles
from remit.audit.errors import Corrupt
from remit.audit.merkle import Range, inclusion_proof, leaf_hash, verify_inclusion
from tests.unit.audit import support

COUNT = 66_000
HASHES = [leaf_hash(n.to_bytes(4, "big")) for n in range(COUNT)]


@pytest.fixture(scope="module")
def written():
    builder = tiles.Builder(Range())
    files = {}
    for item in HASHES:
        builder.append(item)
        files.update(builder.take())
    whole = dict(files)
    files.update(builder.partial())
    return whole, files, builder.range.root()


def test_paths_are_those_of_the_specification():
    assert tiles.path(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.path(0, 0) == "tile/0/000"
    assert tiles.path(2, 1000) == "tile/2/x001/000"
    assert tiles.path(1, 7, 3) == "tile/1/007.p/3"


def test_tiles_hold_the_hashes_of_their_level(written):
    whole, files, _ = written
    assert whole["tile/0/001"] == b"".join(HASHES[256:512])
    assert whole["tile/1/000"][32:64] == support.mth(HASHES[256:512])
    assert files["tile/2/000.p/1"] == support.mth(HASHES[:65536])
    assert len(files[f"tile/0/257.p/{COUNT % 256}"]) == 32 * (COUNT % 256)
    assert sum(len(data) == 8192 for data in files.values()) == 257 + 1


def test_roots_and_proofs_out_of_tiles(written):
    _, files, root = written
    tree = tiles.TileTree(COUNT, files.get)
    assert tree.range().root() == root == support.mth(HASHES)
    for index in (0, 1, 255, 256, 40_000, 65_535, 65_536, 65_900, COUNT - 1):
        found = inclusion_proof(index, COUNT, tree.subtree)
        assert verify_inclusion(index, COUNT, HASHES[index], found, root)


def test_upper_tiles_are_made_of_lower_ones(written):
    whole, _, _ = written
    only_leaves = {path: data for path, data in whole.items() if path.startswith("tile/0/")}
    tree = tiles.TileTree(65_536, only_leaves.get)
    assert tree.range().root() == support.mth(HASHES[:65_536])
    assert tree.rows() == [[], [], [support.mth(HASHES[:65_536])]]


def test_a_builder_goes_on_where_another_stopped(written):
    _, files, root = written
    start = 65_536 + 256
    tree = tiles.TileTree(start, files.get)
    builder = tiles.Builder(tree.range(), tree.rows())
    for item in HASHES[start:]:
        builder.append(item)
    assert builder.range.root() == root
    assert dict(builder.take()).items() <= files.items()
    assert dict(builder.partial()).items() <= files.items()


def test_missing_and_cut_tiles_are_said(written):
    whole, _, _ = written
    for broken in ({}, {**whole, "tile/0/003": b"x" * 100}):
        with pytest.raises(Corrupt):
            tiles.TileTree(65_536, broken.get).subtree(768, 896)
    with pytest.raises(Corrupt):
        tiles.TileTree(COUNT, whole.get).range()
