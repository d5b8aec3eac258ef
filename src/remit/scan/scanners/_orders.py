"""Orders in texts for agents: what a tool, a skill or a prompt must not ask of a model.

The rules are RE2 patterns over a text and over each of its readings (:mod:`remit.content.views`).
They know what is asked for; how much it is meant is weighed by
:func:`remit.scan.scanners._text.mentioned`: what a text quotes to warn of it is of low severity.
"""

import functools
import tomllib
from collections.abc import Collection, Iterator
from importlib import resources
from typing import Any, Literal

import msgspec
import re2

from remit.content.base import Views
from remit.content.views import read
from remit.scan.base import Finding, Member, Severity
from remit.scan.scanners import _meaning, _text

Where = Literal["tool", "skill", "prompt"]
MAX_QUOTED = 200
"""Places of one rule that are weighed; who quotes more than that means it."""
CONFIDENCE = 700
"""Thousandths, of what a sentence means: less than of what a pattern says word for word."""
_ALL: tuple[Where, ...] = ("tool", "skill", "prompt")


class Order(msgspec.Struct, frozen=True):
    """A rule.

    Attributes:
        id: within its family.
        title: one sentence.
        severity: if the text means it.
        regex: RE2, case does not matter, a dot is any character.
        where: kinds of texts that it is about.
    """

    id: str
    title: str
    severity: Severity
    regex: str
    where: tuple[Where, ...] = _ALL


@functools.cache
def rules() -> tuple[Order, ...]:
    """All rules, as ``data/orders.toml`` has them."""
    data = resources.files("remit.scan.scanners") / "data" / "orders.toml"
    document = tomllib.loads(data.read_text("utf-8"))
    made = msgspec.convert(document["rules"], tuple[Order, ...])
    return tuple(msgspec.structs.replace(each, regex=_filled(each, document)) for each in made)


def _filled(order: Order, document: dict[str, Any]) -> str:
    regex = order.regex
    for name, pattern in document["names"].items():
        regex = regex.replace(f"{{{name}}}", pattern)
    return regex


@functools.cache
def _compiled(where: Where) -> tuple[tuple[Order, ...], Any, tuple[Any, ...]]:
    options = re2.Options()
    options.max_mem = 64 << 20
    together = re2.Set.SearchSet(options)
    orders = tuple(each for each in rules() if where in each.where)
    for order in orders:
        together.Add(f"(?is){order.regex}")
    together.Compile()
    return orders, together, tuple(re2.compile(f"(?is){each.regex}") for each in orders)


def matched(text: str) -> Iterator[str]:
    """Rules of definitions that match somewhere in a text, whether it means them or not."""
    known, together, _ = _compiled("tool")
    for number in together.Match(text.encode("utf-8", "replace")) or ():
        yield known[number].id


def orders(
    text: str,
    member: Member,
    where: Where,
    *,
    family: str,
    pointer: str = "",
    own: Collection[str] | None = (),
    topic: str | None = None,
) -> Iterator[Finding]:
    """Orders in a text, each rule once: at the place where it is meant most.

    ``own`` are names that it may speak of (:func:`remit.scan.scanners._meaning.meant`); with
    ``None`` the text is no sentences, and only patterns are looked for. ``topic`` is what it is about.
    """
    views = read(text)
    yield from orders_in(views, member, where, family=family, pointer=pointer)
    if own is not None:
        about = (own, topic)
        yield from _meant(views, member, where, about, family=family, pointer=pointer)


def _meant(
    views: Views,
    member: Member,
    where: Where,
    about: tuple[Collection[str], str | None],
    *,
    family: str,
    pointer: str,
) -> Iterator[Finding]:
    best: dict[str, Finding] = {}
    for view in views.views:
        for met in _meaning.meant(view, where, *about):
            low = met.severity != met.rule.severity
            if met.rule.id in best and (low or best[met.rule.id].confidence > CONFIDENCE // 2):
                continue
            best[met.rule.id] = _text.found(
                f"{family}.{met.rule.id}",
                met.rule.title,
                met.severity,
                member,
                shown=_text.around(view.text, met.start, min(met.end, met.start + 300)),
                pointer=pointer,
                line=_text.line_of(views.original, view.origin(met.start, met.end)[0]),
                confidence=CONFIDENCE // 2 if low else CONFIDENCE,
            )
    yield from best.values()


def _weighed(order: Order, text: str, start: int, end: int) -> Severity:
    """A person decides on orders in a sentence that speaks about such orders, or refuses them."""
    if order.severity == "high" and _meaning.discussed(text, start, end):
        return "medium"
    return order.severity


def orders_in(
    views: Views, member: Member, where: Where, *, family: str, pointer: str = ""
) -> Iterator[Finding]:
    """Orders in every reading of a text."""
    known_rules, together, patterns = _compiled(where)
    best: dict[str, Finding] = {}
    for view in views.views:
        for number in together.Match(view.utf8) or ():
            order = known_rules[number]
            for count, match in enumerate(patterns[number].finditer(view.sound)):
                start, end = match.span()
                low = count < MAX_QUOTED and (
                    _text.mentioned(view.text, start, end) or _text.negated(view.text, start)
                )
                known = best.get(order.id)
                if known is not None and (low or known.severity != "low"):
                    continue
                best[order.id] = _text.found(
                    f"{family}.{order.id}",
                    order.title,
                    "low" if low else _weighed(order, view.text, start, end),
                    member,
                    shown=_text.around(view.text, start, min(end, start + 300)),
                    pointer=pointer,
                    line=_text.line_of(views.original, view.origin(start, end)[0])
                    if end > start
                    else 0,
                    confidence=500 if low else 900,
                )
                if not low:
                    break
    yield from best.values()
