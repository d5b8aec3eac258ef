import base64

import pytest

from remit.audit import merkle
from tests.unit.audit import support

HASHES = [merkle.leaf_hash(bytes([n % 251, n // 251])) for n in range(300)]
SIZES = [*range(20), 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 300]


def subtree(start, end):
    return support.mth(HASHES[start:end])


def b64(*items):
    return [base64.b64encode(item).decode() for item in items]


def test_golden_values():
    leaves = [merkle.leaf_hash(entry) for entry in (b"a", b"b", b"c")]
    assert b64(merkle.root_of(leaves)) == ["NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE="]

    def small(start, end):
        return support.mth(leaves[start:end])

    assert b64(*merkle.inclusion_proof(1, 3, small)) == [
        "Aippeebat6pa5MPl5F9+l3ESp+Y1k4INvsHsc4ok+Tw=",
        "WX/LMSgtNGVMIA00GPylcFxkjr8ybsc9jd7xGEH4dtg=",
    ]
    assert b64(*merkle.consistency_proof(2, 3, small)) == [
        "WX/LMSgtNGVMIA00GPylcFxkjr8ybsc9jd7xGEH4dtg="
    ]
    assert merkle.EMPTY.hex().startswith("e3b0c442")


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_inclusion_proofs_are_those_of_the_rfc(size):
    root = merkle.root_of(HASHES[:size])
    assert root == support.mth(HASHES[:size])
    for index in range(0, size, max(size // 9, 1)):
        found = merkle.inclusion_proof(index, size, subtree)
        assert found == support.path(index, HASHES[:size])
        leaf = HASHES[index]
        assert merkle.verify_inclusion(index, size, leaf, found, root)
        assert not merkle.verify_inclusion(index, size, HASHES[299 - index], found, root)
        assert not merkle.verify_inclusion(index, size, leaf, [*found, leaf], root)
        assert not merkle.verify_inclusion(index, size, leaf, found, leaf[::-1])
        assert not merkle.verify_inclusion(size, size, leaf, found, root)
        assert not merkle.verify_inclusion(-1, size, leaf, found, root)
        for position in range(len(found)):
            assert not merkle.verify_inclusion(index, size, leaf, found[:position], root)
            changed = [*found]
            changed[position] = bytes(32)
            assert not merkle.verify_inclusion(index, size, leaf, changed, root)
        if index + 1 < size:
            assert not merkle.verify_inclusion(index + 1, size, leaf, found, root)


@pytest.mark.parametrize("new", SIZES)
def test_consistency_proofs_are_those_of_the_rfc(new):
    new_root = merkle.root_of(HASHES[:new])
    for old in sorted({0, 1, 2, 3, new // 2, new // 2 + 1, new - 1, new} & set(range(new + 1))):
        old_root = merkle.root_of(HASHES[:old])
        found = merkle.consistency_proof(old, new, subtree)
        assert found == support.proof(old, HASHES[:new])
        assert merkle.verify_consistency(old, new, found, old_root, new_root)
        assert not merkle.verify_consistency(old, new, found, bytes(32), new_root)
        assert not merkle.verify_consistency(old, new, [*found, bytes(32)], old_root, new_root)
        if 0 < old < new:
            assert not merkle.verify_consistency(old, new, found, old_root, bytes(32))
            assert not merkle.verify_consistency(old, new, found[:-1], old_root, new_root)
            assert not merkle.verify_consistency(old, new, [], old_root, new_root)


def test_bounds():
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError):
            merkle.inclusion_proof(index, size, subtree)
    with pytest.raises(ValueError):
        merkle.consistency_proof(4, 3, subtree)
    assert not merkle.verify_consistency(4, 3, [], bytes(32), bytes(32))


def test_compact_ranges_grow_by_leaves_and_by_perfect_subtrees():
    grown = merkle.Range()
    for start in range(0, 256, 16):
        grown.append_perfect(merkle.fold(HASHES[start : start + 16]), 4)
    for item in HASHES[256:300]:
        grown.append(item)
    assert grown.root() == support.mth(HASHES)
    copy = grown.copy()
    copy.append(HASHES[0])
    assert (grown.size, copy.size) == (300, 301)
    with pytest.raises(ValueError):
        copy.append_perfect(bytes(32), 4)
    with pytest.raises(ValueError):
        merkle.Range(3, [bytes(32)])
