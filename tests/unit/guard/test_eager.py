"""Coroutines that begin at once."""

import asyncio

import pytest

from remit.guard.eager import start
from tests.unit.guard.helpers import go


def test_what_never_waits_is_done_at_once_and_makes_no_task():
    async def play():
        seen = []

        async def work():
            seen.append(1)

        keep = set()
        assert start(work(), keep) is None
        assert seen == [1]
        assert not keep

    go(play())


def test_the_part_before_the_first_wait_runs_in_the_order_of_the_starts():
    async def play():
        seen = []

        async def work(name, waits):
            seen.append(name)
            for _ in range(waits):
                await asyncio.sleep(0)
            seen.append(name.upper())

        keep = set()
        tasks = [start(work(name, waits), keep) for name, waits in (("a", 2), ("b", 0), ("c", 1))]
        assert seen == ["a", "b", "B", "c"]
        assert tasks[1] is None
        assert len(keep) == 2
        await asyncio.gather(*(task for task in tasks if task))
        assert seen[4:] == ["C", "A"]
        await asyncio.sleep(0)
        assert not keep

    go(play())


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_an_exception_reaches_whoever_waits(waits):
    async def play():
        async def work():
            for _ in range(waits):
                await asyncio.sleep(0)
            raise KeyError("x")

        if not waits:
            with pytest.raises(KeyError):
                start(work(), set())
            return
        task = start(work(), set())
        with pytest.raises(KeyError):
            await task

    go(play())


def test_futures_locks_and_values_pass_through():
    async def play():
        lock = asyncio.Lock()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        seen = []

        async def work():
            async with lock:
                seen.append(await future)
                with pytest.raises(ValueError, match="inner"):
                    await failing
            seen.append(lock.locked())

        failing = loop.create_future()
        task = start(work(), set())
        loop.call_later(0.005, future.set_result, 42)
        loop.call_later(0.010, failing.set_exception, ValueError("inner"))
        await task
        assert seen == [42, False]

    go(play())


def test_cancellation_reaches_the_coroutine_once_it_waits_in_the_task():
    async def play():
        seen = []

        async def work():
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                seen.append("cancelled")
                await asyncio.sleep(0)
                seen.append("cleaned")
                raise

        task = start(work(), set())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "cleaned"]

    go(play())


def test_a_coroutine_may_refuse_to_be_cancelled():
    async def play():
        async def work():
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                return

        task = start(work(), set())
        await asyncio.sleep(0)
        task.cancel()
        await task

    go(play())
