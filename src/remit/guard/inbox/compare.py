"""How the arguments of a call differ from those of an earlier one."""

import difflib

import msgspec

from remit.approvals.rendering import arguments_shown
from remit.approvals.request import Request

MAX_LINES = 2000
MAX_SHOWN = 400


class Line(msgspec.Struct, frozen=True):
    """A line of the comparison.

    Attributes:
        mark: ``+`` for new, ``-`` for gone, a space for both.
        text: the line.
    """

    mark: str
    text: str


def compared(request: Request, earlier: Request) -> tuple[Line, ...] | None:
    """Lines of both; ``None`` if there are too many to compare in good time."""
    old, new = (arguments_shown(one).split("\n") for one in (earlier, request))
    if len(old) + len(new) > MAX_LINES:
        return None
    lines = (Line(line[0], line[2:]) for line in difflib.ndiff(old, new) if line[0] != "?")
    found = tuple(lines)
    return found if len(found) <= MAX_SHOWN else None
