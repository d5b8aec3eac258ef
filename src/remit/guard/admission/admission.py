"""Admission: whether what a server is started from may run.

Everything that decides, in this order:

1. *name*: the reference has a digest, its own or that of the lock file. A tag decides nothing.
2. *there*: the manifest with that digest is in the store; else it is pulled, unless offline.
3. *trust*: the trust root may be used: signed if a key for it is given, not expired, not older than
   one that was used before.
4. *vouched*: :class:`~remit.artifacts.verification.Verifier` finds a signature and a fresh, passed
   verification summary, under the policy that is asked for.
5. *not withdrawn*: no Hub from which it comes has withdrawn it since (:mod:`.withdrawn`).
6. *policy*: Cedar's ``artifact.load`` allows it, for this agent, with what was verified.
7. *bytes*: a private copy is made of the bytes that have the digests (:mod:`.stage`), and nothing
   else is started (:mod:`.launch`).
8. *record*: ``artifact.admit`` is on disk before the server starts; everything else is
   ``artifact.deny``.

Whatever goes wrong denies. A registry that cannot be reached changes nothing about that.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from remit.artifacts.errors import ArtifactError
from remit.artifacts.oci.names import Reference
from remit.artifacts.trust_files import load_trust
from remit.artifacts.verification import Demand, NotVerifiedError, Verification, Verifier
from remit.attest.trust import TrustRoot
from remit.core.clock import Clock
from remit.core.decision import Decision, Effect
from remit.core.errors import RemitError
from remit.core.event import Agent
from remit.core.text import printable
from remit.guard.admission import evidence, shelf
from remit.guard.admission.copies import Copies
from remit.guard.admission.launch import Launch, launch_of
from remit.guard.admission.running import DENIED, Running, Stopped, Term
from remit.guard.admission.settings import TrustConfig
from remit.guard.admission.shelf import Held
from remit.guard.admission.stage import Stage
from remit.guard.config import ServerConfig
from remit.guard.errors import GuardError
from remit.guard.ledger import Ledger
from remit.guard.mcp.upstream import BarredError
from remit.policy.loads import Load
from remit.policy.policy import Policy

REFRESH_S = 10.0
"""Longest time to ask for a newer word of the gate, while the one that is there counts."""


class Supply(Protocol):
    """Where artifacts come from that are not in the store."""

    async def pull(self, reference: Reference, store: Path) -> None:
        """Bring an artifact and all that refers to it into the store, by its digest.

        Raises:
            RemitError: it cannot be had.
        """
        ...


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """What may be started now, once.

    Attributes:
        stage: the copy that runs; whoever starts it closes it.
        launch: how it is started.
        term: on what that rests.
    """

    stage: Stage
    launch: Launch
    term: Term


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are.

    Attributes:
        store: the image layout of artifacts.
        memory: directory in which the serials of trust roots are remembered.
        copies: makes what runs.
    """

    store: Path
    memory: Path
    copies: Copies


class Known(msgspec.Struct, kw_only=True):
    """The last word on the artifact of a server, for ``status``."""

    time_us: int
    admitted: bool
    digest: str = ""
    code: str = ""
    problem: str = ""


class _Case(msgspec.Struct, kw_only=True):
    """One question on its way to an answer; what of it is known goes into the record."""

    server: ServerConfig
    agent: Agent
    user: str
    reference: Reference | None = None
    held: Held | None = None
    trust: TrustRoot | None = None
    verification: Verification | None = None
    load: Load | None = None
    passed_us: int = 0
    decision: Decision | None = None


class Admission:
    """Admits artifacts of one Guard. Belongs to the event loop's thread.

    Args:
        trust: by whose word.
        places: where things are.
        resolve: gives a reference its digest.
        supply: where artifacts come from that are not there; None to stay offline.
        running: what runs, and what Hubs have withdrawn.
        ledger, clock: records, time.

    Attributes:
        known: the last word on the artifact of each server.
        running: what was admitted and runs.
    """

    def __init__(
        self,
        trust: TrustConfig,
        places: Places,
        resolve: Callable[[Reference], Reference],
        supply: Supply | None,
        running: Running,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._trust = trust
        self._places = places
        self._resolve = resolve
        self._supply = supply
        self.running = running
        self._ledger = ledger
        self._clock = clock
        self.known: dict[str, Known] = {}

    async def admit(
        self, server: ServerConfig, policy: Policy | None, agent: Agent, user: str
    ) -> Admitted:
        """Verify what ``server`` is started from, and make the copy that is.

        Args:
            server: names the artifact.
            policy: in force for it.
            agent: for whom it is started.
            user: whose agent that is.

        Raises:
            BarredError: it may not be started; that is recorded.
        """
        case = _Case(server=server, agent=agent, user=user)
        admitted: Admitted | None = None
        try:
            admitted = await self._decide(case, policy)
            await self._record(case, admitted)
        except (RemitError, OSError) as error:
            if admitted is not None:
                admitted.stage.close()
            raise self._denied(case, error) from error
        except BaseException as error:
            if admitted is not None:
                admitted.stage.close()
            if not isinstance(error, Exception):
                raise
            problem = GuardError(
                f"the artifact cannot be verified: {type(error).__name__}", code="artifact.failed"
            )
            raise self._denied(case, problem) from error
        return admitted

    async def _decide(self, case: _Case, policy: Policy | None) -> Admitted:
        case.reference = self._resolve(Reference.parse(case.server.artifact))
        await self._vouched(case)
        self._permitted(case, policy)
        work = asyncio.to_thread(self._staged, case)
        try:
            return await asyncio.shield(task := asyncio.ensure_future(work))
        except asyncio.CancelledError:
            # Nobody waits for the copy any more.
            with contextlib.suppress(RemitError, OSError):
                (await task).stage.close()
            raise

    async def _vouched(self, case: _Case) -> None:
        """Rules 2 to 5; what is missing or too old is asked for, once."""
        try:
            await asyncio.to_thread(self._verify, case)
        except (ArtifactError, RemitError) as error:
            if not await self._pulled(case, error):
                raise
            await asyncio.to_thread(self._verify, case)
            return
        if self._aging(case) and await self._pulled(case, None):
            await asyncio.to_thread(self._verify, case)

    def _aging(self, case: _Case) -> bool:
        load = case.load
        return load is not None and load.vsa.age_s * 1_000_000 > self._trust.refresh_us

    async def _pulled(self, case: _Case, error: RemitError | None) -> bool:
        """Ask the registry; whether it gave anything.

        Raises:
            RemitError: ``error``, with what came of asking.
        """
        reference = case.reference
        if self._supply is None or reference is None or not reference.host:
            return False
        try:
            # What is there would do: nobody waits long for something newer.
            async with asyncio.timeout(None if error is not None else REFRESH_S):
                await self._supply.pull(reference, self._places.store)
        except TimeoutError:
            return False
        except RemitError as problem:
            if error is None:
                return False
            raise type_of(error)(
                error.message,
                hint=f"asked the registry as well: {problem.message}",
                code=error.code,
            ) from problem
        return True

    def _verify(self, case: _Case) -> None:
        assert case.reference is not None
        now_us = self._clock.now_us()
        case.held = held = shelf.look(self._places.store, case.reference)
        case.trust = trust = load_trust(
            self._trust.root, self._trust.key, now_us, self._places.memory
        )
        asked = self._trust.gate_policy
        demand = Demand(policy_digest=asked, summary=True, max_age_us=self._trust.max_age_us)
        repository = shelf.repository_of(case.reference)
        case.verification = found = Verifier(trust, now_us).verify(
            held.descriptor.digest, repository, held.attestations, demand
        )
        case.load = Load(
            agent=case.agent.id,
            user=case.user,
            server=case.server.id,
            kind=held.kind,
            repository=repository,
            tag=case.reference.tag,
            digest=held.descriptor.digest,
            signed_by=evidence.signers(found.examined),
            attested=evidence.attested(found.examined),
            vsa=evidence.summary(found.examined, asked, now_us),
            scan=evidence.scans(found.examined, now_us),
            now_us=now_us,
        )
        found.require()
        case.passed_us = evidence.passed_us(found.examined, asked)
        self._not_withdrawn(case)

    def _not_withdrawn(self, case: _Case) -> None:
        """Rule 5, also of what other Guards of this place have heard."""
        assert case.reference is not None
        self.running.withdrawn.load()
        said = self.running.withdrawn.about(case.reference)
        if said is not None and said.stands(case.passed_us):
            raise said.error()

    def _permitted(self, case: _Case, policy: Policy | None) -> None:
        assert case.load is not None
        if policy is None:
            raise GuardError("no policy is in force", code="artifact.no_policy")
        case.decision = found = policy.may_load(case.load)
        observed = policy.bundle.mode == "observe" and not found.error
        if found.effect is Effect.ALLOW or observed:
            return
        said = "; ".join(found.reasons) or found.detail or "a policy forbids to load it"
        raise GuardError(
            said,
            hint="policies on `artifact.load` are in artifact/ of the bundle",
            code="artifact.policy",
        )

    def _staged(self, case: _Case) -> Admitted:
        held, server = case.held, case.server
        assert held is not None
        assert case.reference is not None
        term = Term(server=server.id, reference=case.reference, passed_us=case.passed_us)
        if held.kind != "mcp-server" and not server.command:
            raise GuardError(
                f"the artifact is of the kind `{held.kind or 'unknown'}`, and no MCP server",
                hint="a server of another kind needs a command in remit.toml",
                code="artifact.kind",
            )
        made = self._places.copies.make(held)
        try:
            return Admitted(stage=made, launch=launch_of(server, made.root), term=term)
        except BaseException:
            made.close()
            raise

    async def _record(self, case: _Case, admitted: Admitted) -> None:
        """Rule 8.

        Raises:
            RemitError: it cannot be recorded.
        """
        body = _body(case)
        body["decision"] = {
            "effect": "allow",
            **_policy(case.decision),
        }
        body["command"] = [printable(word, 200) for word in admitted.launch.command[:16]]
        await self._ledger.durable(self._ledger.note("artifact.admit", **body))
        assert case.load is not None
        self.known[case.server.id] = Known(
            time_us=self._clock.now_us(), admitted=True, digest=case.load.digest
        )

    def _denied(self, case: _Case, error: RemitError | OSError) -> BarredError:
        if isinstance(error, OSError):
            error = GuardError(
                f"the artifact cannot be read or copied: {error.strerror or error}",
                code="artifact.disk",
            )
        message = printable(error.message, 400)
        found = case.decision or Decision()
        decision = msgspec.structs.replace(
            found, effect=Effect.DENY, error=DENIED, detail=f"the server was not started: {message}"
        )
        body = _body(case)
        body["decision"] = {
            "effect": "deny",
            "error": error.code,
            "detail": message,
            **_policy(case.decision),
        }
        # It is denied whether that can be written or not.
        with contextlib.suppress(RemitError):
            self._ledger.note("artifact.deny", **body)
        digest = case.reference.digest if case.reference else ""
        self.known[case.server.id] = Known(
            time_us=self._clock.now_us(),
            admitted=False,
            digest=digest,
            code=error.code,
            problem=message,
        )
        return BarredError(message, hint=error.hint, code=error.code, decision=decision)

    def stopped(self, what: Stopped) -> None:
        """A server that ran was withdrawn: that is the last word on it."""
        error = what.withdrawal.error()
        self.known[what.term.server] = Known(
            time_us=self._clock.now_us(),
            admitted=False,
            digest=what.term.reference.digest,
            code=error.code,
            problem=error.message,
        )


def type_of(error: RemitError) -> type[RemitError]:
    """The class with which an error is told again."""
    return NotVerifiedError if isinstance(error, NotVerifiedError) else RemitError


def _policy(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {}
    return {
        "policy_digest": decision.policy_digest,
        "rule_ids": list(decision.rules[:32]),
        "reasons": [printable(reason, 300) for reason in decision.reasons[:8]],
    }


def _body(case: _Case) -> dict[str, Any]:
    """What a record says, as far as it is known."""
    artifact = {"reference": printable(case.server.artifact, 400)}
    if case.reference is not None:
        artifact |= {
            "repository": shelf.repository_of(case.reference),
            "tag": case.reference.tag,
            "digest": case.reference.digest,
        }
    body: dict[str, Any] = {
        "server": case.server.id,
        "actor": {"agent": printable(case.agent.id, 200), "user": printable(case.user, 200)},
        "artifact": artifact,
    }
    if case.load is not None:
        artifact["kind"] = case.load.kind
        body["vsa"] = msgspec.to_builtins(case.load.vsa)
        body["signed_by"] = list(case.load.signed_by)
    if case.verification is not None and case.trust is not None:
        body |= evidence.recorded(case.verification, case.trust)
    return body
