"""Words without spaces between them, parted where the words are most likely.

The likelihood of a word is its place in a list of 30,000 that is ordered by frequency (Zipf's law);
words of instructions (:mod:`_views_lexicon`) count as common ones. The list is that of SymSpell, from
counts of Google Books Ngrams; licences in ``data/LICENSE.words``. It is read when it is first needed.
"""

import functools
import importlib.resources
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from remit.content._views_lexicon import COMMON, CORE, TELLING
from remit.content._views_lexicon_others import OTHERS

# No word of ours is rarer than this place of the list.
_PLACES = ((("ai",), 30), (COMMON, 100), (CORE, 500), (TELLING, 1500), (OTHERS, 6000))
# What else would be read as other words ("you area").
_PHRASES = {"youarea": ("you", "are", "a"), "youarean": ("you", "are", "an")}
_PHRASE = 50
_BEGIN_UNKNOWN, _LETTER_UNKNOWN = 9.0, 2.6
_ENGLISH = 2.35


class Parted(NamedTuple):
    """Letters as words.

    Attributes:
        words: in order; together they are the letters.
        cost: the negative logarithm of their likelihood.
    """

    words: Sequence[str]
    cost: float

    @property
    def english(self) -> bool:
        """Whether they are words hardly by chance: random letters cost 3 and more each."""
        return self.cost <= _ENGLISH * sum(map(len, self.words))

    def known(self) -> list[str]:
        """Those that are in the list, in lower case."""
        costs = _costs()
        return [low for word in self.words if (low := word.lower()) in costs]

    def trimmed(self) -> "Parted":
        """Without single letters at both ends that are no words."""
        words, cost, costs = list(self.words), self.cost, _costs()
        for end in (0, -1):
            if words and len(words[end]) == 1 and words[end].lower() not in costs:
                del words[end]
                cost -= _BEGIN_UNKNOWN + _LETTER_UNKNOWN
        return Parted(words, cost)


@functools.cache
def _costs() -> Mapping[str, float]:
    data = importlib.resources.files(__package__) / "data" / "words.txt"
    places = {word: place for place, word in enumerate(data.read_text("ascii").split(), 1)}
    for words, most in _PLACES:
        for word in words:
            if len(word) > 1:
                places[word] = min(places.get(word, most), most)
    places.update(dict.fromkeys(_PHRASES, _PHRASE))
    scale = math.log(len(places))
    return {word: math.log(place * scale) for word, place in places.items()}


def frequent() -> Iterable[str]:
    """The words of the list, the most frequent first as far as the list goes."""
    return _costs().keys()


def apart(parts: Sequence[str]) -> Parted:
    """Parts that something else shows, each of one word or more."""
    costs = _costs()
    words: list[str] = []
    cost = 0.0
    for part in parts:
        known = costs.get(part.lower())
        made = parted(part) if known is None else Parted([part], known)
        words += made.words
        cost += made.cost
    return Parted(words, cost)


def parted(letters: str) -> Parted:
    """``letters``, which are ASCII, as the likeliest words."""
    low = letters.lower()
    costs = _costs()
    longest = _longest()
    size = len(low)
    # For each end the least cost, and that with the last word unknown, which may go on.
    best = [0.0] * (size + 1)
    begin = [0] * (size + 1)
    open_cost, open_begin = math.inf, 0
    for end in range(1, size + 1):
        before = best[end - 1] + _BEGIN_UNKNOWN
        if before < open_cost:
            open_cost, open_begin = before, end - 1
        open_cost += _LETTER_UNKNOWN
        least, start_of = open_cost, open_begin
        for start in range(max(0, end - longest), end):
            word_cost = costs.get(low[start:end])
            if word_cost is not None and best[start] + word_cost < least:
                least, start_of = best[start] + word_cost, start
        best[end], begin[end] = least, start_of
    words: list[str] = []
    end = size
    while end:
        start = begin[end]
        for word in reversed(_PHRASES.get(low[start:end], ())):
            words.append(letters[end - len(word) : end])
            end -= len(word)
        if end > start:
            words.append(letters[start:end])
        end = start
    return Parted(words[::-1], best[size])


@functools.cache
def _longest() -> int:
    return max(map(len, _costs()))
