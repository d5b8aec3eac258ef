"""B-trees of both versions."""

from collections.abc import Iterator

from remit.scan.hdf5.source import BrokenHdf5Error, Source

MAX_NODES = 500_000
MAX_RECORDS = 1_000_000
_MAX_DEPTH = 32
GROUP, CHUNKS = 0, 1


def children(source: Source, root: int, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
    """(key, address) of what the leaves of a B-tree of version 1 point to.

    Args:
        source: the file.
        root: address of its root.
        kind: ``GROUP`` or ``CHUNKS``.
        key: bytes of a key.

    Raises:
        BrokenHdf5Error: it is none.
    """
    stack, met = [root], {root}
    while stack:
        at = stack.pop()
        head = source.signed(at, b"TREE", 8 + 2 * source.offsets)
        if head.number(1) != kind:
            raise BrokenHdf5Error("a tree is of another kind than it should be")
        level, count = head.number(1), head.number(2)
        fields = source.signed(
            at, b"TREE", 8 + 2 * source.offsets + count * (key + source.offsets) + key
        )
        fields.take(4 + 2 * source.offsets)
        for _ in range(count):
            name, child = fields.take(key), fields.address()
            if not level:
                yield name, child
            elif child in met or len(met) > MAX_NODES:
                raise BrokenHdf5Error("a tree goes round in a circle or is too large")
            else:
                met.add(child)
                stack.append(child)


def records(source: Source, root: int) -> Iterator[bytes]:
    """Records of a B-tree of version 2.

    Raises:
        BrokenHdf5Error: it is none.
    """
    fields = source.signed(root, b"BTHD", 22 + source.offsets + source.lengths)
    fields.take(2)
    node, size, depth = fields.number(4), fields.number(2), fields.number(2)
    fields.take(2)
    start, count = fields.address(), fields.number(2)
    if start == -1:
        return
    if not size or node < 10 + size or depth > _MAX_DEPTH:
        raise BrokenHdf5Error("a tree has no room for records")
    widths = _widths(node, size, depth, source.offsets)
    stack, left, met = [(start, count, depth)], MAX_RECORDS, {start}
    while stack:
        at, count, level = stack.pop()
        fields = source.signed(at, b"BTIN" if level else b"BTLF", node)
        fields.take(2)
        left -= count
        if left < 0:
            raise BrokenHdf5Error("a tree has too many records")
        yield from (fields.take(size) for _ in range(count))
        for _ in range(count + 1 if level else 0):
            child, below = fields.address(), fields.number(widths[0])
            fields.take(widths[level - 1] if level > 1 else 0)
            if child in met:
                raise BrokenHdf5Error("a tree goes round in a circle")
            met.add(child)
            stack.append((child, below, level - 1))


def _widths(node: int, size: int, depth: int, offsets: int) -> list[int]:
    """Bytes of a child's number of records; then of all records below, by level from 1."""
    most = (node - 10) // size
    width = _bytes(most)
    found, total, last = [width], most, 0
    for _ in range(depth):
        pointer = offsets + width + last
        room = (node - 10 - pointer) // (size + pointer)
        if room < 1:
            raise BrokenHdf5Error("a tree has no room for children")
        total = (room + 1) * total + room
        last = _bytes(total)
        found.append(last)
    return found


def _bytes(most: int) -> int:
    return (most.bit_length() - 1) // 8 + 1
