"""The desk where requests wait for people. One for a Guard; belongs to the event loop's thread.

What it guarantees, and a test for each:

1. A request is in the log and in the store before anybody is told of it, and outlives Guard.
2. Nobody's word counts but that of an enrolled key, over exactly what was shown, in time, from
   somebody whom policy lets approve and for whom the action is not done.
3. All of that is checked again when the approval is used: signatures, rights, policy, action, time.
4. An approval is used once, durably, before the call goes on.
5. Whatever goes wrong is a no.

Not checked here: that the event is what goes out (the judge), and that somebody read what was
shown (nobody can).
"""

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from remit.approvals.decision import Approver, Decided, check
from remit.approvals.errors import ApprovalError
from remit.approvals.quorum import State, Tally, tally
from remit.approvals.rendering import MAX_ARGUMENTS, iso
from remit.approvals.request import Action, Request, requesters
from remit.attest.webauthn import Party
from remit.core.clock import Clock
from remit.core.decision import Obligation
from remit.core.errors import RemitError
from remit.core.event import Event
from remit.core.ids import ENTROPY_BYTES, ulid
from remit.core.text import printable
from remit.guard.approvals.roster import Roster
from remit.guard.approvals.signatures import signer_of, verified
from remit.guard.approvals.terms import Terms, action_of
from remit.guard.judge import Answer, Ticket
from remit.guard.ledger import Ledger
from remit.guard.store.approvals import ApprovalStore, InStore, Kept, Said
from remit.policy.grants import Grant
from remit.policy.policy import Policy

if TYPE_CHECKING:
    from remit.policy.bundle import Directory

MAX_OPEN = 10_000
MAX_OF_AGENT = 1_000
NONCE_BYTES = 16
MAX_LISTED = 500
_ANSWERS = {State.PENDING: Answer.PENDING, State.APPROVED: Answer.GIVEN}

_R = TypeVar("_R")


class Desk:
    """See the module's text.

    Args:
        store: where requests are kept; used from a thread of the desk's own.
        ledger, clock: records and time.
        policy_of: the policy in force for a server, if there is one.
        directory: the people whom the bundle in force names.

    Attributes:
        guard_id: of the Guard that asks.
        roster: who is enrolled.
        tell: called with each request once it is durable.
        party: the pages on which passkeys sign; ``None`` without any.
    """

    def __init__(
        self,
        store: ApprovalStore,
        ledger: Ledger,
        clock: Clock,
        policy_of: Callable[[str], Policy | None],
        directory: Callable[[], "Directory"],
    ) -> None:
        self._store = store
        self._in_store = InStore(store)
        self._ledger = ledger
        self._clock = clock
        self._policy_of = policy_of
        self.guard_id = ledger.log.origin
        self.tell: Callable[[Request], None] = lambda _request: None
        self.party: Party | None = None
        self._one = asyncio.Lock()
        self.roster = Roster(store, self._in_store, ledger, clock, directory, self._one)
        # Somebody waits for a request exactly as long as its event is in here.
        self._changed: weakref.WeakValueDictionary[str, asyncio.Event] = (
            weakref.WeakValueDictionary()
        )

    # --- the call's side ------------------------------------------------------------------------

    async def ask(
        self, policy: Policy, event: Event, obligation: Obligation,
        findings: tuple[str, ...], labels: tuple[str, ...],
    ) -> Ticket:  # fmt: skip
        """The request for an event: that of an identical call, or a new one.

        Raises:
            RemitError: nobody can be asked.
        """
        terms = Terms.of(obligation)
        action = action_of(event, policy)
        async with self._one:
            now_us = self._clock.now_us()
            kept = await self._in_store(self._store.find, action.digest, obligation.rule, now_us)
            if kept is None:
                kept = await self._request(action, event, obligation, terms, findings, labels)
        if not terms.are_of(kept.request):
            raise ApprovalError(
                "the stored request is not what policy asks for", code="approval.stored"
            )
        return self._ticket(kept)

    def _ticket(self, kept: Kept) -> Ticket:
        state = self.state_of(kept)
        return Ticket(
            request=kept.request.id,
            answer=_ANSWERS.get(state, Answer.REFUSED),
            detail=self._detail(kept, state),
        )

    async def _request(
        self, action: Action, event: Event, obligation: Obligation, terms: Terms,
        findings: tuple[str, ...], labels: tuple[str, ...],
    ) -> Kept:  # fmt: skip
        now_us = self._clock.now_us()
        if len(action.arguments.encode()) > MAX_ARGUMENTS:
            raise ApprovalError(
                "the arguments are larger than a person can read", code="approval.too_large"
            )
        in_all, of_agent = await self._in_store(self._store.count_open, now_us, action.agent)
        if in_all >= MAX_OPEN or of_agent >= MAX_OF_AGENT:
            raise ApprovalError("too many requests wait", code="approval.too_many")
        request = Request(
            id=f"APR-{ulid(now_us, os.urandom(ENTROPY_BYTES))}",
            guard=self.guard_id,
            action=action,
            rule=obligation.rule,
            reason=obligation.reason,
            approvers=terms.approvers,
            quorum=terms.quorum,
            max_uses=terms.max_uses,
            tool_class=event.tool_class,
            findings=findings,
            labels=labels,
            requested_us=now_us,
            expires_us=now_us + terms.span_us,
            nonce=os.urandom(NONCE_BYTES).hex(),
        )
        index = self._ledger.note(
            "approval.request",
            private={"args_c": (action.agent, action.arguments.encode())},
            request=request.id,
            digest=action.digest,
            actor={
                "agent": printable(action.agent, 200), "user": printable(action.user, 200),
            },
            session=action.session,
            call=event.id,
            action={"server": action.server, "name": printable(action.name, 300)},
            rule=request.rule,
            approvers=printable(request.approvers, 200),
            quorum=request.quorum,
            expires_us=request.expires_us,
            policy_digest=action.policy_digest,
        )  # fmt: skip
        await self._ledger.durable(index)
        request = msgspec.structs.replace(request, index=index)
        await self._in_store(self._store.add, request)
        self.tell(request)
        return Kept(request=request, used=False)

    async def settled(self, ticket: Ticket) -> Ticket:
        """The request once people have decided, or it has expired.

        Raises:
            RemitError: it cannot be read.
        """
        while True:
            changed = self._changed.setdefault(ticket.request, asyncio.Event())
            kept = await self._known(ticket.request)
            now = self._ticket(kept)
            if now.answer is not Answer.PENDING:
                return now
            left_s = (kept.request.expires_us - self._clock.now_us()) / 1e6
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), max(0.0, left_s) + 0.01)

    async def use(self, ticket: Ticket, policy: Policy, event: Event) -> None:
        """Use up the approval of an event that policy allows now; returns when that is durable.

        Raises:
            RemitError: the approval does not hold, or not for this; the event may not go on.
        """
        # Nobody's word or key may end between the look and the use.
        async with self._one:
            index = await self._use(await self._known(ticket.request), policy, event)
        await self._ledger.durable(index)

    async def _use(self, kept: Kept, policy: Policy, event: Event) -> int:
        """Use up an approval; the index of its record."""
        request = kept.request
        if action_of(event, policy).digest != request.action.digest:
            raise ApprovalError("another action was approved", code="approval.mismatch")
        if kept.used:
            raise ApprovalError("the approval was used before", code="approval.twice")
        await self._verify_again(kept)
        found = self._tally(kept)
        if found.state is not State.APPROVED:
            raise ApprovalError(f"the request is {found.state.value}", code="approval.not_given")
        counted = [decided.digest for decided in found.counted]
        await self._in_store(self._store.use, request.id, counted, found.uses, self._clock.now_us())
        return self._ledger.note(
            "approval.consume",
            request=request.id,
            digest=request.action.digest,
            call=event.id,
            session=event.session,
            approvers=[printable(decided.approver, 100) for decided in found.counted],
            attestations=counted,
        )

    async def _verify_again(self, kept: Kept) -> None:
        """Read every word that counts from its signed bytes.

        Raises:
            RemitError: one does not verify.
        """
        known = {a.key: a for a in await self.roster.all()}
        now_us = self._clock.now_us()
        for said in kept.said:
            if not said.counts:
                continue
            approver = known.get(said.key)
            if approver is None or not self.roster.counts(approver):
                raise ApprovalError(
                    f"the key of `{said.decided.approver}` no longer counts",
                    code="approval.revoked",
                )
            if self._read(said.bundle, approver, kept.request, now_us) != said.decided:
                raise ApprovalError("what is stored is not what was signed", code="approval.stored")

    # --- the people's side ----------------------------------------------------------------------

    async def say(self, name: str, bundle: bytes, source: str) -> Tally:
        """Take somebody's signed word on a request.

        Args:
            name: id of the request.
            bundle: Sigstore bundle of the signed statement, or the evidence of a passkey.
            source: how it came, for the record.

        Raises:
            RemitError: it does not count; that is recorded, and nothing has changed.
        """
        try:
            async with self._one:
                return await self._say(name, bundle, source)
        except RemitError as error:
            self._ledger.note(
                "approval.refused", request=printable(name, 60), code=error.code, source=source
            )
            raise

    async def _say(self, name: str, bundle: bytes, source: str) -> Tally:
        kept = await self._known(name)
        signs = signer_of(bundle)
        approvers = await self.roster.all()
        approver = next((a for a in approvers if self.roster.counts(a) and signs(a)), None)
        if approver is None:
            raise ApprovalError(
                "nobody is enrolled with this key",
                hint="`remit approvals enrol` does it; a bundle may name the keys that count",
                code="approval.stranger",
            )
        decided = self._read(bundle, approver, kept.request, self._clock.now_us())
        if decided.approver in requesters(kept.request.action):
            raise ApprovalError("nobody decides what is done for them", code="approval.requester")
        if not self._may(kept.request, decided.approver):
            raise ApprovalError(
                f"policy does not let `{decided.approver}` decide this",
                hint=f"members of `{kept.request.approvers}` may, as far as `approval.grant` "
                "permits it, while the policy in force is the one that asked",
                code="approval.not_permitted",
            )
        state = self.state_of(kept)
        # What is approved can still be stopped, until a call has used it.
        stops = state is State.APPROVED and decided.word == "deny"
        if state is not State.PENDING and not stops:
            raise ApprovalError(f"the request is {state.value}", code="approval.settled")
        if any(
            s.counts and s.decided.approver == decided.approver and s.decided.word == decided.word
            for s in kept.said
        ):
            raise ApprovalError("you have said so before", code="approval.twice")
        index = self._ledger.note(
            "approval.decision",
            request=kept.request.id,
            digest=kept.request.action.digest,
            approver=printable(decided.approver, 100),
            name=printable(approver.name, 200),
            decision=decided.word,
            reason=printable(decided.reason, 500),
            ticket=printable(decided.ticket, 200),
            signed_at=iso(decided.signed_us),
            attestation=decided.digest,
            key=approver.public.fingerprint,
            source=source,
        )
        await self._ledger.durable(index)
        said = Said(decided=decided, key=approver.key, bundle=bundle)
        await self._in_store(self._store.say, said)
        after = self._tally(msgspec.structs.replace(kept, said=(*kept.said, said)))
        changed = self._changed.pop(kept.request.id, None)
        if changed is not None:
            changed.set()
        return after

    # --- what is shown --------------------------------------------------------------------------

    async def listing(self, limit: int, *, closed: bool = False) -> list[tuple[Kept, State]]:
        """Requests with their states: open ones oldest first, or closed ones newest first."""
        now_us = self._clock.now_us()
        work = self._store.closed if closed else self._store.open
        found = await self._in_store(work, now_us, limit)
        return [(kept, self.state_of(kept)) for kept in found]

    async def show(self, name: str) -> tuple[Kept, State]:
        """One request.

        Raises:
            ApprovalError: there is none.
        """
        kept = await self._known(name)
        return kept, self.state_of(kept)

    async def read(self, work: Callable[[ApprovalStore], _R]) -> _R:
        """What the store says, asked in its thread."""
        return await self._in_store(work, self._store)

    def may_decide(self, request: Request, user: str) -> bool:
        """Whether ``user`` could decide ``request`` now, were it open."""
        return user not in requesters(request.action) and self._may(request, user)

    def state_of(self, kept: Kept) -> State:
        """Where a stored request stands now."""
        return State.USED if kept.used else self._tally(kept).state

    async def count(self) -> int:
        """How many requests are open."""
        return (await self._in_store(self._store.count_open, self._clock.now_us()))[0]

    def close(self) -> None:
        """Close the store."""
        self._in_store.close()

    def _read(self, bundle: bytes, approver: Approver, request: Request, now_us: int) -> Decided:
        """What a bundle says, verified with the approver's key."""
        return check(verified(bundle, approver, self.party), request, approver, now_us)

    # --- rights ---------------------------------------------------------------------------------

    async def _known(self, name: str) -> Kept:
        kept = await self._in_store(self._store.get, name)
        if kept is None:
            raise ApprovalError(
                f"there is no request `{printable(name, 60)}`",
                hint="`remit approvals list` shows them",
                code="approval.unknown",
            )
        return kept

    def _tally(self, kept: Kept) -> Tally:
        said = [said.decided for said in kept.said if said.counts]
        return tally(
            kept.request, said, lambda user: self._may(kept.request, user), self._clock.now_us()
        )

    def _may(self, request: Request, user: str) -> bool:
        """Whether the policy in force, if it is the one that asked, lets ``user`` decide."""
        action = request.action
        policy = self._policy_of(action.server)
        if policy is None or policy.digest != action.policy_digest:
            return False
        grant = Grant(
            user=user,
            rule=request.rule,
            approvers=request.approvers,
            action=action.name,
            agent=action.agent,
            server=action.server,
            requester=action.user,
            now_us=self._clock.now_us(),
        )
        return policy.may_approve(grant).allowed

    def _detail(self, kept: Kept, state: State) -> str:
        request, found = kept.request, self._tally(kept)
        match state:
            case State.PENDING:
                got = f", {len(found.counted)} of {request.quorum} given" if found.counted else ""
                who = f"{request.quorum} of `{request.approvers}`"
                return (
                    f"{request.id} waits for approval by {who}{got}, until "
                    f"{iso(request.expires_us)}; make exactly the same call again later"
                )
            case State.DENIED if found.refusal is not None:
                why = found.refusal.reason or "no reason given"
                return (
                    f"{request.id} was refused by {found.refusal.approver}: {printable(why, 200)}"
                )
            case _:
                return f"{request.id} is {state.value}"
