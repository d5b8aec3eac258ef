"""Hash tiles of the tree (``c2sp.org/tlog-tiles``), derived from the records.

``tile/<L>/<N>`` holds the 256 hashes of level ``8 L`` number ``256 N`` and following; only whole
tiles are written, plus the partial ones (``.p/<W>``) of the last checkpoint. Tiles are never
trusted: whoever uses them compares the resulting root with a signed checkpoint.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from remit.audit.errors import Corrupt
from remit.audit.merkle import Range, fold, node_hash, split

WIDTH = 256
HASH = 32
_LEVEL_BITS = 8

Read = Callable[[str], bytes | None]
"""Bytes of a tile by its relative path, ``None`` if it is missing."""


def path(level: int, number: int, width: int = WIDTH) -> str:
    """Relative path of a tile: ``tile/0/x001/x234/067`` or ``tile/0/000.p/17``."""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = re.findall("...", digits)
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + (f".p/{width}" if width != WIDTH else "")


def _hashes(tile: bytes, start: int, end: int) -> list[bytes]:
    return [tile[i * HASH : (i + 1) * HASH] for i in range(start, end)]


class Builder:
    """Collects leaf hashes and gives out the tiles they fill. One per writer."""

    def __init__(self, range_: Range, rows: Sequence[Sequence[bytes]] = ()) -> None:
        """Start at the size of ``range_``; ``rows`` are the unfinished tiles of each level."""
        self.range = range_
        self.rows: list[list[bytes]] = [list(row) for row in rows]
        self._full: list[tuple[str, bytes]] = []

    def append(self, item: bytes) -> None:
        """Add one leaf hash to the tree and to its tile."""
        self.range.append(item)
        level = 0
        while True:
            if level == len(self.rows):
                self.rows.append([])
            row = self.rows[level]
            row.append(item)
            if len(row) < WIDTH:
                return
            number = (self.range.size >> (_LEVEL_BITS * (level + 1))) - 1
            self._full.append((path(level, number), b"".join(row)))
            item = fold(row)
            row.clear()
            level += 1

    def take(self) -> list[tuple[str, bytes]]:
        """Paths and bytes of the tiles that became full since the last call."""
        full, self._full = self._full, []
        return full

    def partial(self) -> list[tuple[str, bytes]]:
        """Paths and bytes of the unfinished tiles at the present size."""
        return [
            (path(level, self.range.size >> (_LEVEL_BITS * (level + 1)), len(row)), b"".join(row))
            for level, row in enumerate(self.rows)
            if row
        ]


class TileTree:
    """Subtrees of a tree of ``size`` leaves out of its tiles."""

    def __init__(self, size: int, read: Read) -> None:
        self.size = size
        self._read = read
        self._tile = lru_cache(maxsize=512)(self._load)

    def _load(self, level: int, number: int) -> bytes:
        width = min(WIDTH, (self.size >> (_LEVEL_BITS * level)) - number * WIDTH)
        data = self._read(path(level, number, width))
        if data is None and width < WIDTH:
            # The tree grew meanwhile: the whole tile replaced the partial one.
            data = self._read(path(level, number))
        if data is None and level > 0:
            first = number * WIDTH
            below = (self._tile(level - 1, first + i) for i in range(width))
            data = b"".join(fold(_hashes(tile, 0, WIDTH)) for tile in below)
        if data is None or len(data) < width * HASH or len(data) % HASH:
            raise Corrupt(f"the tile {path(level, number, width)} is missing or cut")
        return data

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Hashes [start, end) of tile level ``level``, all inside one tile."""
        number, offset = divmod(start, WIDTH)
        return _hashes(self._tile(level, number), offset, offset + end - start)

    def subtree(self, start: int, end: int) -> bytes:
        """Root over the leaves [start, end), which must be a subtree of RFC 6962.

        Raises:
            Corrupt: a tile is missing.
        """
        count = end - start
        if count & (count - 1):
            middle = start + split(count)
            return node_hash(self.subtree(start, middle), self.subtree(middle, end))
        level = (count.bit_length() - 1) // _LEVEL_BITS
        shift = _LEVEL_BITS * level
        return fold(self.hashes(level, start >> shift, end >> shift))

    def range(self) -> Range:
        """The compact range of the whole tree.

        Raises:
            Corrupt: a tile is missing.
        """
        stack, start = [], 0
        for bit in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> bit & 1:
                stack.append(self.subtree(start, start + (1 << bit)))
                start += 1 << bit
        return Range(self.size, stack)

    def rows(self) -> list[list[bytes]]:
        """The unfinished tile of each level, for a :class:`Builder` that goes on from here."""
        rows: list[list[bytes]] = []
        level = 0
        while True:
            count = self.size >> (_LEVEL_BITS * level)
            if count == 0:
                return rows
            start = count - count % WIDTH
            rows.append(self.hashes(level, start, count) if count % WIDTH else [])
            level += 1
