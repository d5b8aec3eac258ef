"""What a Guard does with what Hubs withdraw: stop what runs, take policy out of force, record it.

The order is the same each time: it counts, what runs is stopped, it is recorded, it is put on disk.
A crash between any two of these is made good by the next start, which asks for everything.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from remit.artifacts.oci.names import Reference
from remit.core.clock import Clock
from remit.core.errors import RemitError
from remit.core.text import printable
from remit.guard.admission.poll import Ask, Poller
from remit.guard.admission.running import Running, Stopped
from remit.guard.admission.withdrawn import Withdrawal, Withdrawn, heard
from remit.guard.config import Config
from remit.guard.ledger import Ledger

MAX_NOTED = 16


class Watch:
    """Belongs to the event loop's thread.

    Args:
        withdrawn: what is remembered.
        config: as it is now.
        ask: asks a Hub, by the configuration as it is now.
        ledger, clock: records, time.
        random: numbers from 0 to 1.

    Attributes:
        running: what was admitted and runs.
        poller: asks Hubs.
        stopped: is told of each server that was stopped.
        bundle: looks whether the policy bundle in force was withdrawn, after each answer; awaited.
    """

    def __init__(
        self,
        withdrawn: Withdrawn,
        config: Callable[[], Config],
        ask: Ask,
        ledger: Ledger,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._withdrawn = withdrawn
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self.running = Running(withdrawn)
        self.stopped: Callable[[Stopped], None] = lambda _what: None
        self.bundle: Callable[[], None] = lambda: None
        self.poller = Poller(
            lambda: places_of(config()),
            self._every_s,
            ask,
            self._heard,
            ledger.note,
            clock,
            random,
        )

    def _every_s(self) -> float:
        found = self._config()
        if found.trust is None or found.artifacts.offline:
            return 0
        return found.trust.withdrawals_s

    async def _heard(self, host: str, said: Sequence[Mapping[str, Any]]) -> None:
        """Take a page of a Hub's list.

        Raises:
            RemitError: it counts and is recorded, and is not on disk.
        """
        now_us = self._clock.now_us()
        ours = places_of(self._config()).get(host, frozenset())
        found = [heard(host, each, now_us) for each in said]
        fresh = self._withdrawn.hear(
            each for each in found if each is not None and each.repository in ours
        )
        stopped = self.look()
        self._noted(fresh, stopped)
        if self._withdrawn.dirty:
            await asyncio.to_thread(self._withdrawn.keep)

    def look(self) -> list[Stopped]:
        """Stop whatever was withdrawn."""
        stopped = self.running.recall()
        for each in stopped:
            self.stopped(each)
        self.bundle()
        return stopped

    def _noted(self, fresh: Sequence[Withdrawal], stopped: Sequence[Stopped]) -> None:
        servers: dict[str, list[str]] = {}
        for one in stopped:
            servers.setdefault(one.withdrawal.key, []).append(one.term.server)
        first = sorted(fresh, key=lambda each: (each.key not in servers, not each.used))
        for each in first[:MAX_NOTED]:
            self._note(each, servers.get(each.key, []), more=max(0, len(first) - MAX_NOTED))

    def _note(self, each: Withdrawal, servers: Sequence[str], *, more: int) -> None:
        body: dict[str, Any] = {
            "artifact": {
                "repository": printable(f"{each.host}/{each.repository}", 400),
                "digest": each.digest,
            },
            "decision": {"effect": "deny", "error": "artifact.withdrawn", "detail": each.reason},
            "withdrawal": {
                "hub": each.host,
                "state": each.state,
                "changed_us": each.changed_us,
                "heard_us": each.heard_us,
            },
            "stopped": sorted(servers)[:MAX_NOTED],
        }
        if more:
            body["withdrawal"]["not_noted"] = more
        # It counts whether that can be written or not.
        with contextlib.suppress(RemitError):
            self._ledger.note("artifact.withdraw", **body)

    def unloaded(self, said: Withdrawal) -> None:
        """Record that the policy bundle is out of force."""
        artifact = {"repository": printable(f"{said.host}/{said.repository}", 400)}
        with contextlib.suppress(RemitError):
            self._ledger.note(
                "policy.unload",
                code="policy.withdrawn",
                detail=printable(said.error().message, 400),
                artifact={**artifact, "digest": said.digest},
            )

    def shown(self) -> dict[str, Any]:
        """For ``status``."""
        return {
            "every_s": int(self._every_s()),
            "hubs": [
                {
                    "host": hub.host,
                    "asked_us": hub.asked_us,
                    "heard_us": hub.heard_us,
                    "problem": hub.problem,
                    "code": hub.code,
                }
                for _, hub in sorted(self.poller.hubs.items())
            ],
            "withdrawn": [
                {
                    "artifact": f"{each.host}/{each.repository}@{each.digest}",
                    "state": each.state,
                    "reason": each.reason,
                    "changed_us": each.changed_us,
                }
                for each in self._withdrawn.standing()
            ],
        }


def places_of(config: Config) -> dict[str, frozenset[str]]:
    """The repositories from which something of a configuration comes, by the host of their Hub."""
    found: dict[str, set[str]] = {}
    named = [server.artifact for server in config.servers.values() if server.artifact]
    for text in [*named, config.bundle_reference]:
        if not text:
            continue
        reference = Reference.parse(text)
        if reference.host:
            found.setdefault(reference.host, set()).add(reference.repository)
    return {host: frozenset(each) for host, each in found.items()}
