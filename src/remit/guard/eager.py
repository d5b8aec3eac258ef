"""Start a coroutine at once, and make a task of it only if it has to wait.

Most judgements never wait: a task for each would cost a turn of the loop, which is more than the
decision itself. Python 3.12 has ``eager_start``; 3.11 gets the same by hand.
"""

import asyncio
import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any


@types.coroutine
def _resume(coro: Coroutine[Any, Any, None], waited: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has already yielded ``waited``, as if nothing had happened."""
    while True:
        thrown: BaseException | None = None
        sent = None
        try:
            sent = yield waited
        except BaseException as error:  # noqa: BLE001 - it belongs to the inner coroutine
            thrown = error
        try:
            waited = coro.send(sent) if thrown is None else coro.throw(thrown)
        except StopIteration:
            return


def start(
    coro: Coroutine[Any, Any, None], keep: set[asyncio.Task[None]]
) -> asyncio.Task[None] | None:
    """Run ``coro`` until it first waits; ``None`` if it finished without.

    On 3.11 the part before the first wait runs outside any task, so it must not ask for the
    current task (``asyncio.timeout`` does).

    Args:
        coro: handles its own errors; what escapes it is raised here or kept in the task.
        keep: holds the task while it runs.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        task = asyncio.Task(coro, loop=loop, eager_start=True)
        if task.done():
            task.result()
            return None
    else:
        try:
            waited = coro.send(None)
        except StopIteration:
            return None
        task = loop.create_task(_resume(coro, waited))
    keep.add(task)
    task.add_done_callback(keep.discard)
    return task
