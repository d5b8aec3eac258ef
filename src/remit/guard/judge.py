"""The corridor: every event of every surface passes through :meth:`Guard.judge`.

The steps of the design, in their order:

1. The surface has parsed strictly and built the :class:`~remit.core.event.Event`.
2. Detectors look into it and facts are computed: only what a policy of the slice reads.
3. Policy decides. Error, exception or doubt is ``deny``.
4. ``require``: the obligation is fulfilled and policy decides again, with fresh facts.
5. The record is written; for a side effect it is durable before the event goes on. No record, no
   call.
6. The result comes back as a second event and takes the same way.

What this module does not check: that the surface forwards the event of the verdict, which may
have been redacted on the way (the surface re-serialises the parsed form), and that the event's
identity is true (``guard/identity.py``).
"""

import asyncio
import enum
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, assert_never

import msgspec

from remit.core.clock import Clock
from remit.core.decision import Decision, Effect, Obligation
from remit.core.errors import RemitError
from remit.core.event import Event, Kind
from remit.facts.base import Environment, Fact
from remit.facts.registry import compute
from remit.facts.usage import Usage
from remit.guard.inspection import look, look_again, redacted, remember, revealed
from remit.guard.ledger import Mode, Outcome
from remit.guard.memory import SessionMemory
from remit.guard.opinion import Opinion
from remit.policy.inspection import flow_of
from remit.policy.obligations import kinds
from remit.policy.policy import Policy, Signals

if TYPE_CHECKING:
    from remit.content.summary import Summary

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

    async def hold(self, decided: Awaitable[object]) -> bool:
        """Wait with the event until something is decided elsewhere, as long as the surface can.

        Returns:
            Whether it was; else it is still to be decided.
        """
        ...


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A request for approval, as it stood when it was looked at.

    Attributes:
        request: its id.
        answer: ``GIVEN`` if it may be used up, if everything still holds then.
        detail: one sentence for whoever made the call.
    """

    request: str
    answer: Answer
    detail: str


class Approvals(Protocol):
    """Where people approve what policy leaves to them."""

    async def ask(
        self, policy: Policy, event: Event, obligation: Obligation,
        findings: tuple[str, ...], labels: tuple[str, ...],
    ) -> Ticket:  # fmt: skip
        """The request for an event: that of an identical call before it, or a new one."""
        ...

    async def settled(self, ticket: Ticket) -> Ticket:
        """The request once it is decided or expired."""
        ...

    async def use(self, ticket: Ticket, policy: Policy, event: Event) -> None:
        """Use up an approval, durably. Raises if it does not hold for exactly this event."""
        ...


class Recorder(Protocol):
    """Where decisions are written."""

    def record(
        self,
        event: Event,
        decision: Decision,
        *,
        outcome: Outcome | None = None,
        fulfilled: frozenset[str] = frozenset(),
        hits: Sequence[str] = (),
        content: "Summary | None" = None,
        mode: Mode = "enforce",
    ) -> int | None:
        """Accept a record; its number if somebody has to wait for it."""
        ...

    async def durable(self, seq: int) -> None:
        """Wait until a record is on disk."""
        ...


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the surface must do with the event.

    Attributes:
        allowed: forward it, or refuse it in the surface's own protocol.
        decision: the last answer of policy.
        event: what to forward: values may have been taken out of it, or put back into it.
        fulfilled: rules that a person confirmed on the way.
    """

    allowed: bool
    decision: Decision
    event: Event
    fulfilled: frozenset[str] = frozenset()


class _Case:
    """One event on its way through the steps."""

    __slots__ = (
        "approved", "confirmed", "event", "given", "redacted", "said", "seen", "session", "shown",
    )  # fmt: skip

    def __init__(self, event: Event, session: SessionMemory, confirmed: frozenset[str]) -> None:
        self.event = event
        self.given = event
        # What a person is asked about: as the agent wrote it, without what was taken out. A
        # question goes through the agent's own program, which must not learn what a token is for.
        self.shown = event
        self.session = session
        self.confirmed = confirmed
        self.redacted: frozenset[str] = frozenset()
        # Rules with an approval, which holds only if it can be used up once policy allows.
        self.approved: dict[str, Ticket] = {}
        # What became of an approval, for whoever made the call.
        self.said = ""
        self.seen: Summary | None = None

    @property
    def fulfilled(self) -> frozenset[str]:
        return self.confirmed | self.redacted | self.approved.keys()


class Guard:
    """Judges events. One instance serves all sessions of a process; not thread-safe.

    Attributes:
        policy: in force; without one everything is denied.
        suspended: why the policy that was in force may not be any more; the answer to everything.
        opinion: a second opinion on texts.
        approvals: where people approve.
    """

    def __init__(
        self, *, ledger: Recorder, usage: Usage, environment: Environment, clock: Clock
    ) -> None:
        self.policy: Policy | None = None
        self.opinion: Opinion | None = None
        self.approvals: Approvals | None = None
        self.suspended: Decision | None = None
        self._ledger = ledger
        self._usage = usage
        self._environment = environment
        self._clock = clock

    def replace(self, usage: Usage, environment: Environment) -> None:
        """Count and look from now on with these; the policy is set beside them."""
        self._usage = usage
        self._environment = environment

    def looks(self, action: str) -> bool:
        """Whether anything depends on the text of events of ``action`` that come in."""
        policy = self.policy
        if policy is None:
            return self.suspended is not None
        return policy.needs(action).content or policy.watch.labels or policy.watch.flow

    def inspects(self, action: str) -> bool:
        """Whether a policy reads what is in events of ``action``, whichever way they go."""
        if self.policy is None:
            return self.suspended is not None
        return self.policy.needs(action).content

    async def judge(
        self,
        event: Event,
        session: SessionMemory,
        fulfiller: Fulfiller,
        *,
        fulfilled: frozenset[str] = frozenset(),
        outcome: Outcome | None = None,
    ) -> Verdict:
        """Judge one event; never raises, and denies whatever goes wrong.

        Args:
            event: what is about to happen, or the result of what did.
            session: what its session did and saw; it grows when the event is allowed.
            fulfiller: fulfils obligations on this surface.
            fulfilled: rules that a person confirmed before, for this same action.
            outcome: how the call went, for results.
        """
        policy = self.policy
        case = _Case(event, session, fulfilled)
        try:
            decision = await self._decide(policy, case, fulfiller)
        except Exception as error:  # noqa: BLE001 - the default of every path is deny
            decision = Decision(error="judge_failed", detail=type(error).__name__)
        observed = policy is not None and policy.bundle.mode == "observe" and not decision.error
        allowed = decision.effect is Effect.ALLOW or observed
        if allowed and self.suspended is not None:
            # The policy was taken out of force while it was asked.
            decision, allowed, observed = self.suspended, False, False
        if allowed and case.approved and policy is not None:
            try:
                await self._use(policy, case)
            except Exception as error:  # noqa: BLE001 - what cannot be used up is not given
                decision = _unused(decision, error)
                allowed = observed = False
        hits: tuple[str, ...] = ()
        if allowed and policy is not None:
            try:
                remember(policy, case.event, case.given, case.seen, session)
                hits = self._count(case.event, session)
            except Exception as error:  # noqa: BLE001 - later decisions would not know of this one
                decision = Decision(
                    error="judge_failed",
                    detail=type(error).__name__,
                    policy_digest=decision.policy_digest,
                )
                allowed = observed = False
        try:
            seq = self._ledger.record(
                case.event,
                decision,
                outcome=outcome,
                fulfilled=case.fulfilled,
                hits=hits,
                content=case.seen,
                mode="observe" if observed else "enforce",
            )
            if seq is not None and (allowed or not event.side_effects):
                await self._ledger.durable(seq)
        except Exception as error:  # noqa: BLE001 - no record, no call, whatever the reason
            code = error.code if isinstance(error, RemitError) else "record_failed"
            detail = "the audit log cannot be written"
            return Verdict(allowed=False, decision=Decision(error=code, detail=detail), event=event)
        # An approval that was not used up is asked for again in the next round of the same call.
        fulfilled = case.confirmed | case.approved.keys() if allowed else case.confirmed
        return Verdict(allowed=allowed, decision=decision, event=case.event, fulfilled=fulfilled)

    async def _decide(self, policy: Policy | None, case: _Case, fulfiller: Fulfiller) -> Decision:
        if policy is None:
            return self.suspended or NO_POLICY
        case.event = revealed(policy, case.event, case.session)
        case.seen = await look(policy, case.event, case.session, self.opinion)
        decision = policy.decide(case.event, self._signals(policy, case))
        for _ in range(MAX_ROUNDS):
            if decision.effect is not Effect.REQUIRE or policy.bundle.mode == "observe":
                return decision
            # A person is shown what will go out, so what must not is taken out first.
            for obligation in sorted(decision.obligations, key=lambda o: o.kind != "redact"):
                answer = await self._fulfil(policy, case, obligation, fulfiller)
                if answer is not Answer.GIVEN:
                    return _refused(decision, obligation, answer, case.said)
            if self.policy is not policy:
                # What was asked for is not what the policy in force now would ask for.
                return _changed(decision)
            # Time has passed: a link may point elsewhere now, so nothing of the first look is kept.
            decision = policy.decide(case.event, self._signals(policy, case))
        if decision.effect is Effect.REQUIRE:
            return _refused(decision, decision.obligations[0], Answer.REFUSED)
        return decision

    async def _fulfil(
        self, policy: Policy, case: _Case, obligation: Obligation, fulfiller: Fulfiller
    ) -> Answer:
        if obligation.kind == "wait":
            name = obligation.parameters.get("limit", "")
            wait_us = self._usage.wait_us(name, case.event, self._clock.now_us())
            if wait_us > MAX_WAIT_US:
                return Answer.REFUSED
            await asyncio.sleep(wait_us / 1e6 + 0.001)
            return Answer.GIVEN
        if obligation.kind == "redact":
            if not (case.event.inbound or case.event.kind is Kind.TOOL_CALL):
                # A surface forwards requests of other kinds as they came, or not at all.
                return Answer.REFUSED
            judged = () if case.seen is None else case.seen.by("judge")
            alike = case.shown is case.event
            case.event = await redacted(policy, case.event, obligation, case.session, case.seen)
            seen = await look_again(policy, case.event, case.session)
            case.seen = seen.plus(judged)
            case.shown = (
                case.event
                if alike
                else await redacted(policy, case.shown, obligation, case.session)
            )
            if case.seen.kinds & kinds(obligation.parameters.get("findings", "")):
                return Answer.REFUSED
            case.redacted |= {obligation.rule}
            return Answer.GIVEN
        if obligation.kind == "confirmation":
            answer = await fulfiller.fulfil(case.shown, obligation)
            if answer is Answer.GIVEN:
                case.confirmed |= {obligation.rule}
            return answer
        if obligation.kind == "approval":
            return await self._approval(policy, case, obligation, fulfiller)
        assert_never(obligation.kind)

    async def _approval(
        self, policy: Policy, case: _Case, obligation: Obligation, fulfiller: Fulfiller
    ) -> Answer:
        desk = self.approvals
        if desk is None:
            case.said = "nobody can be asked for approval here: it takes `remit guard run`"
            return Answer.REFUSED
        findings = () if case.seen is None else tuple(case.seen.names)
        labels = tuple(sorted(case.session.labels))
        try:
            ticket = await desk.ask(policy, case.shown, obligation, findings, labels)
            if ticket.answer is Answer.PENDING:
                decided = asyncio.ensure_future(desk.settled(ticket))
                try:
                    if await fulfiller.hold(asyncio.shield(decided)):
                        ticket = await decided
                finally:
                    decided.cancel()
        except RemitError as error:
            case.said = error.message
            return Answer.REFUSED
        case.said = ticket.detail
        if ticket.answer is Answer.GIVEN:
            case.approved[obligation.rule] = ticket
        return ticket.answer

    async def _use(self, policy: Policy, case: _Case) -> None:
        """Use up every approval that the decision rests on.

        Raises:
            RemitError: one does not hold any more; those before it are used up all the same.
        """
        assert self.approvals is not None
        for ticket in case.approved.values():
            await self.approvals.use(ticket, policy, case.shown)

    def _signals(self, policy: Policy, case: _Case) -> Signals:
        event, needs = case.event, policy.needs(case.event.action)
        facts: Mapping[str, Fact] = {
            spec.name: compute(spec, event.input, self._environment) for spec in needs.facts
        }
        now_us = self._clock.now_us()
        over = self._usage.over(event, now_us) if needs.limits else frozenset()
        return Signals(
            now_us=now_us,
            facts=facts,
            session=case.session.record() if needs.session else {},
            over_limit=over,
            fulfilled=case.fulfilled,
            content=case.seen.fact() if needs.content and case.seen is not None else {},
            flow=_flow(policy, case) if needs.flow else {},
        )

    def _count(self, event: Event, session: SessionMemory) -> tuple[str, ...]:
        if event.kind is not Kind.TOOL_CALL:
            return ()
        session.calls += 1
        session.tools.add(event.action)
        return self._usage.hit(event, self._clock.now_us())


def _flow(policy: Policy, case: _Case) -> Mapping[str, Any]:
    """Of the arguments as the agent gave them: a token came from where its value came from."""
    labels = policy.labels(case.given.action)
    return flow_of(case.given, labels, case.session.memory.provenance)


def _changed(decision: Decision) -> Decision:
    return Decision(
        rules=decision.rules,
        reasons=decision.reasons,
        error="policy_changed",
        detail="the policy was replaced while this call waited; make the call again",
        policy_digest=decision.policy_digest,
    )


def _unused(decision: Decision, error: Exception) -> Decision:
    return Decision(
        error="approval_failed",
        detail=error.message if isinstance(error, RemitError) else type(error).__name__,
        policy_digest=decision.policy_digest,
    )


def _refused(
    decision: Decision, obligation: Obligation, answer: Answer, said: str = ""
) -> Decision:
    told = f"the {obligation.kind} that `{obligation.rule}` asks for is {answer.value}"
    return Decision(
        rules=decision.rules,
        reasons=decision.reasons,
        error=f"{obligation.kind}_{answer.value}",
        detail=said or told,
        policy_digest=decision.policy_digest,
    )
