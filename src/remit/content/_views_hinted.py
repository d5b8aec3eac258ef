"""Readings that are made only where the text gives a reason: rot13, reversed, figures for letters.

A reason is the name of the cipher, or a word that only makes sense once it is undone.
"""

import codecs
from collections.abc import Iterator

import re2

from remit.content._views_map import Piece, joined, nested, same_places
from remit.content.base import View

_WORDS = (
    "ignore", "disregard", "previous", "instruction", "password", "system prompt", "secret",
    "execute", "override", "reveal", "credential",
)  # fmt: skip
_ROT13 = tuple(codecs.encode(w, "rot13") for w in _WORDS)
_REVERSED = tuple(w[::-1] for w in _WORDS)
_FIGURES = str.maketrans("4301!57@$8", "aeoiistasb")
_LIKE = {
    "a": "[a4@]", "e": "[e3]", "o": "[o0]", "i": "[i1!]", "s": "[s5$]", "t": "[t7]", "b": "[b8]",
}  # fmt: skip
_LEET = tuple("".join(_LIKE.get(c, c) for c in w) for w in _WORDS)
_HINTS = re2.compile(
    r"(?i)\brot[- ]?13\b|\bcaesar\b|\b(?:backwards?|in reverse|reversed)\b|\bleet\b|\b1337\b|"
    + "|".join((*_ROT13, *_REVERSED, *_LEET))
)
_MAX_LINE = 2000


def hinted(view: View) -> Iterator[View]:
    """Readings that something in the text asks for."""
    hits = {
        m[0].decode().lower() for m in _HINTS.finditer(view.text.encode("utf-8", "replace"))
    }
    if not hits:
        return
    if any(h in _ROT13 or h.startswith(("rot", "caesar")) for h in hits):
        yield same_places(view, nested(view, "rot13"), codecs.encode(view.text, "rot13"))
    if any(h in _REVERSED or h.startswith(("backward", "in reverse", "reversed")) for h in hits):
        made = joined(view, nested(view, "reversed"), _reversed(view.text))
        if made is not None:
            yield made
    if any(
        h in {"leet", "1337"} or not h.replace(" ", "").isalpha() for h in hits - {"in reverse"}
    ):
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
