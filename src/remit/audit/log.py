"""The audit log that a Guard writes: append, group commit, checkpoints.

::

    log = Log.open(directory_of(state, key.name), key, clock, cipher=cipher, boot=boot)
    seq = log.append("tool.decision", {...}, private={"action.args_c": (subject, arguments)})
    log.urge()                    # somebody waits; `subscribe` tells when record `seq` is durable
    log.close()

``append`` is called from one thread. A record is acknowledged when ``durable_size`` exceeds its
index. After the first I/O error everything raises :class:`Poisoned` until a checked re-open.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from remit.audit.checkpoint import Signer, directory_name
from remit.audit.committer import Callback, Committer
from remit.audit.disk import Disk, Filesystem
from remit.audit.errors import (
    AuditError,
    Closed,
    Corrupt,
    Locked,
    Poisoned,
    QueueFull,
    RecordError,
)
from remit.audit.merkle import leaf_hash
from remit.audit.read import read
from remit.audit.record import (
    MAX_VALUE_BYTES,
    SALT_BYTES,
    VERSION,
    Entry,
    check_kind,
    commitment,
    leaf_bytes,
    with_field,
)
from remit.audit.side import MAX_PATH_BYTES, MAX_SUBJECT_BYTES, Cipher, Secret
from remit.audit.store import RESERVE_BYTES, Pending, Store
from remit.core.clock import Clock

__all__ = [
    "AuditError",
    "Cipher",
    "Closed",
    "Corrupt",
    "Entry",
    "Locked",
    "Log",
    "Poisoned",
    "QueueFull",
    "RecordError",
    "Signer",
    "directory_of",
    "read",
]

JUMP_US = 10_000_000
"""A wall clock that disagrees with the monotonic clock by more is a ``clock.jump``."""


def directory_of(state: Path, origin: str) -> Path:
    """Where the log named ``origin`` lies below a state directory."""
    return state / "audit" / directory_name(origin)


class Log:
    """One open log. Create it with :meth:`open`."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        clock: Clock,
        *,
        boot: str,
        entropy: Callable[[int], bytes],
        keep_values: bool,
    ) -> None:
        self.origin = signer.name
        self.vkey = signer.vkey
        self._clock = clock
        self._boot = boot
        self._entropy = entropy
        self._keep_values = keep_values
        self._next = store.size
        self._prev = store.last.hex()
        self._time = store.last_time
        # Wall minus monotonic time in microseconds at the last record of this process.
        self._offset: int | None = None
        self._committer = Committer(store, self._gap)

    @classmethod
    def open(  # noqa: PLR0913 - the ports of the log
        cls,
        directory: Path,
        signer: Signer,
        clock: Clock,
        *,
        cipher: Cipher | None = None,
        boot: str,
        entropy: Callable[[int], bytes] = os.urandom,
        fs: Filesystem | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> Self:
        """Open the log in ``directory``, or create it, and start its thread.

        Args:
            directory: the log's own directory, see :func:`directory_of`.
            signer: the log's key; its name is the origin.
            clock: wall and monotonic time of the records.
            cipher: encrypts private values; without one only their commitments are kept.
            boot: id of this boot or start; monotonic times compare within one boot only.
            entropy: source of salts.
            fs: the disk; tests pass others.
            reserve_bytes: disk space kept back for a last record when the disk is full.

        Raises:
            Locked: another process writes the log.
            Corrupt: the files are not what the log wrote; nothing was changed.
            AuditError: ``audit.io`` or ``audit.no_space``.
        """
        store = Store(directory, fs or Disk(), signer, cipher, reserve_bytes=reserve_bytes)
        log = cls(store, signer, clock, boot=boot, entropy=entropy, keep_values=cipher is not None)
        if store.dropped:
            gap = {"reason": "torn_tail", "bytes": store.dropped, "records": 0}
            log.append("audit.gap", {"gap": gap})
            log.flush(30.0)
        return log

    def append(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        private: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> int:
        """Queue one record and give its index. Never waits for the disk.

        Args:
            kind: dotted lower-case words, see ``record.KINDS``.
            body: fields of the record, without those that the log fills.
            private: dotted path -> (subject, value): the record gets a salted commitment at that
                path, salt and value go to the side store, encrypted with the subject's key.

        Raises:
            Poisoned, Closed, QueueFull: nothing was accepted.
            RecordError, CanonicalError: the record is refused; the log goes on.
        """
        check_kind(kind)
        secrets: tuple[Secret, ...] = ()
        if private:
            body, secrets = self._commit_to(body, private)
        now, mono = self._clock.now_us(), self._clock.monotonic_ns()
        offset = now - mono // 1000
        committer = self._committer
        with committer.condition:
            committer.admit()
            if now < self._time or (
                self._offset is not None and abs(offset - self._offset) > JUMP_US
            ):
                jump = {"clock": {"from_us": self._time, "to_us": now}}
                self._put("clock.jump", jump, (), now, mono)
            self._offset = offset
            return self._put(kind, body, secrets, now, mono)

    def _put(
        self, kind: str, body: Mapping[str, Any], secrets: tuple[Secret, ...], now: int, mono: int
    ) -> int:
        """Assemble and queue. The committer's lock is held: ``batch`` must name this batch."""
        seq = self._next
        committer = self._committer
        leaf = leaf_bytes(self._head(kind, seq, self._prev, committer.batch, now, mono), body)
        digest = leaf_hash(leaf)
        committer.put(Pending(leaf, digest, secrets))
        self._next = seq + 1
        self._prev = digest.hex()
        self._time = now
        return seq

    def _head(
        self, kind: str, seq: int, prev: str, batch: int, now: int, mono: int
    ) -> dict[str, Any]:
        return {
            "v": VERSION,
            "log": self.origin,
            "seq": seq,
            "time": now,
            "boot": self._boot,
            "mono_ns": mono,
            "prev": prev,
            "batch": batch,
            "kind": kind,
        }

    def _gap(self, seq: int, prev: bytes, reason: str, lost: int) -> Pending:
        """The last record of a full disk; called from the committer's thread."""
        now, mono = self._clock.now_us(), self._clock.monotonic_ns()
        head = self._head("audit.gap", seq, prev.hex(), seq, now, mono)
        leaf = leaf_bytes(head, {"gap": {"reason": reason, "bytes": 0, "records": lost}})
        return Pending(leaf, leaf_hash(leaf))

    def _commit_to(
        self, body: Mapping[str, Any], private: Mapping[str, tuple[str, bytes]]
    ) -> tuple[Mapping[str, Any], tuple[Secret, ...]]:
        secrets = []
        for path, (subject, value) in private.items():
            if len(value) > MAX_VALUE_BYTES:
                raise RecordError(
                    f"a private value of {len(value)} bytes is larger than {MAX_VALUE_BYTES}",
                    code="audit.record_too_large",
                )
            if not 0 < len(subject.encode()) <= MAX_SUBJECT_BYTES or len(path) > MAX_PATH_BYTES:
                raise RecordError("subject or path of a private value is empty or too long")
            salt = self._entropy(SALT_BYTES)
            body = with_field(body, path, commitment(salt, value))
            if self._keep_values:
                secrets.append(Secret(path, subject, salt, value))
        return body, tuple(secrets)

    def urge(self) -> None:
        """Commit what is queued as soon as the current batch is done; somebody waits."""
        self._committer.urge()

    def subscribe(self, callback: Callback) -> None:
        """Call ``callback(durable_size, error)`` from the log's thread after every commit.

        ``error`` is ``None``, or the :class:`Poisoned` that ended the log (then it is the last
        call). The callback must be quick and must not raise: if it does, the log is poisoned.
        """
        self._committer.subscribe(callback)

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until everything appended so far is durable.

        Raises:
            Poisoned: it cannot become durable.
            AuditError: code ``audit.timeout``.
        """
        self._committer.flush(timeout_s)

    def checkpoint(self, timeout_s: float = 30.0) -> None:
        """Make everything durable and sign it; the checkpoint is kept in ``checkpoints/``.

        Raises:
            Poisoned, AuditError: as :meth:`flush`.
        """
        self._committer.flush(timeout_s, sign=True)

    def close(self) -> None:
        """Make everything durable, sign a last checkpoint, release the lock. Never raises."""
        self._committer.close()

    @property
    def size(self) -> int:
        """Number of records appended, durable or not."""
        return self._next

    @property
    def durable_size(self) -> int:
        """Records [0, durable_size) are on disk."""
        return self._committer.durable_size

    @property
    def signed_size(self) -> int:
        """Size of the newest checkpoint."""
        return self._committer.signed_size

    @property
    def root(self) -> bytes:
        """Root of the tree; it may trail ``durable_size`` by the batch that is being added."""
        return self._committer.root

    @property
    def poisoned(self) -> AuditError | None:
        """Why nothing more is accepted, ``None`` while all is well."""
        return self._committer.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
