"""What Guard remembers of an agent: labels, where values came from, what it took out.

An agent has a connection to every server that it uses. What it reads on one it can write on
another, so its connections share one memory. Their counts stay their own.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from remit.facts.session import SessionState

if TYPE_CHECKING:
    from remit.content.provenance import Provenance, Repeated
    from remit.content.vault import SessionVault

KEY_BYTES = 32
UNINSPECTED = "uninspected"
MAX_MEMORIES = 8192
MAX_ASKED = 512
KEPT_S = 3600.0


class _Asked(NamedTuple):
    """What is known of a call when its answer comes."""

    named: bool
    internal: bool
    repeated: "Repeated"


class Memory:
    """Of one run of an agent. Its parts are made when they are first needed: most need none.

    Attributes:
        labels: marks such as ``untrusted``; they are only ever added.
        sessions: how many connections share it.
        left_s: when the last one ended, in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.sessions = 0
        self.left_s = 0.0
        self._provenance: Provenance | None = None
        self._vault: SessionVault | None = None
        self._key = b""
        self._missed = False
        # Calls whose answer is not there yet.
        self._asked: dict[str, _Asked] = {}

    @property
    def provenance(self) -> "Provenance":
        """Where values came from."""
        if self._provenance is None:
            from remit.content.provenance import Provenance

            self._provenance = Provenance()
            if self._missed:
                self._provenance.miss()
        return self._provenance

    @property
    def vault(self) -> "SessionVault":
        """Values that were taken out, by their tokens."""
        if self._vault is None:
            from remit.content.vault import SessionVault

            self._vault = SessionVault(os.urandom)
        return self._vault

    @property
    def holds_values(self) -> bool:
        """Whether one of its tokens can be in anything."""
        return self._vault is not None

    @property
    def key(self) -> bytes:
        """For digests that are equal for equal values of this agent alone."""
        self._key = self._key or os.urandom(KEY_BYTES)
        return self._key

    def used(self, call: str, arguments: Mapping[str, Any], *, internal: bool) -> None:
        """Remember what a call was made with, and whether its answer is worth more than others.

        It is if the user named what the call asks for, or if the call changes something of the
        user's own (``internal``): then what was not in the call is the service's word.
        """
        from remit.content.provenance import Repeated

        if len(self._asked) >= MAX_ASKED:
            self._asked.pop(next(iter(self._asked)))
        named = self.provenance.names(arguments)
        self._asked[call] = _Asked(named, internal, Repeated.of(arguments))
        self.provenance.used(arguments)

    def read(self, call: str, value: Any, *, trusted: bool, listing: bool, clean: bool) -> None:
        """Remember what the agent was given; ``clean`` if it does not speak to the model."""
        asked = self._asked.pop(call, None)
        if asked is None:
            self.provenance.result(value, trusted=trusted, listing=listing)
            return
        self.provenance.result(
            value,
            trusted=trusted,
            listing=listing,
            named=clean and asked.named,
            made=clean and asked.internal,
            repeated=asked.repeated,
        )

    def miss(self) -> None:
        """The agent was given something that nobody remembers: it can be the source of all."""
        self._missed = True
        if self._provenance is not None:
            self._provenance.miss()


class SessionMemory(SessionState):
    """One connection: counts of its own, and the agent's memory.

    Attributes:
        memory: shared with the agent's other connections, its labels are the session's.
        ended: whether the connection has ended.
    """

    __slots__ = ("ended", "memory")

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__()
        self.memory = memory or Memory()
        self.labels = self.memory.labels
        self.ended = False


class Memories:
    """Memories by their scope: which run of which agent. Belongs to the event loop's thread.

    A memory outlives its last connection by an hour, so that an agent does not forget what it read
    by connecting again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Memory] = {}

    def session(self, scope: str) -> SessionMemory:
        """A new connection in ``scope``."""
        self._forget()
        memory = self._kept.setdefault(scope, Memory())
        memory.sessions += 1
        return SessionMemory(memory)

    def left(self, session: SessionMemory) -> None:
        """A connection ended; it may be said more than once."""
        if not session.ended:
            session.ended = True
            session.memory.sessions -= 1
            session.memory.left_s = time.monotonic()

    def _forget(self) -> None:
        """Drop what was unused for an hour; if there are too many, the longest unused first."""
        now_s = time.monotonic()
        idle = sorted((m.left_s, scope) for scope, m in self._kept.items() if m.sessions <= 0)
        for left_s, scope in idle:
            if now_s - left_s > KEPT_S or len(self._kept) >= MAX_MEMORIES:
                del self._kept[scope]
