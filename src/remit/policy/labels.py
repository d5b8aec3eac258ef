"""What tools do with data: how far a result can be trusted, what a call changes, where it sends.

The integrity half of information flow control: results are sources, calls with an effect are
sinks (see Denning, "A lattice model of secure information flow", CACM 1976).
"""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from remit.core.event import ToolClass

Result = Literal["trusted", "listing", "untrusted"]
Effect = Literal["none", "internal", "egress", "irreversible"]

RESULTS: tuple[Result, ...] = ("trusted", "listing", "untrusted")
EFFECTS: tuple[Effect, ...] = ("none", "internal", "egress", "irreversible")
"""Both from harmless to harmful."""

_OF_CLASS: Mapping[ToolClass, Effect] = {
    ToolClass.READ: "none",
    ToolClass.WRITE: "internal",
    ToolClass.DESTRUCTIVE: "irreversible",
}


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one tool, or of the tools that a pattern names.

    Attributes:
        result: ``trusted``, ``untrusted`` (anybody can have written it), or ``listing`` (a
            directory: its fields are trusted, its free text is not).
        effect: what a call changes; ``None``: by the tool's class.
        dest: names of the arguments that say where data goes.
        reveal: names of the arguments in which tokens of redacted values become values again.
    """

    result: Result = "untrusted"
    effect: Effect | None = None
    dest: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()

    def of(self, kind: ToolClass | None) -> Effect:
        """The effect of a call to a tool of this class; the worst if nothing is known."""
        return self.effect or _OF_CLASS.get(kind or ToolClass.DESTRUCTIVE, "irreversible")


NOTHING_KNOWN = Labels()


def labels_of(patterns: Mapping[str, Labels], action: str) -> Labels:
    """Labels of ``server/tool``: the exact entry, else the strictest of all patterns together."""
    exact = patterns.get(action)
    if exact is not None:
        return exact
    found = [one for pattern, one in patterns.items() if fnmatch.fnmatchcase(action, pattern)]
    if not found:
        return NOTHING_KNOWN
    effects = [one.effect for one in found if one.effect is not None]
    return Labels(
        result=max((one.result for one in found), key=RESULTS.index),
        effect=max(effects, key=EFFECTS.index, default=None),
        dest=_in_order(name for one in found for name in one.dest),
        reveal=tuple(n for n in found[0].reveal if all(n in one.reveal for one in found)),
    )


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
