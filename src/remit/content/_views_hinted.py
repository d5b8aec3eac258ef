"""Readings that are made only where the text gives a reason: rot13, reversed, figures for letters.

A reason is the name of the cipher, or a word that only makes sense once it is undone.
"""

import codecs
from collections.abc import Iterator
from typing import Any

import re2

from remit.content._views_map import Piece, joined, nested, same_places
from remit.content.base import View

_WORDS = (
    "ignore", "disregard", "previous", "instruction", "password", "system prompt", "secret",
    "execute", "override", "reveal", "credential",
)  # fmt: skip


def _options() -> Any:
    options = re2.Options()
    options.max_mem = 64 << 20
    return options


_FIGURES = str.maketrans("4301!57@$8", "aeoiistasb")
_LIKE = {
    "a": "[a4@]", "e": "[e3]", "o": "[o0]", "i": "[i1!]", "s": "[s5$]", "t": "[t7]", "b": "[b8]",
}  # fmt: skip


def _leet(word: str) -> list[str]:
    """Patterns of ``word`` with a figure in at least one place."""
    any_ = [_LIKE.get(c, c) for c in word]
    return [
        word[:i] + _LIKE[c].replace(c, "", 1) + "".join(any_[i + 1 :])
        for i, c in enumerate(word)
        if c in _LIKE
    ]


_KINDS = ("rot13", "reversed", "leet")
_HINTS = re2.Set.SearchSet(_options())
for _hint in (
    r"(?i)\brot[- ]?13\b|\bcaesar\b|" + "|".join(codecs.encode(w, "rot13") for w in _WORDS),
    r"(?i)\b(?:backwards?|in reverse|reversed)\b|" + "|".join(w[::-1] for w in _WORDS),
    r"(?i)\bleet\b|\b1337\b|" + "|".join(p for w in _WORDS for p in _leet(w)),
):
    _HINTS.Add(_hint)
_HINTS.Compile()
_MAX_LINE = 2000


def hinted(view: View) -> Iterator[View]:
    """Readings that something in the text asks for."""
    kinds = {_KINDS[i] for i in _HINTS.Match(view.text.encode("utf-8", "replace")) or ()}
    if "rot13" in kinds:
        yield same_places(view, nested(view, "rot13"), codecs.encode(view.text, "rot13"))
    if "reversed" in kinds:
        made = joined(view, nested(view, "reversed"), _reversed(view.text))
        if made is not None:
            yield made
    if "leet" in kinds:
        text = view.text.translate(_FIGURES)
        if text != view.text:
            yield same_places(view, nested(view, "leet"), text)


def _reversed(text: str) -> Iterator[Piece]:
    """Each line backwards; every character stands for the line, which is how it is shown."""
    at = 0
    for line in text.split("\n"):
        for begin in range(0, len(line), _MAX_LINE):
            part = line[begin : begin + _MAX_LINE]
            start, end = at + begin, at + begin + len(part)
            yield Piece(part[::-1], [start] * len(part), [end] * len(part))
        at += len(line) + 1
