"""Whether a request is decided: a pure function of what was said and who may say it.

1. One refusal refuses, if whoever refused may decide.
2. Approvals count once for each person, and only of people who may approve *now*.
3. The requester, and everybody in whose name the action is done, never counts.
4. An expired request is decided: no.
"""

import enum
from collections.abc import Callable, Iterable

import msgspec

from remit.approvals.decision import SKEW_US, Decided
from remit.approvals.request import Request, requesters

MayDecide = Callable[[str], bool]
"""Whether policy lets this user decide the request, asked anew each time."""


class State(enum.StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    USED = "used"


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The count.

    Attributes:
        state: what follows from it.
        counted: the approvals that count, one for each person, in the order they came.
        refusal: the refusal, if there is one that counts.
    """

    state: State
    counted: tuple[Decided, ...] = ()
    refusal: Decided | None = None

    @property
    def uses(self) -> int:
        """How many calls everybody whose approval counts has agreed to."""
        return min((decided.uses for decided in self.counted), default=0)


def tally(request: Request, said: Iterable[Decided], may_decide: MayDecide, now_us: int) -> Tally:
    """Count what was said about ``request``."""
    excluded = requesters(request.action)
    counted: dict[str, Decided] = {}
    for decided in said:
        name = decided.approver
        if decided.request != request.id or name in excluded or not may_decide(name):
            continue
        if decided.word == "deny":
            return Tally(state=State.DENIED, refusal=decided)
        counted.setdefault(name, decided)
    approvals = tuple(counted.values())
    # A clock that was set back before the request makes none of them young again.
    if not request.requested_us - SKEW_US <= now_us < request.expires_us:
        return Tally(state=State.EXPIRED, counted=approvals)
    enough = len(approvals) >= request.quorum
    return Tally(state=State.APPROVED if enough else State.PENDING, counted=approvals)
