"""A worker: takes a job, does its work, stores reports.

It has no key and no log. What it says is stored only while it holds the lease of the job: if it was
slow, or cut off, another has the job, and nothing of this one counts.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from remit.core.errors import RemitError
from remit.hub.jobs.materialise import RESERVE_BYTES
from remit.hub.jobs.ports import Queue
from remit.hub.jobs.values import RENEW_S, Task
from remit.scan.base import Report
from remit.scan.run import Progress

_log = logging.getLogger("remit.hub")
POLL_S = 0.1
IDLE_S = 1.0
BESIDE_S = 0.2
"""How often a worker beside its Hub looks when there is nothing to do; others wait for IDLE_S."""
TROUBLE_S = 5.0
BEAT_S = 10.0


class Work(Protocol):
    """What a worker does with a job."""

    async def __call__(self, task: Task, place: Path, told: Progress) -> Sequence[Report]:
        """Reports of all that looked.

        Args:
            task: the job.
            place: an empty directory that is removed afterwards.
            told: is called with how much is done, of how much; from any thread.

        Raises:
            LastingError: it would fail each time.
            Exception: it failed, and is tried again.
        """
        ...


class LastingError(RemitError):
    """The work cannot be done, however often it is tried."""

    code = "hub.job"


class Worker:
    """Works until it is told to stop.

    Args:
        name: of this worker, unique.
        queue: jobs.
        work: what it does with a job.
        scratch: a directory of this worker alone.
        renew_s: how often it says that it is still at it.
        idle_s: how long it waits at most before it looks for a job again.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        work: Work,
        scratch: Path,
        *,
        renew_s: float = RENEW_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._name = name
        self._queue = queue
        self._do = work
        self._scratch = scratch
        self._renew_s = renew_s
        self._idle_s = idle_s
        self._progress = 0

    async def run(self) -> None:
        """Work until cancelled."""
        beating = asyncio.create_task(self._beat())
        try:
            await self._work_on()
        finally:
            beating.cancel()
            with contextlib.suppress(RemitError):
                await self._queue.gone(self._name)

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(RemitError):
                await self._queue.beat(self._name, short=self.short)
            await asyncio.sleep(BEAT_S)

    @property
    def short(self) -> bool:
        """Whether its disk has no room for anything."""
        try:
            return shutil.disk_usage(self._scratch).free < 2 * RESERVE_BYTES
        except OSError:
            return True

    async def _work_on(self) -> None:
        pause = POLL_S
        while True:
            try:
                done = False if self.short else await self.once()
            except (RemitError, OSError) as error:
                _log.error("the queue cannot be used: %s", error)
                done, pause = False, TROUBLE_S
            if done:
                pause = POLL_S
                continue
            await asyncio.sleep(pause)
            pause = min(self._idle_s, pause * 1.5)

    async def once(self) -> bool:
        """Do one job; whether there was one.

        Raises:
            RemitError: the database cannot be used.
        """
        task = await self._queue.claim(self._name)
        if task is None:
            return False
        self._progress = 0
        keeping = asyncio.create_task(self._keep(task))
        work = asyncio.create_task(self._work(task))
        try:
            await asyncio.wait({keeping, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                # Its thread ends by itself; what it finds is thrown away.
                _log.warning("the job %s was lost to another worker", task.id)
                work.cancel()
                with contextlib.suppress(BaseException):
                    await work
                return True
            await self._ended(task, work)
        except asyncio.CancelledError:
            with contextlib.suppress(RemitError):
                await self._queue.release(task)
            raise
        finally:
            keeping.cancel()
        return True

    async def _ended(self, task: Task, work: "asyncio.Task[Sequence[Report]]") -> None:
        error = work.exception()
        if error is None:
            await self._queue.finish(task, work.result())
            return
        # Whatever it was: not scanned is never clean, and the job is tried again.
        why = error.message if isinstance(error, RemitError) else f"{type(error).__name__}: {error}"
        _log.error("the job %s of `%s` failed: %s", task.id, task.digest, why)
        await self._queue.stumble(task, why, lasting=isinstance(error, LastingError))

    async def _work(self, task: Task) -> Sequence[Report]:
        place = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            return await self._do(task, place, self._told)
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    def _told(self, done: int, total: int) -> None:
        self._progress = 1000 * done // max(1, total)

    async def _keep(self, task: Task) -> None:
        """Renew the lease; return when it is lost."""
        while True:
            await asyncio.sleep(self._renew_s)
            with contextlib.suppress(RemitError):
                if not await self._queue.renew(task, self._progress):
                    return
