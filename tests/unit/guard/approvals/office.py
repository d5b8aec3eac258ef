"""A Guard whose policy asks for approvals, with a desk over a real store, and people with keys."""

import asyncio

from cryptography.hazmat.primitives.asymmetric import ec

from remit.approvals.decision import Approver, statement
from remit.approvals.enrolment import enrol
from remit.approvals.quorum import State
from remit.attest.bundle import dump_bundle
from remit.attest.cipher import SubjectCipher
from remit.attest.dsse import sign
from remit.attest.ecdsa import FileSigner
from remit.core.event import ToolClass
from remit.guard.approvals.desk import Desk
from remit.guard.store.approvals import ApprovalStore
from remit.policy.bundle import load_bundle
from remit.policy.pins import pin
from remit.policy.policy import Policy
from tests.unit.guard.helpers import SERVER, TOOLS, Corridor, event

POLICIES = """
@id("tools")
permit (principal, action in [Remit::Action::"srv/get", Remit::Action::"srv/pay"], resource);
@id("one")
@require("approval") @approvers("treasury") @expires("10m") @reason("More than 10")
forbid (principal, action == Remit::Action::"srv/pay", resource)
when { context.input has amount && context.input.amount > 10 }
unless { context.fulfilled.contains("one") };
@id("two")
@require("approval") @approvers("treasury") @quorum("2") @expires("10m")
forbid (principal, action == Remit::Action::"srv/pay", resource)
when { context.input has amount && context.input.amount > 1000 }
unless { context.fulfilled.contains("two") };
@id("often")
@require("approval") @approvers("treasury") @uses("3")
forbid (principal, action == Remit::Action::"srv/get", resource)
when { context.input has key && context.input.key == "rare" }
unless { context.fulfilled.contains("often") };
"""
WHO = """
@id("treasury")
permit (principal in Remit::Team::"treasury", action == Remit::Action::"approval.grant", resource)
unless { principal == resource.requester };
"""
PEOPLE = """
[users.ann]
teams = ["treasury"]
[users.ben]
teams = ["treasury"]
[users.alice]
teams = ["treasury"]
[users.dan]
teams = ["sales"]
"""


class Hand:
    """Somebody's key."""

    def __init__(self, user):
        self.user = user
        self.signer = FileSigner(ec.generate_private_key(ec.SECP256R1()))
        self.approver = Approver(id=user, name=user.title(), key=self.signer.public.der)

    def enrolment(self, guard):
        envelope = enrol(self.user, self.approver.name, guard, self.signer)
        return dump_bundle(envelope, self.signer.public)

    def word(self, request, now_us, word="approve", *, reason="", ticket="", uses=1):
        payload = statement(
            request, self.approver, word, reason=reason, ticket=ticket, signed_us=now_us, uses=uses
        )
        return dump_bundle(sign(payload, self.signer), self.signer.public)


class Waiting:
    """A surface that waits for people for as long as the test says."""

    def __init__(self, patient=True):
        self.patient = patient

    async def fulfil(self, event, obligation):
        raise AssertionError("nobody is asked to confirm")

    async def hold(self, decided):
        if not self.patient:
            return False
        await decided
        return True


class Office(Corridor):
    """See the module's text; use inside a running loop."""

    def __init__(self, directory, policies=POLICIES, *, people=PEOPLE, who=WHO):
        for name, text in (("approval/who.cedar", who), ("entities/people.toml", people)):
            path = directory / "bundle" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        super().__init__(directory, policies)
        self.hands = {user: Hand(user) for user in ("ann", "ben", "dan", "alice")}
        self.desk = self.open_desk()
        self.guard.approvals = self.desk

    def open_desk(self):
        keys = self.directory / "keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        store = ApprovalStore(self.directory / "approvals.db", SubjectCipher(keys))
        return Desk(
            store,
            self.ledger,
            self.clock,
            lambda server: self.guard.policy if server == SERVER else None,
            lambda: self.bundle.entities,
        )

    async def enrol(self, *users):
        for user in users or ("ann", "ben"):
            hand = self.hands[user]
            await self.desk.roster.enrol(
                hand.enrolment(self.desk.guard_id), hand.signer.public.pem, "root"
            )
        return self

    async def waits(self, an_event):
        """Make a call that cannot wait; returns its verdict and its new request."""
        known = {kept.request.id for kept, _ in await self.desk.listing(100)}
        verdict = await self.judge(an_event, Waiting(patient=False))
        (request,) = [
            kept.request for kept, _ in await self.desk.listing(100) if kept.request.id not in known
        ]
        return verdict, request

    async def open_request(self, rule):
        """Wait until somebody has to decide about a call for ``rule``."""
        while True:
            for kept, state in await self.desk.listing(10):
                if state is State.PENDING and kept.request.rule == rule:
                    return kept.request
            await asyncio.sleep(0.01)

    async def says(self, user, request, word="approve", **more):
        bundle = self.hands[user].word(request, self.clock.now, word, **more)
        return await self.desk.say(request.id, bundle, "test")

    def rewrite(self, name, old, new):
        """Change a file of the bundle and put it in force."""
        path = self.directory / "bundle" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.bundle = load_bundle(self.directory / "bundle")
        self.guard.policy = Policy.compile(self.bundle, [pin(SERVER, TOOLS)])

    def close(self):
        self.desk.close()
        super().close()


def pay(amount=50, to="x", **more):
    return event("pay", {"amount": amount, "to": to}, tool_class=ToolClass.DESTRUCTIVE, **more)
