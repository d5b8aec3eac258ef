"""What people say of artifacts: decisions of curators, and findings that somebody answers for.

Each is an in-toto statement (``spec/predicate-decision.md``, ``spec/predicate-suppression.md``),
signed by the person where they have a key. What counts is the statement; a row of the database only
helps to find it.
"""

from typing import Literal

import msgspec

Said = Literal["admit", "refuse"]
SAID: tuple[Said, ...] = ("admit", "refuse")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A curator's word on one artifact in one repository.

    Attributes:
        id: of its row.
        word: what was decided.
        by: the account.
        reason: as they wrote it.
        policy: digest of the policy that left it to them; an admission counts for no other.
        results: digest of what the scanners had found; likewise.
        key: fingerprint of the key that signed it; empty if none did.
        made_us: when; ``expires_us`` until when it counts, 0 for no end.
    """

    id: str
    word: Said
    by: str
    reason: str = ""
    policy: str = ""
    results: str = ""
    key: str = ""
    made_us: int = 0
    expires_us: int = 0


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that somebody answers for.

    Attributes:
        id: of its row.
        fingerprint: of the finding.
        pattern: of the repositories for which it does not count.
        rule: of the finding, for people.
        by, reason: who answers for it, and why.
        key: fingerprint of the key that signed it; empty if none did.
        made_us: when; ``expires_us`` until when it counts; ``revoked_us`` from when it does not.
    """

    id: str
    fingerprint: str
    pattern: str
    rule: str = ""
    by: str = ""
    reason: str = ""
    key: str = ""
    made_us: int = 0
    expires_us: int
    revoked_us: int = 0
