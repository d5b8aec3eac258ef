"""Heaps: names of old groups, texts of variable length, links and attributes of large objects."""

import bisect
from collections.abc import Iterator

import msgspec

from remit.scan.hdf5.source import BrokenHdf5Error, Fields, Source
from remit.scan.hdf5.trees import records

_MAX_BLOCKS = 200_000
_MANAGED, _HUGE, _TINY = 0, 1, 2
_LONG_IDS = 17
_MAX_ROWS = 64
"""Bits of an offset."""


def names(source: Source, address: int) -> bytes:
    """The bytes of a local heap."""
    fields = source.signed(address, b"HEAP", 8 + 2 * source.lengths + source.offsets)
    fields.take(4)
    size = fields.length()
    fields.length()
    return source.read(fields.address(), size)


def collection(source: Source, address: int) -> dict[int, bytes]:
    """Objects of a collection of the global heap, by their number."""
    head = source.signed(address, b"GCOL", 8 + source.lengths)
    head.take(4)
    size = head.length()
    fields = source.signed(address, b"GCOL", size)
    fields.take(4 + source.lengths)
    found: dict[int, bytes] = {}
    while fields.left >= 8 + source.lengths:
        number = fields.number(2)
        fields.take(6)
        length = fields.length()
        if not number:
            break
        found[number] = fields.take(length)
        fields.take(min(-length % 8, fields.left))
    return found


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the blocks of a fractal heap double."""

    width: int
    start: int
    most: int
    bits: int
    checked: bool

    @property
    def rows(self) -> int:
        """Rows with blocks of data in them."""
        return self.most.bit_length() - self.start.bit_length() + 2

    def size(self, row: int) -> int:
        """Bytes of a block."""
        return int(self.start << max(0, row - 1))


class FractalHeap:
    """A fractal heap without filters.

    Raises:
        BrokenHdf5Error: it is none, or has filters.
    """

    def __init__(self, source: Source, address: int) -> None:
        self._source = source
        self._address = address
        sizes = 12 * source.lengths + 3 * source.offsets
        fields = source.signed(address, b"FRHP", 26 + sizes)
        if fields.number(1):
            raise BrokenHdf5Error("a heap has an unknown version")
        self._ids, filters, flags = fields.number(2), fields.number(2), fields.number(1)
        if filters:
            raise BrokenHdf5Error("a heap of links or attributes is packed")
        largest = fields.number(4)
        fields.length()
        self._tree = fields.address()
        fields.take(source.lengths)
        space = fields.address()
        fields.take(8 * source.lengths)
        shape = _Shape(
            width=fields.number(2),
            start=fields.length(),
            most=fields.length(),
            bits=fields.number(2),
            checked=bool(flags & 2),
        )
        fields.take(2)
        root, rows = fields.address(), fields.number(2)
        if not shape.width or not shape.start or shape.most < shape.start:
            raise BrokenHdf5Error("a heap has no blocks")
        self._shape = shape
        # As many as an offset in the largest block has, or the largest length.
        self._long = min((shape.most.bit_length() + 6) // 8, (largest.bit_length() - 1) // 8 + 1)
        self._blocks: list[tuple[int, int, int]] = []
        if space != -1:
            self._free(space)
        if root != -1:
            self._fill(root, rows)
        self._blocks.sort()
        self._huge: dict[int, tuple[int, int]] | None = None

    def _free(self, address: int) -> None:
        """The list of free space, which is accounted for and not read."""
        source = self._source
        fields = source.signed(address, b"FSHD", 18 + 7 * source.lengths + source.offsets)
        fields.take(2 + 4 * source.lengths + 8 + source.lengths)
        place, used, room = fields.address(), fields.length(), fields.length()
        if place != -1:
            source.reach(place, max(used, room))

    def _fill(self, root: int, rows: int) -> None:
        """Where the blocks are: (offset in the heap, size, address)."""
        shape, source = self._shape, self._source
        if not rows:
            self._block(root, 0, shape.start)
            return
        stack = [(root, rows, 0)]
        wide = (shape.bits + 7) // 8
        while stack:
            at, rows, offset = stack.pop()
            if not 0 < rows <= _MAX_ROWS:
                raise BrokenHdf5Error("a heap is too large")
            size = 9 + source.offsets + wide + rows * shape.width * source.offsets
            fields = source.signed(at, b"FHIB", size)
            fields.take(1 + source.offsets + wide)
            for row in range(rows):
                for _ in range(shape.width):
                    child, block = fields.address(), shape.size(row)
                    if child != -1 and row < shape.rows:
                        self._block(child, offset, block)
                    elif child != -1:
                        below = block.bit_length() - (shape.start * shape.width).bit_length() + 1
                        stack.append((child, below, offset))
                    offset += block
            if len(stack) + len(self._blocks) > _MAX_BLOCKS:
                raise BrokenHdf5Error("a heap has too many blocks")

    def _block(self, address: int, offset: int, size: int) -> None:
        self._source.signed(address, b"FHDB", 4)
        self._source.reach(address, size)
        self._blocks.append((offset, size, address))

    def object(self, identity: bytes) -> bytes:
        """What a heap ID stands for.

        Raises:
            BrokenHdf5Error: it is not there.
        """
        fields = Fields(identity[: self._ids], self._source)
        first = fields.number(1)
        kind = first >> 4 & 3
        if first >> 6:
            raise BrokenHdf5Error("an object of a heap has an unknown version")
        if kind == _TINY:
            return fields.take((first & 15) + 1)
        if kind == _HUGE:
            return self._far(fields)
        if kind != _MANAGED:
            raise BrokenHdf5Error("an object of a heap is of an unknown kind")
        offset = fields.number((self._shape.bits + 7) // 8)
        length = fields.number(self._long)
        at = bisect.bisect_right(self._blocks, offset, key=lambda block: block[0]) - 1
        start, size, address = self._blocks[at] if at >= 0 else (0, 0, 0)
        if offset + length <= start + size:
            return self._source.read(address + offset - start, length)
        raise BrokenHdf5Error("an object of a heap is not there")

    def _far(self, fields: Fields) -> bytes:
        if self._ids >= _LONG_IDS:
            return self._source.read(fields.address(), fields.length())
        if self._huge is None:
            self._huge = dict(self._listed())
        number = fields.number(min(fields.left, self._source.lengths))
        if number not in self._huge:
            raise BrokenHdf5Error("a large object of a heap is not there")
        return self._source.read(*self._huge[number])

    def _listed(self) -> Iterator[tuple[int, tuple[int, int]]]:
        if self._tree == -1:
            return
        for record in records(self._source, self._tree):
            fields = Fields(record, self._source)
            address, length = fields.address(), fields.length()
            yield fields.length(), (address, length)
