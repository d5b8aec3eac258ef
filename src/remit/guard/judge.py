"""The corridor: every event of every surface passes through :meth:`Guard.judge`.

The steps of the design, in their order:

1. The surface has parsed strictly and built the :class:`~remit.core.event.Event`.
2. Facts are computed: only those that a policy of the slice reads.
3. Policy decides. Error, exception or doubt is ``deny``.
4. ``require``: the obligation is fulfilled and policy decides again, with fresh facts.
5. The record is written; for a side effect it is durable before the event goes on. No record, no
   call.
6. The result comes back as a second event and takes the same way.

What this module does not check: that the surface forwards what it was shown here (the surface
re-serialises the parsed form), and that the event's identity is true (``guard/identity.py``).
"""

import asyncio
import enum
from collections.abc import Mapping
from typing import Protocol

import msgspec

from remit.core.clock import Clock
from remit.core.decision import Decision, Effect, Obligation
from remit.core.errors import RemitError
from remit.core.event import Event, Kind
from remit.facts.base import Environment, Fact
from remit.facts.registry import compute
from remit.facts.session import SessionState
from remit.facts.usage import Usage
from remit.guard.ledger import Ledger, Outcome
from remit.policy.policy import Policy, Signals

MAX_ROUNDS = 4
MAX_WAIT_US = 30_000_000
NO_POLICY = Decision(error="no_policy", detail="no policy is in force")


class Answer(enum.Enum):
    """What became of an obligation."""

    GIVEN = "given"
    REFUSED = "refused"
    PENDING = "pending"


class Fulfiller(Protocol):
    """How a surface gets an obligation fulfilled; the surface knows where the person is."""

    async def fulfil(self, event: Event, obligation: Obligation) -> Answer:
        """Ask for it.

        ``REFUSED`` on refusal, time-out or doubt; ``PENDING`` if the surface asks in a way of its
        own and judges a new event when the answer is there.
        """
        ...


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the surface must do with the event.

    Attributes:
        allowed: forward it, or refuse it in the surface's own protocol.
        decision: the last answer of policy.
        fulfilled: rules whose obligation was fulfilled on the way.
    """

    allowed: bool
    decision: Decision
    fulfilled: frozenset[str] = frozenset()


class Guard:
    """Judges events. One instance serves all sessions of a process; not thread-safe."""

    def __init__(
        self, *, ledger: Ledger, usage: Usage, environment: Environment, clock: Clock
    ) -> None:
        self.policy: Policy | None = None
        self._ledger = ledger
        self._usage = usage
        self._environment = environment
        self._clock = clock

    def replace(self, usage: Usage, environment: Environment) -> None:
        """Count and look from now on with these; the policy is set beside them."""
        self._usage = usage
        self._environment = environment

    async def judge(
        self,
        event: Event,
        session: SessionState,
        fulfiller: Fulfiller,
        *,
        fulfilled: frozenset[str] = frozenset(),
        outcome: Outcome | None = None,
    ) -> Verdict:
        """Judge one event; never raises, and denies whatever goes wrong.

        Args:
            event: what is about to happen, or the result of what did.
            session: labels and counts of its session; counted up when a tool call is allowed.
            fulfiller: fulfils obligations on this surface.
            fulfilled: rules whose obligation was fulfilled before, for this same action.
            outcome: how the call went, for results.
        """
        policy = self.policy
        try:
            decision, fulfilled = await self._decide(policy, event, session, fulfiller, fulfilled)
        except Exception as error:  # noqa: BLE001 - the default of every path is deny
            decision = Decision(error="judge_failed", detail=type(error).__name__)
        observed = policy is not None and policy.bundle.mode == "observe" and not decision.error
        allowed = decision.effect is Effect.ALLOW or observed
        try:
            hits = self._count(event, session) if allowed else ()
            seq = self._ledger.record(
                event,
                decision,
                outcome=outcome,
                fulfilled=fulfilled,
                hits=hits,
                mode="observe" if observed else "enforce",
            )
            if seq is not None and (allowed or not event.side_effects):
                await self._ledger.durable(seq)
        except Exception as error:  # noqa: BLE001 - no record, no call, whatever the reason
            code = error.code if isinstance(error, RemitError) else "record_failed"
            detail = "the audit log cannot be written"
            return Verdict(allowed=False, decision=Decision(error=code, detail=detail))
        return Verdict(allowed=allowed, decision=decision, fulfilled=fulfilled)

    async def _decide(
        self,
        policy: Policy | None,
        event: Event,
        session: SessionState,
        fulfiller: Fulfiller,
        fulfilled: frozenset[str],
    ) -> tuple[Decision, frozenset[str]]:
        if policy is None:
            return NO_POLICY, fulfilled
        decision = policy.decide(event, self._signals(policy, event, session, fulfilled))
        for _ in range(MAX_ROUNDS):
            if decision.effect is not Effect.REQUIRE or policy.bundle.mode == "observe":
                return decision, fulfilled
            for obligation in decision.obligations:
                answer = await self._fulfil(event, obligation, fulfiller)
                if answer is not Answer.GIVEN:
                    return _refused(decision, obligation, answer), fulfilled
                if obligation.kind == "confirmation":
                    fulfilled |= {obligation.rule}
            if self.policy is not policy:
                # What was asked for is not what the policy in force now would ask for.
                return _changed(decision), fulfilled
            # Time has passed: a link may point elsewhere now, so nothing of the first look is kept.
            decision = policy.decide(event, self._signals(policy, event, session, fulfilled))
        if decision.effect is Effect.REQUIRE:
            return _refused(decision, decision.obligations[0], Answer.REFUSED), fulfilled
        return decision, fulfilled

    async def _fulfil(self, event: Event, obligation: Obligation, fulfiller: Fulfiller) -> Answer:
        if obligation.kind == "wait":
            name = obligation.parameters.get("limit", "")
            wait_us = self._usage.wait_us(name, event, self._clock.now_us())
            if wait_us > MAX_WAIT_US:
                return Answer.REFUSED
            await asyncio.sleep(wait_us / 1e6 + 0.001)
            return Answer.GIVEN
        if obligation.kind == "confirmation":
            return await fulfiller.fulfil(event, obligation)
        return Answer.REFUSED

    def _signals(
        self, policy: Policy, event: Event, session: SessionState, fulfilled: frozenset[str]
    ) -> Signals:
        needs = policy.needs(event.action)
        facts: Mapping[str, Fact] = {
            spec.name: compute(spec, event.input, self._environment) for spec in needs.facts
        }
        now_us = self._clock.now_us()
        over = self._usage.over(event, now_us) if needs.limits else frozenset()
        return Signals(
            now_us=now_us,
            facts=facts,
            session=session.record() if needs.session else {},
            over_limit=over,
            fulfilled=fulfilled,
        )

    def _count(self, event: Event, session: SessionState) -> tuple[str, ...]:
        if event.kind is not Kind.TOOL_CALL:
            return ()
        session.calls += 1
        session.tools.add(event.action)
        return self._usage.hit(event, self._clock.now_us())


def _changed(decision: Decision) -> Decision:
    return Decision(
        rules=decision.rules,
        reasons=decision.reasons,
        error="policy_changed",
        detail="the policy was replaced while this call waited; make the call again",
        policy_digest=decision.policy_digest,
    )


def _refused(decision: Decision, obligation: Obligation, answer: Answer) -> Decision:
    return Decision(
        rules=decision.rules,
        reasons=decision.reasons,
        error=f"{obligation.kind}_{answer.value}",
        detail=f"the {obligation.kind} that `{obligation.rule}` asks for is {answer.value}",
        policy_digest=decision.policy_digest,
    )
