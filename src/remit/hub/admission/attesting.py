"""Attesting what served models answered: the loop that has the keys; probers have none.

A result whose evidence cannot be stored, because the repository is full for example, counts without
it, as one that covered nothing: what was found is not lost, and nothing is clean that nobody can
verify. While the machine is in trouble it waits.
"""

import logging
from collections.abc import Awaitable, Callable

from remit.attest.errors import StatementError
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.admission.one_by_one import OneByOne
from remit.hub.admission.ports import Probes
from remit.hub.admission.values import Scanned, Sealed
from remit.hub.registry.errors import Denied
from remit.hub.registry.pushes import Settle

_log = logging.getLogger("remit.hub")
POLL_S = 0.5

Seal = Callable[[Scanned, str], Awaitable[Sealed]]
"""Signs what a target answered, and stores the bytes of that."""


class Attesting:
    """Attests until it is cancelled.

    Args:
        probes: what was answered.
        seal: signs it.
        settle: makes a record durable.
        clock: when to try again.
    """

    def __init__(self, probes: Probes, seal: Seal, settle: Settle, clock: Clock) -> None:
        self._probes = probes
        self._seal = seal
        self._settle = settle
        self._loop = OneByOne(
            "answers are not attested", probes.unattested, _job, self._one, clock, POLL_S
        )

    async def run(self) -> None:
        """Attest whenever there is something."""
        await self._loop.run()

    async def once(self) -> int:
        """Attest some; how many there were.

        Raises:
            RemitError, OSError: the database or the log cannot be used.
        """
        return await self._loop.once()

    async def _one(self, answered: tuple[Scanned, str]) -> None:
        probed, target = answered
        left = await self._probes.claim_record(probed.job)
        if left is not None:
            await self._settle(*left)
        sealed, why = await self._sealed(probed, target)
        try:
            done = await self._probes.attest(probed, sealed, why)
        except Denied as error:
            # The bytes still had room in the repository, their manifest has none.
            done = await self._probes.attest(probed, None, _unstored(error))
        for event, record in done or ():
            await self._settle(event, record)

    async def _sealed(self, probed: Scanned, target: str) -> tuple[Sealed | None, str]:
        """The evidence, or why there never is any.

        Raises:
            RemitError, OSError: the machine is in trouble, whatever was answered.
        """
        try:
            return await self._seal(probed, target), ""
        except (Denied, StatementError) as error:
            return None, _unstored(error)
        except (RemitError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - fail closed, and hold no other answer up
            _log.exception("what `%s` answered cannot be attested", target)
            return None, f"its evidence cannot be made: {type(error).__name__}"


def _unstored(error: RemitError) -> str:
    return f"its evidence cannot be stored: {error.message}"


def _job(answered: tuple[Scanned, str]) -> str:
    return answered[0].job
