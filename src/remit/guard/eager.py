"""Start a coroutine at once, and make a task of it only if it has to wait.

Most judgements never wait: a task for each would cost a turn of the loop, which is more than the
decision itself. Python 3.12 has ``eager_start``; 3.11 gets the same by hand.
"""

import asyncio
import sys
from collections.abc import Coroutine, Generator
from typing import Any


class _Resumed(Coroutine[Any, Any, None]):
    """A coroutine that has already yielded ``waited``, as if it had not: for a task to go on with.

    What a task throws into it before its first step (a cancellation) reaches the coroutine too.
    """

    def __init__(self, coro: Coroutine[Any, Any, None], waited: Any) -> None:
        self._coro = coro
        self._waited = [waited]

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._waited.pop() if self._waited else self._coro.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an exception."""
        self._waited.clear()
        return self._coro.throw(*error)

    def close(self) -> None:
        """End it."""
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("only a task goes on with this")


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
        task = loop.create_task(_Resumed(coro, waited))
    keep.add(task)
    task.add_done_callback(keep.discard)
    return task
