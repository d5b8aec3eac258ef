"""One server under policy: its configuration, its pins and the judge its sessions share."""

import os
from pathlib import Path
from typing import Any

from remit.core.clock import Clock
from remit.core.decision import Decision
from remit.core.text import printable
from remit.facts.base import Environment
from remit.facts.usage import Usage
from remit.guard.config import ServerConfig
from remit.guard.errors import GuardError
from remit.guard.judge import Guard
from remit.guard.ledger import Ledger
from remit.guard.store.pins import PinStore
from remit.policy.bundle import Bundle
from remit.policy.pins import PinnedServer
from remit.policy.policy import Policy, Watch


class GovernedServer:
    """A server and the policy in force for it. Belongs to the event loop's thread.

    Attributes:
        config: how it is started.
        guard: judges its events.
        pins: where its accepted tools are kept.
    """

    def __init__(
        self, config: ServerConfig, bundle: Bundle, usage: Usage, ledger: Ledger, clock: Clock,
        pins: Path,
    ) -> None:  # fmt: skip
        self.config = config
        self._ledger = ledger
        self._pins_path = pins
        self._bundle = bundle
        self._fitted: PinnedServer | None = None
        self.pins = PinStore(bundle.lock, pins)
        self.guard = Guard(
            ledger=ledger, usage=usage, environment=self._environment(bundle), clock=clock
        )

    @property
    def policy(self) -> Policy | None:
        """The policy in force."""
        return self.guard.policy

    def open(self) -> None:
        """Compile against what is pinned already, so that a bundle that does not fit fails now.

        Nothing pinned yet: the bundle without tools still judges the connection.

        Raises:
            RemitError: the bundle does not fit, or the pins cannot be read.
        """
        self._put(*self.prepare(self._bundle))

    def prepare(self, bundle: Bundle) -> tuple[Policy, PinnedServer | None]:
        """Compile ``bundle`` for this server without putting it in force.

        Raises:
            RemitError: it does not fit, or the pins cannot be read.
        """
        pinned = PinStore(bundle.lock, self._pins_path).get(self.config.id)
        return _compiled(bundle, [] if pinned is None else [pinned]), pinned

    def adopt(
        self, bundle: Bundle, prepared: tuple[Policy, PinnedServer | None], usage: Usage
    ) -> None:
        """Put a prepared bundle in force, from the next decision on."""
        self._bundle = bundle
        self.pins = PinStore(bundle.lock, self._pins_path)
        self.guard.replace(usage, self._environment(bundle))
        self.guard.suspended = None
        self._put(*prepared)

    def suspend(self, why: Decision) -> None:
        """Take the policy out of force: everything is denied so until another one is adopted."""
        self.guard.suspended = why
        self.guard.policy = None

    def fit(self, pinned: PinnedServer) -> None:
        """Compile the bundle in force for the tools of ``pinned``, unless that was done.

        Raises:
            RemitError: the bundle does not fit them, or is not in force any more.
        """
        if self.guard.suspended is not None:
            raise GuardError(self.guard.suspended.detail, code="policy.withdrawn")
        if self._fitted != pinned:
            self._put(_compiled(self._bundle, [pinned]), pinned)

    def _put(self, policy: Policy, pinned: PinnedServer | None) -> None:
        self.guard.policy = policy
        self._fitted = pinned
        self._ledger.note("policy.load", server=self.config.id, **about(policy))

    def _environment(self, bundle: Bundle) -> Environment:
        return Environment(
            workspace=str(self.config.workspace),
            realpath=os.path.realpath,
            cwd=str(self.config.cwd),
            matchers=bundle.matchers,
        )


def out_of_force(why: str) -> Decision:
    """The answer to everything once the policy bundle in force was withdrawn."""
    return Decision(
        error="policy_withdrawn", detail=f"no policy is in force: the policy bundle {why}"
    )


def _compiled(bundle: Bundle, pinned: list[PinnedServer]) -> Policy:
    """A policy that is ready to judge: what it inspects with is loaded."""
    policy = Policy.compile(bundle, pinned)
    if policy.watch != Watch():
        policy.inspector.warm()
    return policy


def about(policy: Policy) -> dict[str, Any]:
    """What a record says of a policy."""
    bundle = policy.bundle
    return {
        "policy_digest": policy.digest,
        "serial": bundle.serial,
        "name": printable(bundle.name, 100),
        "mode": bundle.mode,
    }
