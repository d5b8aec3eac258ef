"""The Merkle tree of RFC 6962, section 2.1, over leaf hashes. Pure.

``MTH`` of n hashes splits at the largest power of two below n. Proofs are lists of 32-byte
hashes, from the leaf's sibling towards the root, as RFC 6962 and RFC 9162 order them.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""Root of the tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""``subtree(start, end)``: root over the leaves [start, end)."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over the hashes of a perfect subtree (1, 2, 4, 8 … of them)."""
    row = list(hashes)
    while len(row) > 1:
        pairs = iter(row)
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(pairs, pairs, strict=True)
        ]
    return row[0]


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Root over any number of leaf hashes."""
    tree = Range()
    for item in hashes:
        tree.append(item)
    return tree.root()


def split(size: int) -> int:
    """The largest power of two below ``size`` (which is at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


class Range:
    """The compact range [0, size): the roots of its perfect subtrees, largest first."""

    __slots__ = ("size", "stack")

    def __init__(self, size: int = 0, stack: Iterable[bytes] = ()) -> None:
        self.size = size
        self.stack = list(stack)
        if len(self.stack) != size.bit_count():
            raise ValueError("a compact range has one hash for each bit of its size")

    def append(self, item: bytes) -> None:
        """Add one leaf hash."""
        stack = self.stack
        size = self.size
        while size & 1:
            item = sha256(b"\x01" + stack.pop() + item).digest()
            size >>= 1
        stack.append(item)
        self.size += 1

    def append_perfect(self, root: bytes, level: int) -> None:
        """Add a perfect subtree of 2**level leaves; ``size`` must be a multiple of that."""
        if self.size & ((1 << level) - 1):
            raise ValueError("the subtree is not aligned")
        size = self.size >> level
        while size & 1:
            root = node_hash(self.stack.pop(), root)
            size >>= 1
        self.stack.append(root)
        self.size += 1 << level

    def root(self) -> bytes:
        """Root of the tree of ``size`` leaves."""
        if not self.stack:
            return EMPTY
        root = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> "Range":
        """An independent copy."""
        return Range(self.size, self.stack)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1.

    Raises:
        ValueError: ``index`` is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError("the index is outside the tree")
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start = middle
    proof.reverse()
    return proof


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2; empty for ``old`` 0 and ``old`` = ``new``.

    Raises:
        ValueError: ``old`` is larger than ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError("a tree is consistent with larger trees only")
    if old in {0, new}:
        return []
    proof = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(subtree(start, end))
    proof.reverse()
    return proof


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the leaf hash ``leaf`` is at ``index`` of the tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, item = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            item = node_hash(sibling, item)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            item = node_hash(item, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and item == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether the tree of ``new`` leaves extends that of ``old`` (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            second = node_hash(second, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and first == old_root and second == new_root
