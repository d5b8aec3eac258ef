"""The workers that a Hub starts: processes of their own, respawned when they end.

A worker ends with its Hub, however that ends: it reads its standard input, which closes then.
Addresses go into its environment, because command lines are seen by everybody on the machine.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

MIN_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
STEADY_S = 60.0
"""A worker that lived for so long did not fail at once."""
STOP_S = 5.0


class Crew:
    """Keeps so many workers running until closed.

    Args:
        command: of a worker.
        env: its environment.
        count: how many.
        say: tells the operator.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        count: int,
        say: Callable[[str], None],
    ) -> None:
        self._command = tuple(command)
        self._env = dict(env)
        self._count = count
        self._say = say
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start them in the background."""
        self._tasks = [asyncio.create_task(self._always()) for _ in range(self._count)]

    async def close(self) -> None:
        """End them; what they were at is given back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _always(self) -> None:
        loop, pause = asyncio.get_running_loop(), MIN_PAUSE_S
        while True:
            begun = loop.time()
            try:
                status = await self._once()
            except OSError as error:
                status = error.errno or 1
            if loop.time() - begun > STEADY_S:
                pause = MIN_PAUSE_S
            self._say(f"remit hub: a worker ended with status {status}; another starts")
            await asyncio.sleep(pause)
            pause = min(MAX_PAUSE_S, pause * 2)

    async def _once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            env=self._env,
            start_new_session=True,
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
