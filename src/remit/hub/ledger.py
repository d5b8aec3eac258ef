"""The Hub's side of its audit log: records, and waiting for their durability.

A change writes its record into the outbox in its own transaction. :meth:`Ledger.settle` puts that
record into the log, waits until it is on disk, and has the outbox forget it. What was left there by
a process that died is settled at the next start, or by another Hub on the same database.

A log that could not be written takes no records until it was opened again, which checks it. The
ledger tries that every few seconds, so that a disk that has room again needs no restart.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from remit import __version__
from remit.audit.errors import QueueFull
from remit.audit.log import Log
from remit.core.errors import RemitError
from remit.hub.errors import HubError
from remit.hub.registry.ports import Record

RETRY_S = 0.010
FORGET_S = 0.2
RECOVER_S = 20.0
REOPEN_S = 2.0


class Outbox(Protocol):
    """Where records wait for the log."""

    async def waiting(self, *, mine: bool) -> Sequence[tuple[str, Record]]:
        """Records left by others for long, and if ``mine`` also those of this Hub."""
        ...

    async def forget(self, ids: Sequence[str]) -> None:
        """They are in a log."""
        ...


class LogUnavailableError(HubError):
    """The log takes no records: nothing is changed and nothing is given out."""

    code = "hub.log"


class Ledger:
    """Writes records. Belongs to one event loop's thread, and closes the log.

    Args:
        log: where they go.
        outbox: where they wait.
        reopen: opens the same log, and checks it; without one a failed log stays so.
    """

    def __init__(self, log: Log, outbox: Outbox, reopen: Callable[[], Log] | None = None) -> None:
        self.log = log
        self._outbox = outbox
        self._reopen = reopen
        self._hub = {"id": log.origin, "version": __version__}
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tie = itertools.count()
        self._settled: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        log.subscribe(self._committed)

    def _committed(self, size: int, error: RemitError | None) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake, size, error)

    def _wake(self, size: int, error: RemitError | None) -> None:
        while self._waiting and (error or self._waiting[0][0] < size):
            _, _, future = heapq.heappop(self._waiting)
            if future.done():
                continue
            if error:
                future.set_exception(unavailable(error))
            else:
                future.set_result(None)

    def check(self) -> None:
        """See that the log takes records.

        Raises:
            LogUnavailableError: it does not.
        """
        if self.log.poisoned:
            raise unavailable(self.log.poisoned)

    async def note(self, kind: str, body: Mapping[str, Any]) -> int:
        """Append a record and do not wait for the disk.

        Raises:
            LogUnavailableError: the log does not take it.
        """
        while True:
            try:
                return self.log.append(kind, {"hub": self._hub, **body})
            except QueueFull:
                await asyncio.sleep(RETRY_S)
            except RemitError as error:
                raise unavailable(error) from error

    async def _durable(self, seq: int) -> None:
        if self.log.durable_size > seq:
            return
        self.check()
        future: asyncio.Future[None] = self._loop.create_future()
        heapq.heappush(self._waiting, (seq, next(self._tie), future))
        self.log.urge()
        await future

    async def settle(self, id_: str, record: Record) -> None:
        """Log a record that waits in the outbox, durably.

        Raises:
            LogUnavailableError: it stays in the outbox and is logged later.
        """
        seq = await self.note(record.kind, {**record.body, "event": id_})
        await self._durable(seq)
        self._settled.append(id_)

    async def recover(self, *, mine: bool) -> int:
        """Log what was left in the outbox; how many records that were."""
        count = 0
        while found := await self._outbox.waiting(mine=mine):
            log = self.log
            for id_, record in found:
                await self.note(record.kind, {**record.body, "event": id_, "recovered": True})
            if log is self.log:
                await self._durable(log.size - 1)
            if log is not self.log:
                # What the log before did not write is gone, whatever this one has by now.
                continue
            await self._outbox.forget([id_ for id_, _ in found])
            count += len(found)
        return count

    async def _forget(self) -> None:
        done, self._settled = self._settled, []
        if done:
            try:
                await self._outbox.forget(done)
            except RemitError:
                self._settled += done
                raise

    def start(self) -> None:
        """Forget and recover in the background until :meth:`close`."""
        self._every(FORGET_S, self._forget)
        self._every(RECOVER_S, lambda: self.recover(mine=False))
        self._every(REOPEN_S, self.heal)

    async def heal(self) -> bool:
        """Open a log again that could not be written; whether that was needed and done.

        Raises:
            RemitError: it still cannot.
        """
        failure = self.log.poisoned
        if failure is None or self._reopen is None:
            return False
        fresh = await asyncio.to_thread(self._reopen)
        self._wake(0, failure)
        self.log = fresh
        fresh.subscribe(self._committed)
        await self.note("hub.log_reopen", {"reason": failure.message})
        await self.recover(mine=True)
        return True

    def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                with contextlib.suppress(RemitError, OSError):
                    await work()

        self._tasks.add(self._loop.create_task(run()))

    async def close(self) -> None:
        """End the background work, forget what is logged, and close the log."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(RemitError):
            await self._forget()
        self.log.close()


def unavailable(error: RemitError) -> LogUnavailableError:
    """What is said when the log takes no records."""
    return LogUnavailableError(
        f"the audit log takes no records: {error.message}",
        hint="free disk space or repair the disk; the Hub then opens its log again by itself",
    )
