import asyncio
import contextlib

from remit.hub.lasting import lasting


def test_a_defect_ends_nothing_for_good(caplog):
    turns = []

    async def work():
        turns.append(1)
        if len(turns) < 3:
            raise KeyError("x")

    asyncio.run(lasting(work, "looking", again_s=0))
    assert len(turns) == 3
    assert caplog.text.count("looking stopped by a defect") == 2
    assert "KeyError" in caplog.text


def test_a_cancellation_ends_it():
    async def run():
        task = asyncio.create_task(lasting(asyncio.Event().wait, "waiting"))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(run())
