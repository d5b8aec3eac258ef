"""The work of a prober: garak asks a served model what a job says, in its sandbox.

A server that is not there fails the job, which is tried again; nothing was asked, and nothing is
attested. Whatever garak did once it began is a result, a run that failed as well: that one covered
nothing.
"""

import asyncio
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from remit.hub.errors import HubError
from remit.hub.jobs.targets import Target
from remit.hub.jobs.values import Task
from remit.hub.jobs.worker import LastingError
from remit.scan.base import Report
from remit.scan.dynamic import garak
from remit.scan.dynamic.endpoint import endpoint
from remit.scan.run import Progress

REACHED_S = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of each run.

    Attributes:
        seconds: of wall time.
        memory: bytes of addresses that each process of garak may have.
    """

    seconds: float = 3600.0
    memory: int = garak.MEMORY


class Probing:
    """A :class:`~remit.hub.jobs.worker.Work`.

    Args:
        targets: what may be asked.
        environment: directory of the environment with garak.
        keys: the variables that targets name.
        limits: of each run.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        environment: Path,
        keys: Mapping[str, str],
        limits: Limits,
    ) -> None:
        self._targets = {each.name: each for each in targets}
        self._environment = environment
        self._keys = keys
        self._limits = limits

    async def __call__(self, task: Task, place: Path, told: Progress) -> Sequence[Report]:
        """The report of garak."""
        del place
        target, job = self._job(task)
        key = self._keys[target.key_variable] if target.key_variable else ""
        await asyncio.to_thread(_reach, target)
        stop = threading.Event()
        try:
            report = await asyncio.to_thread(garak.run, job, key, told, stop)
        finally:
            stop.set()
        return [report]

    def _job(self, task: Task) -> tuple[Target, garak.Job]:
        asked = task.questions
        target = self._targets.get(asked.target) if asked is not None else None
        if asked is None or target is None:
            raise LastingError("this prober does not know what it is to ask")
        if not target.serves(task.repository):
            raise LastingError(
                f"`{target.name}` is not served as an artifact of `{task.repository}`:"
                " the prober's file of served models does not list it"
            )
        wrong = [each for each in asked.probes if not target.allows(each)]
        if wrong:
            raise LastingError(f"`{target.name}` may not be asked `{wrong[0][:80]}`")
        if asked.generations > target.max_generations:
            most = target.max_generations
            raise LastingError(f"`{target.name}` gives at most {most} answers to a prompt")
        job = garak.Job(
            url=target.url, model=target.model, probes=asked.probes,
            generations=asked.generations, seconds=self._limits.seconds,
            memory=self._limits.memory, environment=self._environment,
        )  # fmt: skip
        return target, job


def _reach(target: Target) -> None:
    where = endpoint(target.url)
    try:
        socket.create_connection((where.host, where.port), REACHED_S).close()
    except OSError as error:
        raise HubError(
            f"the server of `{target.name}` is not reached: {error.strerror or error}",
            code="hub.target",
        ) from error
