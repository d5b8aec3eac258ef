"""Readings of words that are written in another way, word by word.

Without vowels, with their inner letters scrambled, in Pig Latin, backwards, with figures for
letters. The reason to read a text in such a way is a word of :mod:`_views_lexicon` in it that is
written so, and hardly ever is a word of anything else.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from remit.content._news import Span
from remit.content._views_hinted import backwards
from remit.content._views_lexicon import COMMON, CORE, KNOWN, TELLING
from remit.content._views_lexicon_others import OTHERS
from remit.content._views_map import Edit, applied, edited, excerpt, near, nested
from remit.content._views_parted import frequent
from remit.content._views_signs import sign, spans
from remit.content.base import View

_LEAST_TELLING = 6
# Words that give away an order when they are written in another way, however short.
_ODD = ("pwned", "hacked")
_CORE = frozenset((*CORE, *_ODD))
_TELLING = tuple(dict.fromkeys((*CORE, *_ODD, *(w for w in TELLING if len(w) >= _LEAST_TELLING))))
_FREQUENT = ("the", "you", "your", "and", "this", "that", "with", "what", "all", "are", "have")
_TOKEN = re.compile(r"(?<![A-Za-z'])[A-Za-z]+")
_NO_SPACE = re.compile(r"\S+")
_FIGURED = re.compile(r"(?:(?<=[a-z])')?[A-Za-z0-9@$!|+]*[0-9@$!|+][A-Za-z0-9@$!|+]*")
_NEAR, _NEIGHBOURS, _LEAST_NEIGHBOUR = 120, 2, 3
_NO_WORDS = 1000
_WHITE = re.compile(rb"\s")
_STRIPPED = ".,;:?'\"()[]"
_LEAST_SCRAMBLED = 4
_LEAST_SKELETON = 5
_LEAST_BACKWARDS = 5


def _inflected(word: str) -> Iterator[str]:
    stem = word.removesuffix("e")
    yield from (word, f"{word}s", f"{stem}ed", f"{stem}ing")


# The commonest first: of two words that are written alike it is meant.
_BY_RANK = tuple(
    dict.fromkeys((*COMMON, *TELLING, *(w for t in TELLING if len(t) > 3 for w in _inflected(t))))
)


def _jumbled(word: str) -> str:
    """What stays of a word however its inner letters are scrambled."""
    return word[0] + "".join(sorted(word[1:-1])) + word[-1]


# Tables of all words are made when a text has given a reason to read it so.
@functools.cache
def _all() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_BY_RANK, *OTHERS, *frequent())))


@functools.cache
def _words() -> frozenset[str]:
    return frozenset(_all())


@functools.cache
def _jumbles() -> Mapping[str, str]:
    return {_jumbled(w): w for w in reversed(_all()) if len(w) >= _LEAST_SCRAMBLED}


def _unscrambled(word: str) -> str:
    low = word.lower()
    if len(low) < _LEAST_SCRAMBLED or low in KNOWN:
        return word
    return _jumbles().get(_jumbled(low), word)


def _frame(word: str) -> tuple[str, str, int]:
    return word[0], word[-1], len(word)


_LIKE: dict[tuple[str, str, int], list[str]] = {}
for _word in _BY_RANK:
    _LIKE.setdefault(_frame(_word), []).append(_word)


def _scramblings(word: str) -> Iterator[str]:
    """Patterns of the letters of ``word`` between the first and the last, but not as they are."""
    inner = set(word[1:-1])
    if any(inner.issuperset(other[1:-1]) for other in _LIKE[_frame(word)] if other != word):
        return  # an ordinary word would look like it
    letters = "".join(sorted(inner))
    for i in range(1, len(word) - 2):
        others = letters.replace(word[i], "")
        if others:
            yield f"{word[:i]}[{others}][{letters}]{{{len(word) - i - 2}}}{word[-1]}"


_VOWELS = re.compile(r"[aeiou]")
_LETTERS_FOR = {"y": "you", "t": "to", "f": "of", "n": "in", "r": "are", "b": "be"}


def _skeletons(words: Iterable[str]) -> Mapping[str, str]:
    """Words by their consonants, and by those behind the first letter."""
    made = dict(_LETTERS_FOR)
    for word in words:
        for bare in (_VOWELS.sub("", word), word[0] + _VOWELS.sub("", word[1:])):
            if bare not in KNOWN and 1 < len(bare) < len(word):
                made.setdefault(bare, word)
    return made


_TELLING_SKELETONS = _skeletons(_BY_RANK)


@functools.cache
def _all_skeletons() -> Mapping[str, str]:
    return _skeletons(_all())


def _voiced(word: str) -> str:
    low = word.lower()
    if low in KNOWN or (len(word) == 1 and word.isupper()):
        return word
    return _all_skeletons().get(low, word)


_CONSONANTS = (
    "schw scr shr spl spr squ str thr bl br ch cl cr dr fl fr gl gr ph pl pr qu sc sh sk sl sm "
)
_CONSONANTS += "sn sp st sw th tr tw wh wr"


def _pig_latin(word: str) -> str:
    start = next((i for i, c in enumerate(word) if c in "aeiou"), len(word))
    return f"{word[start:]}{word[:start]}ay" if start else f"{word}way"


_PIG_LATIN = {_pig_latin(w): w for w in reversed(_BY_RANK)}


def _from_pig_latin(word: str) -> str:
    low = word.lower()
    if low in _PIG_LATIN:
        return _PIG_LATIN[low]
    body = low.removesuffix("ay")
    if low in KNOWN or body == low or len(body) < 2:
        return word
    if body[0] in "aeiou" and body[-1] in "wy":
        return body[:-1]
    onset = next((o for o in _CONSONANTS.split() if body.endswith(o)), body[-1])
    return onset + body[: -len(onset)]


_FIGURES = {
    "a": "4@",
    "e": "3",
    "o": "0",
    "i": "1!",
    "s": "5$",
    "t": "7+",
    "b": "8",
    "l": "1|",
    "g": "9",
}
_READ = str.maketrans("4301!57@$89|+", "aeoiistasbglt")
_READ_L = str.maketrans("4301!57@$89|+", "aeolistasbglt")
_NO_WORD = "@$!|+"


def _figured(word: str) -> Iterator[str]:
    """Patterns of ``word`` with a figure in at least one place."""
    like = [f"[{c}{_FIGURES[c]}]" if c in _FIGURES else c for c in word]
    for i, c in enumerate(word):
        if c in _FIGURES:
            yield f"{word[:i]}[{_FIGURES[c]}]{''.join(like[i + 1 :])}"


def _bounded(patterns: Iterable[str]) -> str:
    """One of ``patterns`` by itself; ``\\b`` is none beside a sign, but ``\\B`` is where no letter is."""
    return rf"(?i)(?:{'|'.join(sorted({p for q in patterns for p in _with_bounds(q)}))})"


def _with_bounds(pattern: str) -> Iterator[str]:
    first, rest = _first(pattern)
    middle, last = _last(rest)
    for begin in _edges(first):
        for end in _edges(last):
            yield rf"{begin[0]}{begin[1]}{middle}{end[1]}{end[0]}"


def _first(pattern: str) -> tuple[str, str]:
    size = pattern.index("]") + 1 if pattern[0] == "[" else 1
    return pattern[:size], pattern[size:]


def _last(pattern: str) -> tuple[str, str]:
    size = len(pattern) - pattern.rindex("[") if pattern[-1] == "]" else 1
    return pattern[:-size], pattern[-size:]


def _edges(one: str) -> Iterator[tuple[str, str]]:
    """A character at an edge, and what the edge is there."""
    some = one.strip("[]")
    signs = "".join(c for c in some if c in _NO_WORD)
    others = "".join(c for c in some if c not in _NO_WORD)
    if others:
        yield r"\b", f"[{others}]"
    if signs:
        yield r"\B", f"[{signs}]"


def _from_figures(token: str) -> str:
    low = token.lower()
    for table in (_READ, _READ_L):
        if low.translate(table) in KNOWN:
            return low.translate(table)
    body = token.rstrip("!")
    tail = token[len(body) :]
    low = body.lower()
    for words in (KNOWN, _words()):
        for table in (_READ, _READ_L):
            if low.translate(table) in words:
                return low.translate(table) + tail
    return token if body.isdigit() else body.translate(_READ) + tail


def _reversed(word: str) -> str:
    return word[::-1]


def _whole(patterns: Iterable[str]) -> str:
    return rf"(?i)\b(?:{'|'.join(sorted(patterns))})\b"


def _backwards() -> Iterator[str]:
    for word in (*_FREQUENT, *_ODD, *TELLING):
        if len(word) > _LEAST_BACKWARDS or word in (*_FREQUENT, *_ODD):
            yield word[::-1]


class _Way(NamedTuple):
    """A way to write words: what shows it, which parts of a text change, and what they read then."""

    name: str
    sign: str
    token: re.Pattern[str]
    change: Callable[[str], str]


_WAYS = (
    _Way(
        "vowels",
        _whole(s for s, w in _TELLING_SKELETONS.items() if len(s) >= _LEAST_SKELETON or w in _CORE),
        _TOKEN,
        _voiced,
    ),
    _Way(
        "pig",
        _whole(p for p, w in _PIG_LATIN.items() if w in _TELLING or w in _FREQUENT),
        _TOKEN,
        _from_pig_latin,
    ),
    _Way("reversed", _whole({*_backwards()} - KNOWN - {"dna", "lla", "era"}), _NO_SPACE, _reversed),
    _Way(
        "leet",
        _bounded(p for w in (*_FREQUENT, *_TELLING) for p in _figured(w))
        + "|"
        + "|".join(p for w in CORE for p in _figured(w)),
        _FIGURED,
        _from_figures,
    ),
    _Way("scrambled", _whole(p for w in _TELLING for p in _scramblings(w)), _TOKEN, _unscrambled),
)
_SIGNS = tuple(sign(way.sign.encode(), "words") for way in _WAYS)


def reworded(view: View, signs: frozenset[int]) -> Iterator[View]:
    """Readings word by word, around words that are written so; ``signs`` are those in it."""
    data = view.plain
    for kind, way in enumerate(_WAYS):
        if _SIGNS[kind] not in signs:
            continue
        words = [
            span
            for some in near(spans(_SIGNS[kind], data), len(data))
            if not _is_solid(data, *some[0]) and _is_enough(way, view.text, some)
            for span in some
        ]
        if not words:
            continue
        part = excerpt(view, words)
        made = _changed(part, way)
        if made is not None:
            yield made
        lines = backwards(part) if way.name == "reversed" else None
        if lines is not None:
            yield lines


def _is_solid(data: bytes, start: int, end: int) -> bool:
    """Whether white space is far away: encoded data, which holds any short word by chance."""
    return (
        min(start, len(data) - end) >= _NO_WORDS
        and not _WHITE.search(data, start - _NO_WORDS, start)
        and not _WHITE.search(data, end, end + _NO_WORDS)
    )


def _is_enough(way: _Way, text: str, spans: Iterable[Span]) -> bool:
    """Whether a word gives an order away, or there are others: one is a slip of the pen."""
    others = 0
    place = None
    for start, end in spans:
        word = text[start:end]
        made = way.change(word)
        if made != word and made.lower() in KNOWN:
            others += 1
            if others > 1 or made.lower() in _CORE:
                return True
            place = start, end
    return place is not None and _has_neighbours(way, text, *place)


def _has_neighbours(way: _Way, text: str, start: int, end: int) -> bool:
    """Whether other words around one are written so, too, and most of them are words then."""
    around = (text[max(0, start - _NEAR) : start].split()[1:], text[end : end + _NEAR].split()[:-1])
    more: set[str] = set()
    others = 0
    for part in chain.from_iterable(around):
        word = part.strip(_STRIPPED)
        made = way.change(word) if len(word) >= _LEAST_NEIGHBOUR else word
        if made != word:
            low = made.lower().strip(_STRIPPED)
            others += low not in KNOWN
            more.update({low} & KNOWN)
    return len(more) >= _NEIGHBOURS and len(more) > others


def _changed(view: View, way: _Way) -> View | None:
    text, change = view.text, way.change
    edits = [
        Edit(match.start(), match.end(), new)
        for match in way.token.finditer(text)
        if (new := change(match[0])) != match[0]
    ]
    if not edits:
        return None
    return edited(view, nested(view, way.name), applied(text, edits), lambda: edits)
