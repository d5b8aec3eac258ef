"""Statements that differ only in values that they compare with have the same facts.

A number or a string is such a value only where no reading gives it another part: right behind a
comparison, ``LIKE``, ``BETWEEN``, ``AND``, ``LIMIT`` or ``OFFSET``, or in the list of an ``IN``,
and before a word that ends the operand. Everywhere else a string may be a table, an alias, a unit
of time or a path, and stays in the shape as it is.
"""

from collections.abc import Sequence
from typing import Any

from remit.facts._sql_reader import Found

MAX_TOKENS = 400
MAX_REMEMBERED = 512

Shape = tuple[Any, ...]

_BEHIND = frozenset(
    {"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "LIKE", "BETWEEN", "AND", "LIMIT", "OFFSET"}
)
_BEFORE = frozenset(
    {"AND", "OR", "R_PAREN", "SEMICOLON", "GROUP_BY", "ORDER_BY", "LIMIT", "OFFSET"}
)
_VALUES = frozenset({"NUMBER", "STRING"})


def shape(tokens: Sequence[Any]) -> Shape | None:
    """The tokens with values left out; ``None`` for a text too long to remember."""
    if len(tokens) > MAX_TOKENS:
        return None
    kinds = [token.token_type.name for token in tokens]
    kinds += ("SEMICOLON", "SEMICOLON")
    out: list[Any] = []
    listed = False
    for at, token in enumerate(tokens):
        kind, after = kinds[at], kinds[at + 1]
        before = kinds[at - 1] if at else ""
        if kind == "L_PAREN":
            listed = before == "IN"
        elif listed and kind not in _VALUES and kind != "COMMA":
            listed = False
        if kind in _VALUES and (
            (before in _BEHIND and after in _BEFORE)
            or (listed and before in {"L_PAREN", "COMMA"} and after in {"COMMA", "R_PAREN"})
        ):
            out.append(kind)
        else:
            out.append((kind, token.text))
    return tuple(out)


class Shapes:
    """What was found in statements, by their shape; bounded, and emptied when it is full."""

    def __init__(self) -> None:
        self._found: dict[Shape, Found] = {}

    def get(self, key: Shape) -> Found | None:
        """What was found in a statement of this shape."""
        return self._found.get(key)

    def put(self, key: Shape, found: Found) -> None:
        """Keep it; nothing may change it any more."""
        if len(self._found) >= MAX_REMEMBERED:
            self._found.clear()
        self._found[key] = found

    def clear(self) -> None:
        """Forget everything, for measuring."""
        self._found.clear()
