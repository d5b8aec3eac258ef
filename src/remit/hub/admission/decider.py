"""Deciding on scans that are over: the loop that has the policy, the keys and the log.

1. Take a scan that is over and undecided, and put its record into the log.
2. Ask the policy. What it raises is a refusal: nothing is admitted by an error.
3. Sign the evidence and bring its bytes into the store; nobody sees them yet.
4. In one transaction: evidence, state, records. Of several Hubs one gets through.
5. Log the records.

Dying before 4 leaves the scan undecided, and it is decided again; dying after it leaves records in
the outbox, and they are logged by the next start or by another Hub.
"""

import logging
from collections.abc import Awaitable, Callable

from remit.attest.errors import StatementError
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.hub.admission.one_by_one import OneByOne
from remit.hub.admission.ports import Cases, Policy
from remit.hub.admission.signers import Enrich, nobody
from remit.hub.admission.values import Outcome, Scanned, Sealed
from remit.hub.registry.errors import Denied
from remit.hub.registry.pushes import Settle

_log = logging.getLogger("remit.hub")
POLL_S = 0.15

Deposit = Callable[[Scanned, Outcome], Awaitable[Sealed]]
"""Signs evidence, stores its bytes, and gives the manifests that are to be placed."""


async def no_evidence(scanned: Scanned, outcome: Outcome) -> Sealed:
    """The :data:`Deposit` of a Hub that signs nothing."""
    del scanned, outcome
    return Sealed()


class Decider:
    """Decides until it is cancelled.

    Args:
        cases: scans that are over.
        policy: judges them.
        settle: makes a record durable.
        clock: the time of decisions.
        deposit: makes evidence.
        signers: finds out who signed what is decided on.
    """

    def __init__(
        self,
        cases: Cases,
        policy: Policy,
        settle: Settle,
        clock: Clock,
        deposit: Deposit = no_evidence,
        signers: Enrich = nobody,
    ) -> None:
        self._cases = cases
        self._policy = policy
        self._settle = settle
        self._clock = clock
        self._deposit = deposit
        self._signers = signers
        self._loop = OneByOne(
            "scans are not decided on", cases.undecided, _job, self._one, clock, POLL_S
        )

    async def run(self) -> None:
        """Decide whenever there is something to decide."""
        await self._loop.run()

    async def once(self) -> int:
        """Decide on some scans; how many there were.

        Raises:
            RemitError, OSError: the database, the store or the log cannot be used.
        """
        return await self._loop.once()

    async def _one(self, scanned: Scanned) -> None:
        left = await self._cases.claim_record(scanned.job)
        if left is not None:
            await self._settle(*left)
        outcome, evidence = await self._sealed(scanned)
        try:
            done = await self._cases.decide(scanned, outcome, evidence)
        except Denied as error:
            # The bytes still had room in the repository, their manifest has none.
            done = await self._cases.decide(scanned, self._refusal(*_unstored(error)), Sealed())
        for id_, record in done or ():
            await self._settle(id_, record)

    async def _sealed(self, scanned: Scanned) -> tuple[Outcome, Sealed]:
        """The decision with its evidence; what has none, or trips a defect, is refused.

        Raises:
            RemitError, OSError: the machine is in trouble, whatever the artifact is.
        """
        try:
            scanned = await self._signers(scanned)
            outcome = self._judged(scanned)
            return outcome, await self._deposit(scanned, outcome)
        except (Denied, StatementError) as error:
            # What nobody can verify is not admitted: its repository is full, for example.
            reason, rule = _unstored(error)
        except (RemitError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - fail closed, and hold no other artifact up
            _log.exception("the gate failed on `%s`", scanned.digest)
            reason, rule = f"the gate failed on it: {type(error).__name__}", "gate.error"
        return self._refusal(reason, rule), Sealed()

    def _refusal(self, reason: str, rule: str) -> Outcome:
        policy = self._policy.digest
        return Outcome(word="refuse", reasons=(reason,), rules=(rule,), policy=policy)

    def _judged(self, scanned: Scanned) -> Outcome:
        try:
            return self._policy.decide(
                scanned, scanned.suppressions, scanned.decisions, self._clock.now_us()
            )
        except Exception as error:  # noqa: BLE001 - fail closed, whatever it was
            _log.exception("the policy failed on `%s`", scanned.digest)
            return self._refusal(f"the policy failed: {type(error).__name__}", "policy.error")


def _unstored(error: RemitError) -> tuple[str, str]:
    return f"its evidence cannot be stored: {error.message}", "evidence.error"


def _job(scanned: Scanned) -> str:
    return scanned.job
