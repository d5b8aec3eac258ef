"""Attesting what served models answered: the loop that has the keys; probers have none.

A result whose evidence cannot be stored, because the repository is full for example, counts without
it, as one that covered nothing: what was found is not lost, and nothing is clean that nobody can
verify. While the machine is in trouble it waits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from remit.attest.errors import StatementError
from remit.core.errors import RemitError
from remit.hub.admission.ports import Probes
from remit.hub.admission.values import Scanned, Sealed
from remit.hub.registry.errors import Denied
from remit.hub.registry.pushes import Settle

_log = logging.getLogger("remit.hub")
BATCH = 20
POLL_S = 0.5
TROUBLE_S = 5.0

Seal = Callable[[Scanned, str], Awaitable[Sealed]]
"""Signs what a target answered, and stores the bytes of that."""


class Attesting:
    """Attests until it is cancelled.

    Args:
        probes: what was answered.
        seal: signs it.
        settle: makes a record durable.
    """

    def __init__(self, probes: Probes, seal: Seal, settle: Settle) -> None:
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
                # The database, a key or the log cannot be used. What was answered waits.
                _log.error("answers of served models are not attested: %s", error)
                pause = TROUBLE_S
            await asyncio.sleep(pause)

    async def once(self) -> int:
        """Attest some; how many there were.

        Raises:
            RemitError, OSError: the database, the store, a key or the log cannot be used.
        """
        found = await self._probes.unattested(BATCH)
        for probed, target in found:
            left = await self._probes.claim_record(probed.job)
            if left is not None:
                await self._settle(*left)
            try:
                done = await self._probes.attest(probed, await self._seal(probed, target))
            except (Denied, StatementError) as error:
                why = f"its evidence cannot be stored: {error.message}"
                done = await self._probes.attest(probed, None, why)
            for event, record in done or ():
                await self._settle(event, record)
        return len(found)
