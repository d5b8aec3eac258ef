"""Findings that somebody answers for, in the console: the port to whoever keeps them."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

MAX_REASON = 2000
MAX_DAYS = 365


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that somebody answers for, as it comes from a form.

    Attributes:
        fingerprint, rule: of the finding.
        repositories: pattern of those for which it does not count.
        reason: why not.
        days: how long.
        by, peer: who, and from where.
    """

    fingerprint: str
    rule: str
    repositories: str
    reason: str
    days: int
    by: str
    peer: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One that was made.

    Attributes:
        id: of it.
        fingerprint, rule, repositories, reason, by: as they were given.
        made_us, expires_us: from when until when.
        revoked_us: when it was ended; 0 if it was not.
    """

    id: str
    fingerprint: str
    rule: str
    repositories: str
    reason: str
    by: str
    made_us: int
    expires_us: int
    revoked_us: int = 0


class Suppressing(Protocol):
    """Keeps them, with their records, by the rules of the API."""

    async def listed(self, after: str, count: int) -> Sequence[Listed]:
        """Some, in the order in which they were made."""
        ...

    async def find(self, id_: str) -> Listed | None:
        """One of them."""
        ...

    async def suppress(self, answer: Answer) -> None:
        """Take somebody's answer for a finding.

        Raises:
            RemitError: it may not be taken.
        """
        ...

    async def revoke(self, id_: str, by: str, peer: str) -> bool:
        """End one now; ``False`` if it is over already.

        Raises:
            RemitError: this person may not.
        """
        ...
