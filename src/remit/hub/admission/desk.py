"""Where curators work: what there is to decide, their words, and what was withdrawn."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from remit.approvals.request import Request
from remit.core.clock import Clock
from remit.core.digest import sha256
from remit.core.ids import ulid
from remit.hub.admission.answering import Answered, suppression_of
from remit.hub.admission.asking import (
    Filed,
    Given,
    WordError,
    decision_of,
    filed,
    request_of,
)
from remit.hub.admission.evidence import document
from remit.hub.admission.people import Decision, Suppression
from remit.hub.admission.policy import ArtifactPolicy
from remit.hub.admission.signers import Enrich, TrustlessError, nobody
from remit.hub.admission.values import Admission, Scanned
from remit.hub.catalog.ports import Sees
from remit.hub.registry.errors import RegistryError
from remit.hub.registry.ports import Record
from remit.hub.registry.pushes import Settle
from remit.scan.bill import NAME as BOM


class NotDecidableError(RegistryError):
    """There is nothing to decide about this manifest now."""

    status, oci = 409, "NOT_DECIDABLE"


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that may not be used any more, as Guards are told.

    Attributes:
        repository, digest: which.
        state: what it is now: ``withdrawn``, ``refused`` or ``review``.
        reason: why.
        policy: digest of the policy.
        summary: manifest of the gate's summary that says so.
        changed_us: since when.
    """

    repository: str
    digest: str
    state: str
    reason: str
    policy: str
    summary: str
    changed_us: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact and what was decided of it.

    Attributes:
        admission: what holds now.
        scanned: what it was decided on; ``None`` if it was not yet.
        outcome: what policy says, with everybody's word; ``None`` likewise.
        summary: manifest of the gate's last summary; empty if there is none.
    """

    admission: Admission
    scanned: Scanned | None = None
    counts: dict[str, int] = {}
    summary: str = ""


class People(Protocol):
    """What the database knows and keeps of this."""

    async def case(self, repository: str, digest: str) -> Case:
        """What is known of an artifact."""
        ...

    async def add_decision(
        self, repository: str, digest: str, said: Decision, found: Filed, record: Record
    ) -> str | None:
        """Keep a decision and have the artifact decided again; ``None`` if it is gone."""
        ...

    async def filed(self, repository: str, digest: str, id_: str) -> Filed | None:
        """A decision as it was kept."""
        ...

    async def add_suppression(self, said: Suppression, bundle: bytes, record: Record) -> str:
        """Keep a suppression and have everything decided again that it is about."""
        ...

    async def revoke(self, said: Suppression, record: Record) -> str | None:
        """End a suppression and have everything decided again; ``None`` if it was over."""
        ...

    async def suppression(self, id_: str) -> Suppression | None:
        """One of them."""
        ...

    async def suppressions(self, after: str, count: int) -> Sequence[Suppression]:
        """All of them, from the oldest."""
        ...

    async def withdrawals(self, since_us: int, count: int) -> Sequence[Withdrawal]:
        """What may not be used, changed from then on, the oldest first."""
        ...


MAX_US = 1 << 53
OVERLAP_US = 30_000_000
"""Changes of other Hubs may become visible late: what is this young is told again."""


class Desk:
    """See the module.

    Args:
        people: the database.
        policy: the artifact policy.
        hub: what requests and suppressions are for: the same for all Hubs of a database.
        settle: makes a record durable.
        clock: the time.
        entropy: randomness of ids.
        signers: finds out who signed what is decided on, as whoever decides by policy does.
    """

    def __init__(
        self,
        people: People,
        policy: ArtifactPolicy,
        hub: str,
        settle: Settle,
        clock: Clock,
        entropy: Callable[[int], bytes],
        signers: Enrich = nobody,
    ) -> None:
        self._signers = signers
        self.hub = hub
        self._people = people
        self._policy = policy
        self._settle = settle
        self._clock = clock
        self._entropy = entropy

    def now_us(self) -> int:
        """The time."""
        return self._clock.now_us()

    async def case(self, repository: str, digest: str) -> Case:
        """What is known of an artifact; without signatures while they cannot be verified."""
        try:
            return await self._case(repository, digest)
        except TrustlessError:
            return await self._people.case(repository, digest)

    async def _case(self, repository: str, digest: str) -> Case:
        case = await self._people.case(repository, digest)
        if case.scanned is None:
            return case
        return msgspec.structs.replace(case, scanned=await self._signers(case.scanned))

    async def findings(self, repository: str, digest: str, scanner: str) -> bytes | None:
        """The document of a scanner, or the bill of materials; ``None`` if there is none."""
        scanned = (await self._people.case(repository, digest)).scanned
        if scanned is None:
            return None
        if scanner == BOM:
            return scanned.bom or None
        return next((document(each) for each in scanned.reports if each.scanner == scanner), None)

    async def filed(self, repository: str, digest: str, id_: str) -> Filed | None:
        """A decision as it was kept, for whoever checks it again; ``None`` if there is none."""
        return await self._people.filed(repository, digest, id_)

    async def request(self, repository: str, digest: str, until_us: int) -> Request:
        """What there is to decide.

        Raises:
            NotDecidableError: it is not scanned, is evidence, or is an index.
            WordError: ``until_us`` is no time.
            TrustlessError: the trust root of the gate cannot be used.
        """
        if not 0 <= until_us < MAX_US:
            raise WordError("`until_us` is a time in microseconds since 1970")
        case = await self._case(repository, digest)
        scanned = case.scanned
        if scanned is None:
            state = case.admission.state
            why = "its scans are not done" if state == "quarantined" else f"it is {state}"
            raise NotDecidableError(f"there is nothing to decide about it: {why}")
        now = self._clock.now_us()
        outcome = self._policy.decide(scanned, scanned.suppressions, (), now)
        return request_of(
            scanned,
            outcome,
            hub=self.hub,
            changed_us=case.admission.changed_us,
            until_us=until_us,
        )

    async def decide(
        self, repository: str, digest: str, given: Given, by: str, peer: str
    ) -> Decision:
        """Take a curator's word.

        Raises:
            RegistryError: it may not be taken; see :mod:`remit.hub.admission.asking`.
        """
        now = self._clock.now_us()
        request = await self.request(repository, digest, given.until_us)
        found = filed(given, request, by, self._policy.policy.bundle.entities, now)
        said = decision_of(
            found,
            id_=ulid(now, self._entropy(10)),
            word=given.word,
            by=by,
            reason=given.reason,
            made_us=now,
            expires_us=given.until_us,
        )
        body: dict[str, object] = {
            "actor": {"user": by, "peer": peer},
            "artifact": {"repository": repository, "digest": digest},
            "decision": {
                "id": said.id,
                "effect": said.word,
                "reason": said.reason[:300],
                "policy": said.policy,
                "results": said.results,
                "key": said.key,
                "until_us": said.expires_us,
            },
        }
        record = Record(kind="artifact.decide", body=body)
        event = await self._people.add_decision(repository, digest, said, found, record)
        if event is None:
            raise NotDecidableError("the artifact is gone")
        await self._settle(event, record)
        return said

    async def suppress(self, given: Answered, by: str, peer: str) -> Suppression:
        """Take somebody's answer for a finding.

        Raises:
            RegistryError: it may not be taken; see :mod:`remit.hub.admission.answering`.
        """
        now = self._clock.now_us()
        id_ = ulid(now, self._entropy(10))
        entities = self._policy.policy.bundle.entities
        said = suppression_of(given, by, self.hub, entities, now, id_)
        record = Record(kind="suppression.add", body=_recorded(said, by, peer))
        bundle = given.bundle.encode()
        await self._settle(await self._people.add_suppression(said, bundle, record), record)
        return said

    async def suppression(self, id_: str) -> Suppression | None:
        """One of them."""
        return await self._people.suppression(id_)

    async def suppressions(self, after: str, count: int) -> Sequence[Suppression]:
        """All of them, from the oldest."""
        return await self._people.suppressions(after, count)

    async def revoke(self, said: Suppression, by: str, peer: str) -> bool:
        """End a suppression now; ``False`` if it is over already."""
        record = Record(kind="suppression.revoke", body=_recorded(said, by, peer))
        event = await self._people.revoke(said, record)
        if event is None:
            return False
        await self._settle(event, record)
        return True

    async def withdrawals(
        self, since_us: int, count: int, sees: Sees | None
    ) -> tuple[Sequence[Withdrawal], int, bool]:
        """What may not be used, of what the caller sees.

        Returns:
            It, from where to ask the next time, and whether there is more already.
        """
        now = self._clock.now_us()
        if since_us > now:
            # This clock was set back: what was withdrawn since then is older than what was told.
            since_us = 0
        found = await self._people.withdrawals(since_us, count)
        # Also back, behind pages that followed each other: what is a moment older may come yet.
        following = max(0, min(now - OVERLAP_US, found[-1].changed_us if found else now))
        more = len(found) == count
        if more:
            # All of one moment has to fit into a page.
            following = found[-1].changed_us
        return [each for each in found if sees is None or sees(each.repository)], following, more

    def mark(self, found: Sequence[Withdrawal], following: int, *, more: bool) -> str:
        """Of an answer: the same for the same withdrawals, if there are no more behind them."""
        listed = f"{following}\n" if more else ""
        listed += "\n".join(f"{each.repository}@{each.digest} {each.changed_us}" for each in found)
        return str(sha256(listed.encode()))


def _recorded(said: Suppression, by: str, peer: str) -> dict[str, Any]:
    return {
        "actor": {"user": by, "peer": peer},
        "suppression": {
            "id": said.id,
            "fingerprint": said.fingerprint,
            "rule": said.rule,
            "repositories": said.pattern,
            "reason": said.reason[:300],
            "by": said.by,
            "key": said.key,
            "until_us": said.expires_us,
        },
    }


__all__ = ["Case", "Desk", "NotDecidableError", "People", "Withdrawal"]
