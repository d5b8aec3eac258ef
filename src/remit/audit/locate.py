"""Which record was changed first, once it is known that something was.

The root says only that. The leaf hashes in the tiles say which, if they are the signed ones: that
is, if they alone give the signed root. Where tiles are missing or poisoned, the chain of ``prev``
decides, under the assumption that one record was changed and nothing was re-chained.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from remit.audit.checkpoint import Checkpoint
from remit.audit.disk import contents
from remit.audit.merkle import leaf_hash, root_of
from remit.audit.read import frames, segments
from remit.audit.segment import RECORDS, name
from remit.audit.tiles import HASH, WIDTH, path


def first_difference(directory: Path, head: Checkpoint, chain_break: int) -> int | None:
    """Index of the first record that is not the signed one; ``None`` if that cannot be told.

    Args:
        directory: the log's own directory.
        head: a verified checkpoint.
        chain_break: index of the record whose ``prev`` does not fit, -1 if there is none.

    Raises:
        AuditError, OSError: the files cannot be read.
    """
    present = list(_digests(directory))
    signed = _signed(directory, head, present)
    for index, (mine, theirs) in enumerate(zip(present, signed or (), strict=False)):
        if mine != theirs:
            return index
    if signed is not None and len(present) < head.size:
        return len(present)
    return _by_chain(directory, head, present, chain_break) if chain_break > 0 else None


def _digests(directory: Path) -> Iterator[bytes]:
    """Leaf hashes of the records that can be read without a gap."""
    seq = 0
    for first in segments(directory):
        if first != seq:
            return
        for leaf in frames(directory / "seg" / name(first)):
            if seq - first == RECORDS:
                return
            yield leaf_hash(leaf)
            seq += 1


def _signed(directory: Path, head: Checkpoint, present: list[bytes]) -> list[bytes] | None:
    """The signed leaf hashes out of the tiles; for an end without tile, those that are there."""
    whole = head.size - head.size % WIDTH
    hashes: list[bytes] = []
    for number in range(whole // WIDTH):
        tile = _tile(directory, number, WIDTH)
        if tile is None:
            return None
        hashes += tile
    rest = head.size - whole
    if rest:
        tile = _tile(directory, whole // WIDTH, rest)
        # A log that grew on has a longer tile in its place.
        tile = tile or _tile(directory, whole // WIDTH, WIDTH) or present[whole : head.size]
        hashes += tile[:rest]
    return hashes if len(hashes) == head.size and root_of(hashes) == head.root else None


def _tile(directory: Path, number: int, width: int) -> list[bytes] | None:
    try:
        data = contents(directory / path(0, number, width))
    except FileNotFoundError:
        return None
    if len(data) != width * HASH:
        return None
    return [data[i : i + HASH] for i in range(0, len(data), HASH)]


def _by_chain(directory: Path, head: Checkpoint, present: list[bytes], at: int) -> int | None:
    """Record ``at`` does not follow ``at - 1``: which of the two was changed?"""
    if at >= len(present):
        return None
    if at + 1 < len(present):
        return at - 1 if _prev(directory, at + 1) == present[at] else at
    # The last one: if it is genuine, its `prev` is the signed hash of its neighbour. Where nothing
    # was signed, the neighbour is the likelier one.
    claimed = _prev(directory, at)
    if at >= head.size:
        return at - 1
    if claimed is not None and root_of([*present[: at - 1], claimed, present[at]]) == head.root:
        return at - 1
    return at


def _prev(directory: Path, seq: int) -> bytes | None:
    """``prev`` of a record."""
    first = seq - seq % RECORDS
    for index, leaf in enumerate(frames(directory / "seg" / name(first)), first):
        if index == seq:
            try:
                record = orjson.loads(leaf)
                value = bytes.fromhex(record["prev"])
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                return None
            return value if len(value) == HASH else None
    return None
