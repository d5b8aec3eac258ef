"""What curators decide in the console, and the port to whoever carries it out."""

from typing import Literal, Protocol, get_args

import msgspec

Word = Literal["admit", "refuse"]
WORDS: tuple[Word, ...] = get_args(Word)
MAX_REASON = 2000


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to decide on an artifact.

    Attributes:
        mark: digest of all of it; a decision brings it back.
        text: exactly what is decided, for people.
        words: what may be said.
        approvers, quorum: who decides, and how many of them.
        hindrance: why this account cannot decide it here; empty if it can.
    """

    mark: str
    text: str
    words: tuple[Word, ...] = WORDS
    approvers: str = "curators"
    quorum: int = 1
    hindrance: str = ""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What a curator decided.

    Attributes:
        repository, digest: on what.
        mark: of what they saw.
        word: what.
        reason, ticket: why, in their words.
        by, peer: who, and from where.
    """

    repository: str
    digest: str
    mark: str
    word: Word
    reason: str
    ticket: str = ""
    by: str
    peer: str


class Curation(Protocol):
    """Carries out what curators decide, with its evidence and its record."""

    async def asking(self, repository: str, digest: str, by: str) -> Asking | None:
        """What there is to decide now; ``None`` if there is nothing."""
        ...

    async def rule(self, ruling: Ruling) -> None:
        """Do it.

        Raises:
            RemitError: what was decided on has changed, or they may not.
        """
        ...
