"""Readings of a text: what it says once disguises are taken off.

Every reading keeps the place of each character in the original. Disguises are undone in each other
to a fixed depth; what is made is bounded by the size of the text, so that no text costs many times
as much as another of its size. Where a bound is reached, :attr:`Views.complete` is false.

A text in plain ASCII without the signs of any disguise is looked at and left alone.
"""

from collections.abc import Iterator

from remit.content._views_ciphers import deciphered
from remit.content._views_codes import codes
from remit.content._views_decoding import MAX_DECODED, Decoding
from remit.content._views_fold import fold, folded
from remit.content._views_hidden import hidden
from remit.content._views_hinted import hinted
from remit.content._views_inline import Budget, unescape
from remit.content._views_map import with_news
from remit.content._views_runs import encoded, runs
from remit.content._views_signs import signs_of
from remit.content._views_spaced import spaced
from remit.content._views_strings import holds_json, sums, values
from remit.content._views_worded import reworded
from remit.content.base import View, Views

MAX_DEPTH = 3
_SMALL = 256 << 10
_FACTOR = 8
_EDITS = 4096
_TELLING = 16


def read(text: str) -> Views:
    """Every reading of ``text``, the original first.

    Readings inside readings are named by all of them: ``base64>fold``.
    """
    return _Reader(text).read()


class _Reader:
    """One text being read. ``_room`` is how many characters of readings may still be made."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._room = _FACTOR * len(text) + _SMALL
        self._edits = Budget(_EDITS + len(text) // 16)
        self._decoding = Decoding(MAX_DECODED + len(text))
        self._views: list[View] = []
        self._seen: set[str] = set()
        self._complete = True

    def read(self) -> Views:
        original = View("original", self._text)
        self._views.append(original)
        self._seen.add(self._text)
        level = [original]
        for _ in range(MAX_DEPTH):
            level = [made for view in level for made in self._below(view)]
            if not level:
                break
        else:
            self._too_deep(level)
        complete = self._complete and not self._edits.spent and not self._decoding.spent
        return Views(self._text, tuple(self._views), complete)

    def _below(self, view: View) -> Iterator[View]:
        """What is new in readings of ``view``, which may hold more readings.

        What was there before is not read again in the same disguise.
        """
        first = view.starts is None
        secret = hidden(view, self._decoding)
        if secret is not None and self._keep(secret):
            yield secret
        plain = fold(view)
        if plain is None or not self._keep(plain if first else folded(view, plain)):
            plain = view
        for made in runs(plain, self._decoding):
            if self._keep(made):
                yield made
        signs = signs_of(plain)
        for made in codes(plain, signs, self._decoding):
            if self._keep(made):
                yield made
        for made in (*hinted(plain, signs), *deciphered(plain, signs), *reworded(plain, signs)):
            self._keep(made)
        for made in spaced(plain, signs, self._decoding):
            self._keep(made)
        added = sums(plain, self._decoding)
        if added is not None:
            self._keep(added)
        inline = unescape(plain, self._edits)
        if inline is not None:
            brief = inline.brief()
            if self._keep(with_news(inline.view, inline.spans) if first else brief):
                yield brief
                inner = values(brief) if holds_json(plain) else None
                if inner is not None and self._keep(inner):
                    yield inner

    def _keep(self, view: View) -> bool:
        if not view.text or view.text in self._seen:
            return False
        if len(view.text) > self._room:
            self._complete = False
            return False
        self._room -= len(view.text)
        self._seen.add(view.text)
        self._views.append(view)
        return True

    def _too_deep(self, level: list[View]) -> None:
        """Text below the last level was not read: say so if there is any.

        What is only escaped is read on: every level of it is shorter than the one above.
        """
        for view in level:
            plain = fold(view) or view
            if any(len(v.text) >= _TELLING for v in encoded(plain, self._decoding)):
                self._complete = False
            current = plain
            for _ in range(MAX_DEPTH):
                made = unescape(current, self._edits)
                if made is None or not self._keep(made.brief()):
                    break
                current = made.brief()
            else:
                self._complete &= unescape(current, self._edits) is None
