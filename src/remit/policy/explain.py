"""The working of a decision, for people at a terminal."""

from collections.abc import Mapping

import msgspec

from remit.core.decision import Decision
from remit.facts.base import Fact
from remit.policy.source import Source


class Match(msgspec.Struct, frozen=True):
    """A policy that determined a decision, and where it stands."""

    id: str
    effect: str
    file: str
    line: int
    column: int

    @classmethod
    def of(cls, source: Source) -> "Match":
        """The place of a policy."""
        return cls(source.id, source.node.effect, source.file, source.line, source.column)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and how it came about.

    Attributes:
        decision: what was answered.
        matches: the policies that determined it.
        considered: how many policies could apply to the action, agent and server.
        context: the JSON text Cedar judged; it holds argument values.
        facts: what was given as facts.
        internal: text of an engine error; it may quote argument values.
    """

    decision: Decision
    matches: tuple[Match, ...] = ()
    considered: int = 0
    context: bytes = b""
    facts: Mapping[str, Fact] = {}
    internal: str = ""
