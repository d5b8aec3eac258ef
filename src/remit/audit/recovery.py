"""What the disk says of a log after a stop, a crash or a power cut.

Rules (``spec/audit-log.md``, "Recovery"):

1. The newest own checkpoint (``checkpoint`` or ``checkpoints/<size>``) must carry the signature of
   this log's key. Records without any checkpoint are refused, for one is written before the first.
2. Segments are contiguous; all but the last hold exactly 65,536 records.
3. A bad suffix of the last segment is dropped: bytes after which no valid frame follows, or a hole
   that a power cut left inside the very last group commit (a sector was never written, and every
   later frame names a batch that began before the hole, so nothing of it was acknowledged).
4. Any other bad frame is refused; so is a log shorter than its checkpoint, and another root.
5. Records after the checkpoint must be JSON objects that name this log, their own index, and the
   hash of the record before them.

Not checked here: segments before the one that the checkpoint ends in, beyond what the tiles say
(``verify`` checks everything); whether an attacker removed tail *and* checkpoints (only a
checkpoint kept elsewhere shows that).
"""

from pathlib import Path
from typing import Any

import msgspec
import orjson

from remit.audit.checkpoint import Checkpoint, CheckpointError, Signer, own
from remit.audit.disk import Filesystem
from remit.audit.errors import Corrupt
from remit.audit.merkle import EMPTY, Range, leaf_hash
from remit.audit.record import MAX_RECORD_BYTES
from remit.audit.segment import (
    HEADER,
    RECORDS,
    entries,
    entry_at,
    first_of,
    lost_sector,
    name,
    next_valid,
)
from remit.audit.tiles import Builder, TileTree

_HINT = (
    "Nothing was changed. Copy the directory aside, run `remit audit verify` on the copy, and find "
    "out what happened before you start a new log."
)


class State(msgspec.Struct):
    """A log that may be written again.

    Attributes:
        head: newest own checkpoint; ``None`` for a log that is being created.
        tree: tree and unfinished tiles of all records.
        last: leaf hash of the last record, the root of the empty tree if there is none.
        last_time: its time in microseconds, 0 if there is none.
        first: index of the first record of the last segment.
        offset: its length in bytes without the dropped suffix.
        dropped: bytes of the suffix that must be cut.
    """

    head: Checkpoint | None
    tree: Builder
    last: bytes = EMPTY
    last_time: int = 0
    first: int = 0
    offset: int = 0
    dropped: int = 0


def examine(directory: Path, fs: Filesystem, signer: Signer) -> State:
    """Read what is on disk; changes nothing.

    Raises:
        Corrupt: see the rules of this module.
    """
    firsts = [f for f in map(first_of, fs.names(directory / "seg")) if f >= 0]
    if firsts != list(range(0, len(firsts) * RECORDS, RECORDS)):
        raise Corrupt("a segment is missing", hint=_HINT)
    head = newest(directory, fs, signer)
    if head is None:
        if any(fs.read(directory / "seg" / name(first)) for first in firsts):
            raise Corrupt(
                "there are records but no checkpoint", hint=_HINT, code="audit.checkpoint_missing"
            )
        return State(None, Builder(Range()))
    base = max(head.size - 1, 0) // RECORDS * RECORDS
    state = None
    if base:
        state = _from_tiles(directory, fs, signer.name, head, firsts, base)
    return state or _scan(directory, fs, signer.name, head, firsts, Builder(Range()))


def newest(directory: Path, fs: Filesystem, signer: Signer) -> Checkpoint | None:
    """The newest checkpoint of the log's own; ``None`` if there is none at all.

    Raises:
        Corrupt: one of them is not signed by the key of this log.
    """
    notes = [fs.read(directory / "checkpoint")]
    kept = [n for n in fs.names(directory / "checkpoints") if n.isascii() and n.isdigit()]
    if kept:
        notes.append(fs.read(directory / "checkpoints" / max(kept, key=int)))
    try:
        heads = [own(note, signer) for note in notes if note is not None]
    except CheckpointError as error:
        raise Corrupt(f"{error.message}", hint=_HINT, code="audit.checkpoint_forged") from error
    return max(heads, key=lambda head: head.size, default=None)


def _from_tiles(
    directory: Path, fs: Filesystem, origin: str, head: Checkpoint, firsts: list[int], base: int
) -> State | None:
    tiles = TileTree(base, lambda path: fs.read(directory / path))
    try:
        builder = Builder(tiles.range(), tiles.rows())
        return _scan(directory, fs, origin, head, firsts, builder)
    except Corrupt as error:
        if error.code not in {"audit.corrupt", "audit.root"}:
            raise
        # Tiles are disposable: the records decide.
        return None


def _scan(
    directory: Path,
    fs: Filesystem,
    origin: str,
    head: Checkpoint,
    firsts: list[int],
    builder: Builder,
) -> State:
    state = State(head, builder)
    tree = builder.range
    if head.size == tree.size:
        _compare(head, tree)
    for first in firsts:
        if first < tree.size:
            continue
        data = _segment(fs, directory / "seg" / name(first))
        if tree.size != first:
            raise Corrupt(
                f"the segment before record {first} is not complete", hint=_HINT, seq=tree.size
            )
        state.first, state.offset = first, 0
        leaf = b""
        for end, entry in entries(data):
            if tree.size - first == RECORDS:
                break
            leaf = entry
            digest = leaf_hash(leaf)
            if tree.size >= head.size:
                _check_tail(leaf, tree.size, origin, state.last)
            builder.append(digest)
            state.last, state.offset = digest, end
            if tree.size == head.size:
                _compare(head, tree)
        if state.offset:
            time = _parse(leaf).get("time")
            state.last_time = time if type(time) is int else 0
        if state.offset < len(data):
            if tree.size - first == RECORDS or first != firsts[-1]:
                raise Corrupt("a full segment has bytes at its end", hint=_HINT, seq=tree.size)
            _check_suffix(data, state.offset, tree.size)
            state.dropped = len(data) - state.offset
    if tree.size < head.size:
        raise Corrupt(
            f"the log has {tree.size} records, but its own checkpoint says {head.size}",
            hint=_HINT,
            code="audit.truncated",
            seq=tree.size,
        )
    return state


def _segment(fs: Filesystem, path: Path) -> bytes:
    if fs.size(path) > RECORDS * (HEADER.size + MAX_RECORD_BYTES):
        raise Corrupt(f"`{path.name}` is larger than segments can be", hint=_HINT)
    return fs.read(path) or b""


def _compare(head: Checkpoint, tree: Range) -> None:
    if tree.root() != head.root:
        raise Corrupt(
            f"the first {head.size} records are not those of the checkpoint",
            hint=_HINT,
            code="audit.root",
        )


def _check_tail(leaf: bytes, seq: int, origin: str, last: bytes) -> None:
    record = _parse(leaf)
    if (record.get("log"), record.get("seq")) != (origin, seq) or record.get("prev") != last.hex():
        raise Corrupt(f"record {seq} does not continue this log", hint=_HINT, seq=seq)


def _check_suffix(data: bytes, bad: int, seq: int) -> None:
    found = next_valid(data, bad)
    if found < 0:
        return
    torn = lost_sector(data, bad, found)
    while found >= 0 and torn:
        leaf = entry_at(data, found)
        assert leaf is not None
        batch = _parse(leaf).get("batch")
        torn = type(batch) is int and batch <= seq
        end = found + HEADER.size + len(leaf)
        found = end if entry_at(data, end) is not None else next_valid(data, end)
    if not torn:
        raise Corrupt(
            f"record {seq} is damaged, and records follow it",
            hint=_HINT,
            code="audit.damaged",
            seq=seq,
        )


def _parse(leaf: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        record = None
    return record if type(record) is dict else {}
