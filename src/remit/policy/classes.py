"""What the policies of a slice can tell apart, so that Cedar is asked once for all that is alike.

An answer depends on the context only through the expressions that look at it. A policy that reads a
text by ``like "*PRIVATE KEY*"`` alone cannot tell two texts apart that both lack the words. So the
context is projected to the outcomes of such looks; contexts with equal projections form a class,
and one answer of Cedar holds for all of it.

1. A look is an operator between one attribute and constants: ``like``, ``==``, ``!=``, the orders
   of Long and decimal, ``contains``, ``containsAny``, ``containsAll``, ``isEmpty``, ``has``.
2. An attribute that is used in any other way, even once, stays in the projection as it is.
3. Presence always stays: it decides between a value and an evaluation error.
4. A value that has not the type of its look gives no class at all, and Cedar is asked.

This is a memory's key, never a decision: the answers themselves come from Cedar, with the schema.
``tests/fuzz/test_classes_fuzz.py`` asks Cedar about both of two contexts that are called alike.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec
import orjson

from remit.policy.engine import pst
from remit.policy.reads import children, context_path

_Orders = Mapping[str, Callable[[int, int], bool]]

_LONG: _Orders = {
    "less": operator.lt,
    "less_eq": operator.le,
    "greater": operator.gt,
    "greater_eq": operator.ge,
}
_DECIMAL: _Orders = {
    "decimal_less_than": operator.lt,
    "decimal_less_eq": operator.le,
    "decimal_greater": operator.gt,
    "decimal_greater_eq": operator.ge,
}
_DECIMAL_DIGITS = 4


class Unlike(Exception):  # noqa: N818 - an answer, not an error
    """The context belongs to no class."""


class Look(msgspec.Struct, frozen=True):
    """What an operator can see of an attribute.

    Attributes:
        kind: Python type of the values it is made for.
        outcome: of the operator, given the value; ``None`` if ``mentioned`` says all.
        mentioned: texts among which it can tell the value, or the members of the value, apart.
    """

    kind: type
    outcome: Callable[[Any], bool] | None = None
    mentioned: frozenset[str] = frozenset()


class _Place:
    """One attribute: how policies look at it, and the attributes below."""

    __slots__ = ("below", "kind", "mentioned", "outcomes", "whole")

    def __init__(self) -> None:
        self.whole = False
        self.kind: type | None = None
        self.outcomes: list[Callable[[Any], bool]] = []
        self.mentioned: frozenset[str] = frozenset()
        self.below: dict[str, _Place] = {}

    def at(self, path: Iterable[str]) -> "_Place":
        place = self
        for name in path:
            place = place.below.setdefault(name, _Place())
        return place

    def look(self, look: Look) -> None:
        """Add a look; values that are looked at as two types stay as they are."""
        self.whole = self.whole or self.kind not in {None, look.kind}
        self.kind = look.kind
        self.mentioned |= look.mentioned
        if look.outcome is not None:
            self.outcomes.append(look.outcome)

    def project(self, value: Any) -> Any:
        """What can be told about ``value``.

        Raises:
            Unlike: it has another type than the looks at it.
        """
        kind = self.kind
        if self.whole or (kind and self.below):
            return value
        if kind is None:
            if not self.below:
                return True
            if type(value) is not dict:
                raise Unlike
            return {n: place.project(value[n]) for n, place in self.below.items() if n in value}
        if type(value) is not kind:
            raise Unlike
        told: list[Any] = [outcome(value) for outcome in self.outcomes]
        if kind is list:
            told.append(sorted(self.mentioned.intersection(cast("list[str]", value))))
        elif value in self.mentioned:
            told.append(value)
        return told


class Classes:
    """The classes of contexts that some policies tell apart."""

    def __init__(self, policies: Iterable[pst.Template]) -> None:
        self._root = _Place()
        for policy in policies:
            self._read(policy.clauses)

    def of(self, context: dict[str, Any]) -> bytes | None:
        """The name of the class of ``context``; ``None`` if it belongs to none."""
        try:
            return orjson.dumps(self._root.project(context))
        except (Unlike, ValueError, TypeError):
            return None

    def _read(self, node: Any) -> None:
        if isinstance(node, pst.HasAttr) and (path := context_path(node.base)) is not None:
            self._root.at((*path, *node.attrs))
            return
        found = _look(node)
        if found is not None:
            path, look = found
            self._root.at(path).look(look)
            return
        path = context_path(node)
        if path is not None:
            self._root.at(path).whole = True
            return
        for child in children(node):
            self._read(child)


def _look(node: Any) -> tuple[tuple[str, ...], Look] | None:
    """An operator between an attribute and constants; ``None`` for any other expression."""
    look: Look | None
    if isinstance(node, pst.Like):
        path, look = context_path(node.base), _like(node.pattern)
    elif isinstance(node, pst.UnaryOp) and node.op == "is_empty":
        path, look = context_path(node.arg), Look(list, operator.not_)
    elif isinstance(node, pst.BinaryOp):
        path, look = context_path(node.left), _right(node.op, node.right)
        if path is None:
            path, look = context_path(node.right), _left(node.op, node.left)
    else:
        return None
    return (path, look) if path and look is not None else None


def _right(op: str, constant: pst.Expr) -> Look | None:
    """The look ``<attribute> op <constant>``."""
    if op == "contains" and isinstance(constant, pst.StringLit):
        return Look(list, mentioned=frozenset([constant.value]))
    if op == "contains_all":
        texts = _texts(constant)
        return None if texts is None else Look(list, mentioned=texts)
    return _either(op, constant, turned=False)


def _left(op: str, constant: pst.Expr) -> Look | None:
    """The look ``<constant> op <attribute>``."""
    if op in {"contains", "contains_all"}:
        texts = _texts(constant)
        if texts is None:
            return None
        return Look(str, mentioned=texts) if op == "contains" else Look(list, texts.issuperset)
    return _either(op, constant, turned=True)


def _either(op: str, constant: pst.Expr, *, turned: bool) -> Look | None:
    """Looks that are the same, or mirrored, when the sides are exchanged."""
    if op in {"eq", "not_eq"}:
        return _equals(constant)
    if op == "contains_any":
        texts = _texts(constant)
        return None if texts is None else Look(list, mentioned=texts)
    if op in _LONG and isinstance(constant, pst.LongLit):
        return Look(int, _ordered(_LONG[op], constant.value, int, turned=turned))
    units = _decimal(constant) if op in _DECIMAL else None
    if units is None:
        return None
    return Look(str, _ordered(_DECIMAL[op], units, _units, turned=turned))


def _ordered(
    order: Callable[[int, int], bool], bound: int, number: Callable[[Any], int], *, turned: bool
) -> Callable[[Any], bool]:
    if turned:
        return lambda value: order(bound, number(value))
    return lambda value: order(number(value), bound)


def _equals(constant: pst.Expr) -> Look | None:
    if isinstance(constant, pst.StringLit):
        return Look(str, mentioned=frozenset([constant.value]))
    if isinstance(constant, pst.LongLit | pst.BoolLit):
        wanted = constant.value
        return Look(type(wanted), lambda value: value == wanted)
    texts = _texts(constant)
    return None if texts is None else Look(list, lambda value: texts == set(value))


def _texts(constant: pst.Expr) -> frozenset[str] | None:
    """The members of a set of string constants."""
    if not isinstance(constant, pst.Set):
        return None
    texts = [item.value for item in constant.elements if isinstance(item, pst.StringLit)]
    return frozenset(texts) if len(texts) == len(constant.elements) else None


def _decimal(constant: pst.Expr) -> int | None:
    """``decimal("…")`` in ten-thousandths."""
    if (
        isinstance(constant, pst.UnaryOp)
        and constant.op == "decimal"
        and isinstance(constant.arg, pst.StringLit)
    ):
        try:
            return _units(constant.arg.value)
        except (Unlike, ValueError):
            return None
    return None


def _units(text: str) -> int:
    """Ten-thousandths of a decimal as Cedar writes it: one to four digits after the point."""
    whole, _, digits = text.partition(".")
    if not 0 < len(digits) <= _DECIMAL_DIGITS:
        raise Unlike
    return int(whole + digits.ljust(_DECIMAL_DIGITS, "0"))


def _like(pattern: Iterable[pst.PatternElem]) -> Look:
    """Whether a text matches: literal pieces in order, ``*`` between them, in linear time."""
    pieces = [""]
    for element in pattern:
        if isinstance(element, pst.Char):
            pieces[-1] += element.value
        else:
            pieces.append("")
    if len(pieces) == 1:
        return Look(str, mentioned=frozenset(pieces))
    first, *middle, last = pieces

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return False
        at = len(first)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return Look(str, matches)


__all__ = ["Classes"]
