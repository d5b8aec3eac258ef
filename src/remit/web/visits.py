"""Visits of browsers: who is logged in, what they were asked to sign, and who tries too often.

A visit is known by 256 random bits in a cookie; kept is their digest, in memory alone. Logging in
begins a new visit, so nobody can prepare one for somebody else. A visit shows; it signs nothing:
for that the passkey is asked each time.
"""

import hashlib
import secrets
from typing import Any

import msgspec

from remit.core.clock import Clock

TOKEN_BYTES = 32
TASK_NS = 120 * 1_000_000_000
MINUTE_NS = 60 * 1_000_000_000
MAX_WATCHED = 4096


class Task(msgspec.Struct, frozen=True):
    """What a browser was asked to have signed; it can answer once and for two minutes.

    Attributes:
        challenge: what the authenticator signs.
        about: what for.
        until_ns: monotonic time.
    """

    challenge: bytes
    about: Any
    until_ns: int


class Visit:
    """One browser.

    Attributes:
        csrf: secret of its forms.
        user: who is logged in; empty before that.
        key: of the approver who logged in.
        task: what it was asked to have signed last.
        used_ns: monotonic time of the last request by a person.
    """

    def __init__(self, user: str, key: bytes, now_ns: int) -> None:
        self.csrf = secrets.token_urlsafe(TOKEN_BYTES)
        self.user = user
        self.key = key
        self.task: Task | None = None
        self.used_ns = now_ns


class Visits:
    """Visits of one kind.

    Args:
        clock: time.
        idle_s: how long a visit lasts without a request.
        limit: how many there are at most; the one that is idle longest goes first.
    """

    def __init__(self, clock: Clock, idle_s: float, limit: int) -> None:
        self._clock = clock
        self._idle_ns = int(idle_s * 1e9)
        self._limit = limit
        self._known: dict[bytes, Visit] = {}

    def begin(self, user: str = "", key: bytes = b"") -> tuple[str, Visit]:
        """A new visit, and its secret."""
        now_ns = self._clock.monotonic_ns()
        for name, visit in list(self._known.items()):
            if now_ns - visit.used_ns > self._idle_ns:
                del self._known[name]
        if len(self._known) >= self._limit:
            del self._known[min(self._known, key=lambda name: self._known[name].used_ns)]
        token, visit = secrets.token_urlsafe(TOKEN_BYTES), Visit(user, key, now_ns)
        self._known[_digest(token)] = visit
        return token, visit

    def find(self, token: str, *, by_person: bool = True) -> Visit | None:
        """The visit of a secret; a request that no person made keeps none alive."""
        name, now_ns = _digest(token), self._clock.monotonic_ns()
        visit = self._known.get(name)
        if visit is None:
            return None
        if now_ns - visit.used_ns > self._idle_ns:
            del self._known[name]
            return None
        if by_person:
            visit.used_ns = now_ns
        return visit

    def end(self, token: str) -> None:
        """Forget a visit."""
        self._known.pop(_digest(token), None)

    def give(self, visit: Visit, challenge: bytes, about: Any) -> None:
        """Ask a browser to have something signed, in place of what it was asked before."""
        visit.task = Task(challenge, about, self._clock.monotonic_ns() + TASK_NS)

    def take(self, visit: Visit) -> Task | None:
        """What a browser was asked, if it still counts; after this it does not."""
        task, visit.task = visit.task, None
        return task if task is not None and self._clock.monotonic_ns() <= task.until_ns else None


class Attempts:
    """Counts what failed, by whom, in the current minute."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._minute = 0
        self._failed: dict[str, int] = {}

    def blocked(self, who: str) -> bool:
        """Whether somebody failed too often."""
        self._turn()
        return self._failed.get(who, 0) >= self._limit or len(self._failed) >= MAX_WATCHED

    def failed(self, who: str) -> int:
        """Count a failure; how many there are in this minute, of everybody."""
        self._turn()
        self._failed[who] = self._failed.get(who, 0) + 1
        return sum(self._failed.values())

    def _turn(self) -> None:
        minute = self._clock.monotonic_ns() // MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            self._failed.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
