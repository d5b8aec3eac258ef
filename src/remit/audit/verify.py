"""Full verification of a log's directory. It takes no lock and trusts one key.

Rules, in order; the first that fails names the record:

1. ``checkpoint`` carries a good signature of the trusted key, and its origin is that key's name.
2. Segments are regular files, contiguous from record 0; all but the last hold 65,536 records.
3. Each frame is whole and its checksum fits.
4. Each record is a JSON object without duplicate keys that names this log, version 1, its own
   index, a kind, and the leaf hash of the record before it; time goes back at ``clock.jump`` only.
5. The tree has the checkpoint's root, and that of every kept checkpoint (``checkpoints/<size>``
   and those the caller kept elsewhere); the log is not shorter than any of them.

When one fails, the tiles are asked which record differs first: they are believed only if their
own root is the signed one. Without them the chain of ``prev`` decides between neighbours.

What this does not check: records after the last checkpoint are chained but not signed, so their
last one could be changed; an owner who holds the key can drop every record that no checkpoint
kept elsewhere covers (``unanchored_records``); the side store.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from remit.audit.checkpoint import Checkpoint, CheckpointError, NoteVerifier, parse
from remit.audit.disk import contents, regular_file
from remit.audit.errors import AuditError, Corrupt
from remit.audit.locate import first_difference
from remit.audit.merkle import EMPTY, Range, leaf_hash
from remit.audit.read import frames, segments
from remit.audit.record import VERSION
from remit.audit.segment import HEADER, RECORDS, entries, name, next_valid
from remit.core.errors import RemitError
from remit.core.strictjson import StrictJsonError
from remit.core.strictjson import parse as strict_parse

PROGRESS_RECORDS = 16_384
_MAX_NOTE = 64 * 1024
_MAX_BEHIND = 64 * 1024 * 1024


class Problem(msgspec.Struct, frozen=True):
    """What is wrong. ``seq`` is the index of the first bad record, -1 if it is not about one."""

    seq: int
    code: str
    message: str


class Report(msgspec.Struct, kw_only=True):
    """Outcome of a verification.

    Attributes:
        origin: name of the log.
        records: records read before the end or the first problem.
        signed: size of the log's own checkpoint.
        root: root over ``records``.
        problem: ``None`` if everything holds.
        kept: number of further checkpoints that were compared.
        unanchored_records: records that no checkpoint kept elsewhere covers.
        unanchored_seconds: time from the first of them to the last.
        notes: what the reader should know although it is no problem.
    """

    origin: str
    records: int = 0
    signed: int = 0
    root: bytes = EMPTY
    problem: Problem | None = None
    kept: int = 0
    unanchored_records: int = 0
    unanchored_seconds: float = 0.0
    notes: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.problem is None


class _Bad(Exception):  # noqa: N818 - carries the problem to the one place that reports it
    def __init__(self, seq: int, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(seq, code, message)


def verify(
    directory: Path,
    origin: str,
    check: NoteVerifier,
    *,
    kept: Sequence[bytes] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify everything in ``directory``; the docstring of this module lists the rules.

    Args:
        directory: the log's own directory.
        origin: name of the trusted key.
        check: verifies a note with the trusted key.
        kept: signed checkpoints that were kept outside of this directory.
        progress: called with the number of records done, now and then.
    """
    report = Report(origin=origin)
    walk = _Walk(directory, report)
    try:
        head = read_checkpoint(_note(directory / "checkpoint"), origin, check)
        report.signed = head.size
        outside = [read_checkpoint(note, origin, check) for note in kept]
        heads = [head, *outside, *_kept(directory, origin, check)]
        report.kept = len(heads) - 1
        walk.run(heads, max((h.size for h in outside), default=0), progress)
    except _Bad as bad:
        report.problem = _exact(directory, head, bad.problem)
    except Corrupt as error:
        report.problem = Problem(error.seq, error.code, error.message)
    except RemitError as error:
        report.problem = Problem(-1, error.code, error.message)
    except OSError as error:
        report.problem = Problem(-1, "audit.io", f"cannot be read: {error.strerror}")
    walk.finish()
    return report


def read_checkpoint(note: bytes, origin: str, check: NoteVerifier) -> Checkpoint:
    """The checkpoint in a note that the trusted key signed.

    Raises:
        CheckpointError: of another log, malformed, or (with the verifier's sentence) not signed.
    """
    try:
        head = parse(check(note))
    except RemitError as error:
        raise CheckpointError(f"the checkpoint is not verified: {error.message}") from error
    if head.origin != origin:
        raise CheckpointError(f"the checkpoint is of another log, `{head.origin}`")
    return head


def checkpoint_note(directory: Path) -> bytes:
    """The newest checkpoint of a log, not verified.

    Raises:
        CheckpointError: there is none.
        Corrupt: it is a link.
    """
    return _note(directory / "checkpoint")


def _note(path: Path) -> bytes:
    try:
        return contents(path, _MAX_NOTE + 1)
    except FileNotFoundError:
        message = f"there is no `{path.name}`"
        raise CheckpointError(message, code="audit.checkpoint_missing") from None


def _kept(directory: Path, origin: str, check: NoteVerifier) -> Iterator[Checkpoint]:
    folder = directory / "checkpoints"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.isascii() and path.name.isdigit():
            head = read_checkpoint(_note(path), origin, check)
            if head.size != int(path.name):
                raise CheckpointError(f"`checkpoints/{path.name}` is of size {head.size}")
            yield head


class _Walk:
    """One pass over all records."""

    def __init__(self, directory: Path, report: Report) -> None:
        self.directory = directory
        self.report = report
        self.tree = Range()
        self.last_time = 0
        self.anchor_time = 0
        self.fitting = 0
        self.end = 0

    def run(
        self, heads: Sequence[Checkpoint], anchored: int, progress: Callable[[int], None] | None
    ) -> None:
        report, tree = self.report, self.tree
        roots: dict[int, list[bytes]] = {}
        for head in heads:
            roots.setdefault(head.size, []).append(head.root)
        self._compare(roots, 0)
        report.unanchored_records = -anchored
        firsts = segments(self.directory)
        origin, previous, append = report.origin, EMPTY.hex(), tree.append
        for first in firsts:
            if tree.size != first:
                raise _Bad(tree.size, "audit.damaged", "its frame is damaged or cut off")
            self.end = 0
            for leaf in frames(self.directory / "seg" / name(first)):
                seq = tree.size
                if seq - first == RECORDS:
                    raise _Bad(seq, "audit.damaged", "it lies behind the end of its segment")
                self._check(leaf, seq, origin, previous)
                digest = leaf_hash(leaf)
                append(digest)
                self.end += HEADER.size + len(leaf)
                previous = digest.hex()
                if seq == anchored:
                    self.anchor_time = self.last_time
                if seq + 1 in roots:
                    self._compare(roots, seq + 1)
                if progress and not (seq + 1) % PROGRESS_RECORDS:
                    progress(seq + 1)
        self._check_end(firsts, max(roots))

    def _check(self, leaf: bytes, seq: int, origin: str, previous: str) -> None:
        record = _parse(leaf, seq)
        get = record.get
        if get("seq") != seq or type(get("seq")) is not int:
            raise _Bad(seq, "audit.seq", f"the record in its place says it is `{get('seq')}`")
        if get("prev") != previous:
            raise _Bad(seq, "audit.chain", "it does not continue the record before it")
        if get("log") != origin or get("v") != VERSION or type(get("kind")) is not str:
            raise _Bad(seq, "audit.record", "it is not a record of this log")
        time = get("time")
        if type(time) is not int:
            raise _Bad(seq, "audit.record", "it has no time")
        if time < self.last_time and get("kind") != "clock.jump":
            raise _Bad(seq, "audit.time", "its time is before that of the record before it")
        self.last_time = time

    def _compare(self, roots: dict[int, list[bytes]], size: int) -> None:
        """Compare with the checkpoints of this size.

        The chain is whole up to here. So if one record was changed, it is the last one; if more
        were, and the chain was written anew, the first lies above the size that still fitted.
        """
        for root in roots.get(size, ()):
            if self.tree.root() != root:
                raise _Bad(
                    size - 1,
                    "audit.root",
                    f"the first {size} records are not those that were signed; the first "
                    f"{self.fitting} are",
                )
            self.fitting = size

    def _check_end(self, firsts: list[int], size: int) -> None:
        count = self.tree.size
        behind = self._behind(firsts[-1]) if firsts else b""
        if count < size:
            if behind:
                raise _Bad(count, "audit.damaged", "its frame is damaged or cut off")
            raise _Bad(
                count,
                "audit.truncated",
                f"it is missing: the log has {count} records, but {size} were signed",
            )
        if behind and next_valid(behind, 0) >= 0:
            raise _Bad(count, "audit.damaged", "its frame is damaged, and records follow it")
        if behind:
            self.report.notes.append(
                f"{len(behind)} bytes of an unfinished write follow the last record"
            )

    def _behind(self, first: int) -> bytes:
        """Bytes after the last good frame, as many as one group commit can have left."""
        with regular_file(self.directory / "seg" / name(first)) as handle:
            left = os.fstat(handle).st_size - self.end
            data = os.pread(handle, min(max(left, 0), _MAX_BEHIND), self.end)
        # A writer at work has appended since the last record was read: that is not judged here.
        end = 0
        for end, _ in entries(data):  # noqa: B007 - the last offset counts
            pass
        return data[end:]

    def finish(self) -> None:
        report = self.report
        report.records = self.tree.size
        report.root = self.tree.root()
        report.unanchored_records = max(report.unanchored_records + self.tree.size, 0)
        if report.unanchored_records and self.anchor_time:
            report.unanchored_seconds = max(self.last_time - self.anchor_time, 0) / 1e6


def _parse(leaf: bytes, seq: int) -> dict[str, Any]:
    """The record, by the quick way if that proves that no key is there twice."""
    try:
        record = orjson.loads(leaf)
        if orjson.dumps(record, option=orjson.OPT_SORT_KEYS) != leaf:
            # Not the bytes Remit writes; a duplicate key would have been lost on the way.
            record = strict_parse(leaf, fold_keys=False)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise _Bad(seq, "audit.json", "it is not JSON") from error
    except StrictJsonError as error:
        raise _Bad(seq, "audit.json", error.message) from error
    if type(record) is not dict:
        raise _Bad(seq, "audit.json", "it is not a JSON object")
    return record


def _exact(directory: Path, head: Checkpoint, problem: Problem) -> Problem:
    """The problem with the index of the first record that differs from what was signed."""
    try:
        chain_break = problem.seq if problem.code == "audit.chain" else -1
        found = first_difference(directory, head, chain_break)
    except (AuditError, OSError):
        return problem
    # A kept checkpoint may contradict the newest one, by which `found` was found.
    if found is None or found >= problem.seq >= 0:
        return problem
    return Problem(found, "audit.changed", "it is not the record that was signed")
