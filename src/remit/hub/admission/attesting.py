"""Attesting what served models answered: the loop that has the keys; probers have none.

A result whose evidence cannot be stored, because the repository is full for example, counts without
it, as one that covered nothing: what was found is not lost, and nothing is clean that nobody can
verify. While the machine is in trouble it waits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from remit.attest.errors import StatementError
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.admission.ports import Probes
from remit.hub.admission.values import Scanned, Sealed
from remit.hub.ledger import LogUnavailableError
from remit.hub.registry.errors import Denied
from remit.hub.registry.pushes import Settle

_log = logging.getLogger("remit.hub")
BATCH = 20
POLL_S = 0.5
TROUBLE_S = 5.0
LATER_US = 10_000_000

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
        self._clock = clock
        self._later: dict[str, int] = {}
        self._probes = probes
        self._seal = seal
        self._settle = settle

    async def run(self) -> None:
        """Attest whenever there is something."""
        while True:
            pause = POLL_S
            try:
                while await self.once():
                    pass
            except (RemitError, OSError) as error:
                # The database or the log cannot be used. What was answered waits.
                _log.error("answers of served models are not attested: %s", error)
                pause = TROUBLE_S
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """Attest some; how many there were.

        Raises:
            RemitError, OSError: the database or the log cannot be used.
        """
        now = self._clock.now_us()
        self._later = {job: until for job, until in self._later.items() if until > now}
        found = await self._probes.unattested(BATCH + len(self._later))
        ready = [each for each in found if each[0].job not in self._later]
        for probed, target in ready:
            await self._tried(probed, target)
        return len(ready)

    async def _tried(self, probed: Scanned, target: str) -> None:
        """Attest one; if that cannot be done now, not hold the others up."""
        try:
            await self._one(probed, target)
        except LogUnavailableError:
            raise
        except (RemitError, OSError) as error:
            _log.error("what `%s` answered is not attested: %s", target, error)
            self._later[probed.job] = self._clock.now_us() + LATER_US

    async def _one(self, probed: Scanned, target: str) -> None:
        left = await self._probes.claim_record(probed.job)
        if left is not None:
            await self._settle(*left)
        sealed, why = await self._sealed(probed, target)
        for event, record in await self._probes.attest(probed, sealed, why) or ():
            await self._settle(event, record)

    async def _sealed(self, probed: Scanned, target: str) -> tuple[Sealed | None, str]:
        """The evidence, or why there never is any.

        Raises:
            RemitError, OSError: the machine is in trouble, whatever was answered.
        """
        try:
            return await self._seal(probed, target), ""
        except (Denied, StatementError) as error:
            return None, f"its evidence cannot be stored: {error.message}"
        except (RemitError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - fail closed, and hold no other answer up
            _log.exception("what `%s` answered cannot be attested", target)
            return None, f"its evidence cannot be made: {type(error).__name__}"
