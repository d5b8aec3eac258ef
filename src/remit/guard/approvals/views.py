"""What an approver may see: requests that policy lets them decide, and those that they decided."""

from collections.abc import Awaitable, Callable

import msgspec

from remit.approvals.decision import Word
from remit.approvals.errors import ApprovalError
from remit.approvals.quorum import State
from remit.approvals.request import Request
from remit.core.text import printable
from remit.guard.approvals.desk import Desk
from remit.guard.store.approvals import Kept

PAGE = 50
BATCH = 100
MAX_SCANNED = 600
"""How many requests one page looks at; further ones are on the next page."""
MAX_SIMILAR = 5
_LAST = "~"

_Next = Callable[[str], Awaitable[list[Kept]]]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A request in a list, without its arguments.

    Attributes:
        request: its arguments are left out.
        state: where it stands.
        approved_by: who approved.
        mine: what the reader said, empty if nothing.
    """

    request: Request
    state: State
    approved_by: tuple[str, ...]
    mine: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a list.

    Attributes:
        rows: requests.
        more: where the next page begins, empty if there is none.
    """

    rows: tuple[Row, ...]
    more: str


def said_by(kept: Kept, user: str) -> list[Word]:
    """The words of somebody that count."""
    return [s.decided.word for s in kept.said if s.counts and s.decided.approver == user]


def open_words(state: State) -> tuple[Word, ...]:
    """What can still be said of a request; what is approved can be stopped until it is used."""
    match state:
        case State.PENDING:
            return "approve", "deny"
        case State.APPROVED:
            return ("deny",)
        case _:
            return ()


class Views:
    """What each approver sees of a desk; belongs to the event loop's thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def waiting(self, user: str, now_us: int, after: str = "") -> Page:
        """Requests that wait and that ``user`` could decide, oldest first."""
        teams = self._desk.roster.teams(user)

        async def next_ones(cursor: str) -> list[Kept]:
            return await self._desk.read(lambda store: store.waiting(teams, now_us, cursor, BATCH))

        return await self._page(user, next_ones, after, waiting=True)

    async def past(self, user: str, now_us: int, before: str = "") -> Page:
        """Requests that wait no more and that ``user`` may see, newest first."""
        teams = self._desk.roster.teams(user)

        async def next_ones(cursor: str) -> list[Kept]:
            return await self._desk.read(
                lambda store: store.past(user, teams, now_us, cursor, BATCH)
            )

        return await self._page(user, next_ones, before or _LAST, waiting=False)

    async def count(self, user: str, now_us: int) -> int:
        """How many requests are open for the teams of ``user``; cheap, and before policy."""
        teams = self._desk.roster.teams(user)
        return await self._desk.read(lambda store: store.count_waiting(teams, now_us))

    async def show(self, user: str, name: str) -> tuple[Kept, State]:
        """One request, if ``user`` may see it.

        Raises:
            ApprovalError: there is none for them.
        """
        kept, state = await self._desk.show(name)
        if not self._sees(user, kept):
            raise ApprovalError(
                f"there is no request `{printable(name, 60)}`", code="approval.unknown"
            )
        return kept, state

    async def similar(self, user: str, request: Request) -> list[Kept]:
        """The newest requests for the same tool that ran before, as far as ``user`` sees them."""
        found = await self._desk.read(
            lambda store: store.used_before(request.action.name, request.id, 4 * MAX_SIMILAR)
        )
        return [kept for kept in found if self._sees(user, kept)][:MAX_SIMILAR]

    def _sees(self, user: str, kept: Kept) -> bool:
        decided = any(said.decided.approver == user for said in kept.said)
        return decided or self._desk.may_decide(kept.request, user)

    async def _page(self, user: str, next_ones: _Next, cursor: str, *, waiting: bool) -> Page:
        rows: list[Row] = []
        allowed: dict[tuple[str, ...], bool] = {}
        scanned = 0
        while scanned < MAX_SCANNED:
            found = await next_ones(cursor)
            for kept in found:
                cursor, scanned = kept.request.id, scanned + 1
                row = self._row(user, kept, allowed)
                if row is not None and (row.state is State.PENDING) == waiting:
                    rows.append(row)
                    if len(rows) == PAGE:
                        return Page(rows=tuple(rows), more=cursor)
            if len(found) < BATCH:
                return Page(rows=tuple(rows), more="")
        return Page(rows=tuple(rows), more=cursor)

    def _row(self, user: str, kept: Kept, allowed: dict[tuple[str, ...], bool]) -> Row | None:
        request, action = kept.request, kept.request.action
        mine = said_by(kept, user)
        if not mine:
            # All that the answer depends on; policy is asked once for each kind of request.
            kind = (
                request.rule, request.approvers, action.name, action.agent, action.server,
                action.user, action.on_behalf_of, action.policy_digest,
            )  # fmt: skip
            if kind not in allowed:
                allowed[kind] = self._desk.may_decide(request, user)
            if not allowed[kind]:
                return None
        return Row(
            request=request,
            state=self._desk.state_of(kept),
            approved_by=tuple(
                said.decided.approver
                for said in kept.said
                if said.counts and said.decided.word == "approve"
            ),
            mine=mine[-1] if mine else "",
        )
