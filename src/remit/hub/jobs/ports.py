"""What a worker needs of the machine."""

from collections.abc import Sequence
from typing import Protocol

from remit.artifacts.oci.manifest import Descriptor
from remit.hub.jobs.values import Task
from remit.hub.registry.ports import Bytes
from remit.scan.base import Report


class Queue(Protocol):
    """Jobs, as a worker sees them. Each method is one transaction."""

    async def claim(self, worker: str) -> Task | None:
        """Take the most urgent job of its kind that nobody has; it is the worker's for 30 s."""
        ...

    async def renew(self, task: Task, progress: int) -> bool:
        """Keep it; ``False`` if it was lost, and then nothing of it can be stored."""
        ...

    async def finish(self, task: Task, reports: Sequence[Report]) -> bool:
        """Store what was found, with its record; ``False`` if the job was lost."""
        ...

    async def stumble(self, task: Task, why: str, *, lasting: bool = False) -> bool:
        """The machinery failed; the job is tried again later, at most three times.

        What is ``lasting`` is not tried again.
        """
        ...

    async def beat(self, worker: str, *, short: bool) -> None:
        """Say that the worker is there, and whether its disk has no room."""
        ...

    async def gone(self, worker: str) -> None:
        """Say that it ends."""
        ...

    async def release(self, task: Task) -> bool:
        """Give it back, not done."""
        ...


class Content(Protocol):
    """The bytes of artifacts."""

    def read(self, repository: str, descriptor: Descriptor) -> Bytes:
        """A blob in pieces, not verified."""
        ...
