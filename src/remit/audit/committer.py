"""Group commit: one queue, one thread, one ``fdatasync`` for many records.

A batch is taken when 256 records wait, when the oldest has waited 50 ms, or when somebody urges;
whatever arrives during a commit is the next batch. The queue is bounded; it refuses, never drops.

The first ``OSError`` poisons: waiting records are given up (none of them was acknowledged), nothing
more is accepted, and no checkpoint is signed.
"""

import errno
import threading
import time
from collections.abc import Callable

from remit.audit.errors import AuditError, Closed, Poisoned, QueueFull
from remit.audit.store import Pending, Store
from remit.core.errors import RemitError

BATCH_RECORDS = 256
BATCH_SECONDS = 0.050
QUEUE_RECORDS = 8192
QUEUE_BYTES = 64 * 1024 * 1024
CHECKPOINT_RECORDS = 1024
CHECKPOINT_IDLE_SECONDS = 1.0
KEEP_RECORDS = 1024

Callback = Callable[[int, AuditError | None], None]
Gap = Callable[[int, bytes, str, int], Pending]


class Committer:
    """Owns the store and its thread.

    Locks: ``condition`` guards the queue and every attribute named in ``__init__`` before the
    line; the store is touched by the thread only. Callbacks run in the thread without the lock.
    """

    def __init__(self, store: Store, gap: Gap) -> None:
        self.condition = threading.Condition(threading.Lock())
        self.durable_size = store.size
        self.batch = store.size
        self.root = store.root
        self.signed_size = store.signed_size
        self.failure: AuditError | None = None
        self._queue: list[Pending] = []
        self._bytes = 0
        self._urged = False
        self._sign = False
        self._closing = False
        self._oldest = 0.0
        self._callbacks: list[Callback] = []
        # ---- the thread's own
        self._store = store
        self._gap = gap
        self._thread = threading.Thread(target=self._run, name="remit-audit", daemon=True)
        self._thread.start()

    def admit(self) -> None:
        """Refuse if a record could not be accepted now. Call with ``condition`` held.

        Raises:
            Poisoned, Closed, QueueFull: nothing may be appended.
        """
        if self.failure is not None:
            raise self.failure
        if self._closing:
            raise Closed("the audit log is closed")
        if len(self._queue) >= QUEUE_RECORDS or self._bytes >= QUEUE_BYTES:
            raise QueueFull("too many records wait for the disk", hint="Try again in a moment.")

    def put(self, pending: Pending) -> None:
        """Queue one record. Call with ``condition`` held, after :meth:`admit`."""
        queue = self._queue
        queue.append(pending)
        self._bytes += len(pending.leaf) + sum(len(s.value) for s in pending.secrets)
        if len(queue) == 1:
            self._oldest = time.monotonic()
            self.condition.notify_all()
        elif len(queue) == BATCH_RECORDS:
            self.condition.notify_all()

    def urge(self) -> None:
        """Commit as soon as the current batch is done."""
        if self._urged:
            return
        with self.condition:
            self._urged = True
            self.condition.notify_all()

    def subscribe(self, callback: Callback) -> None:
        """Call ``callback`` after every commit, and once with the error when poisoned."""
        with self.condition:
            self._callbacks = [*self._callbacks, callback]

    def flush(self, timeout_s: float, *, sign: bool = False) -> None:
        """Wait until all that was appended is durable (and signed).

        Raises:
            Poisoned: it cannot become durable.
            AuditError: code ``audit.timeout``.
        """
        with self.condition:
            target = self.batch + len(self._queue)
            self._urged = True
            self._sign = self._sign or sign
            self.condition.notify_all()

            def done() -> bool:
                if self.failure is not None or self.durable_size < target:
                    return self.failure is not None
                return not (sign and (self._sign or self.signed_size < target))

            finished = self.condition.wait_for(done, timeout_s)
            if self.failure is not None:
                raise self.failure
        if not finished:
            raise AuditError("the disk did not answer in time", code="audit.timeout")

    def close(self) -> None:
        """Commit what waits, sign a last checkpoint, stop the thread, release the lock."""
        with self.condition:
            self._closing = True
            self.condition.notify_all()
        self._thread.join()

    # ---- the thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except OSError as error:
            self._poison(error)
        except RemitError as error:
            self._fail(Poisoned(f"the audit log stopped: {error.message}", hint=error.hint))
        except BaseException as error:
            # A defect, in a subscriber perhaps. Nobody may go on waiting for a thread that died.
            self._fail(Poisoned(f"the audit log stopped: {type(error).__name__}: {error}"))
            raise
        finally:
            self._store.close()

    def _turn(self) -> bool:
        with self.condition:
            idle = self._wait()
            batch, self._queue = self._queue, []
            self._bytes = 0
            self.batch += len(batch)
            self._urged = False
            sign, closing = self._sign, self._closing
        store = self._store
        if batch:
            store.commit(batch)
            with self.condition:
                self.durable_size = size = self.batch
                callbacks = self._callbacks
                self.condition.notify_all()
            for callback in callbacks:
                callback(size, None)
            store.grow(batch)
            with self.condition:
                self.root = store.root
        unsigned = store.size - store.signed_size
        if sign or idle or closing or unsigned >= CHECKPOINT_RECORDS:
            self._checkpoint(keep=sign or closing)
        return not closing

    def _wait(self) -> bool:
        """Until there is a reason to commit or to sign; whether the reason is idleness.

        ``condition`` is held.
        """
        idle_from = time.monotonic()
        while not (self._sign or self._closing):
            now = time.monotonic()
            if self._queue:
                left = self._oldest + BATCH_SECONDS - now
                if self._urged or len(self._queue) >= BATCH_RECORDS or left <= 0:
                    return False
            else:
                # Who urged waits for what the commit before has covered by now.
                self._urged = False
                if self.batch == self._store.signed_size:
                    self.condition.wait()
                    continue
                left = idle_from + CHECKPOINT_IDLE_SECONDS - now
                if left <= 0:
                    return True
            self.condition.wait(left)
        return False

    def _checkpoint(self, *, keep: bool) -> None:
        store = self._store
        due = store.size - store.kept_size >= KEEP_RECORDS
        if store.size != store.signed_size or (keep and store.size != store.kept_size):
            store.checkpoint(keep=keep or due)
        with self.condition:
            self.signed_size = store.signed_size
            self._sign = False
            self.condition.notify_all()

    def _poison(self, error: OSError) -> None:
        reason = errno.errorcode.get(error.errno or 0, "EIO")
        lost = self.batch - self.durable_size + len(self._queue)
        if error.errno in {errno.ENOSPC, errno.EDQUOT} and self.durable_size == self._store.size:
            try:
                self._store.last_words(lambda seq, prev: self._gap(seq, prev, reason, lost))
            except OSError:
                reason += ", and not even that could be recorded"
        self._fail(
            Poisoned(
                f"the audit log cannot be written: {reason}",
                hint="Every call with side effects is denied. Repair the disk, then restart Guard.",
            )
        )

    def _fail(self, failure: Poisoned) -> None:
        with self.condition:
            self.failure = failure
            self._queue.clear()
            callbacks = self._callbacks
            self.condition.notify_all()
            size = self.durable_size
        for callback in callbacks:
            callback(size, failure)
