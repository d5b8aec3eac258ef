"""Reading a log that may be written at the same time. Takes no lock and verifies nothing."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from remit.audit.disk import regular_file
from remit.audit.errors import Corrupt
from remit.audit.record import MAX_RECORD_BYTES, Entry, entry
from remit.audit.segment import HEADER, RECORDS, entry_at, first_of, name

_CHUNK = 4 * 1024 * 1024


def segments(directory: Path) -> list[int]:
    """Indices of the first records of the segments, in order.

    Raises:
        Corrupt: one is missing, or there is none.
    """
    try:
        firsts = sorted(
            f for f in (first_of(p.name) for p in (directory / "seg").iterdir()) if f >= 0
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Corrupt(
            f"`{directory}` is not an audit log", hint="A log's directory holds `seg/`."
        ) from error
    if firsts != list(range(0, len(firsts) * RECORDS, RECORDS)):
        raise Corrupt("a segment is missing", seq=len(firsts) * RECORDS)
    return firsts


def leaves(directory: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Index and bytes of each record from ``start``, in constant memory.

    Ends before an incomplete or damaged frame at the end of the last segment, for that may be a
    write in progress.

    Raises:
        Corrupt: a frame is damaged in an earlier segment, or a segment is missing.
    """
    firsts = segments(directory)
    for first in firsts:
        if first + RECORDS <= start and first != firsts[-1]:
            continue
        seq = first
        for leaf in frames(directory / "seg" / name(first)):
            if seq >= start:
                yield seq, leaf
            seq += 1
        if first != firsts[-1] and seq != first + RECORDS:
            raise Corrupt(f"record {seq} is damaged", code="audit.damaged", seq=seq)


def frames(path: Path) -> Iterator[bytes]:
    """Entries of one segment up to the first bad frame."""
    with regular_file(path) as handle:
        data, offset = b"", 0
        while True:
            leaf = entry_at(data, offset)
            if leaf is not None:
                offset += HEADER.size + len(leaf)
                yield leaf
                continue
            if len(data) - offset >= HEADER.size + MAX_RECORD_BYTES:
                return
            more = os.read(handle, _CHUNK)
            if not more:
                return
            data, offset = data[offset:] + more, 0


def read(directory: Path, start: int = 0) -> Iterator[Entry]:
    """Records from index ``start``; see :func:`leaves` for how it ends.

    Raises:
        Corrupt, RecordError: damaged in the middle, or not a JSON object.
    """
    for seq, leaf in leaves(directory, start):
        yield entry(seq, leaf)


def tail(directory: Path, count: int) -> tuple[list[Entry], int]:
    """The last ``count`` records, and the index of the one that will follow.

    Raises:
        Corrupt, RecordError: as :func:`read`.
    """
    last: deque[tuple[int, bytes]] = deque(maxlen=max(count, 0))
    firsts = segments(directory)
    start = max((firsts[-1] if firsts else 0) - count, 0)
    following = start
    for seq, leaf in leaves(directory, start):
        last.append((seq, leaf))
        following = seq + 1
    return [entry(seq, leaf) for seq, leaf in last], following
