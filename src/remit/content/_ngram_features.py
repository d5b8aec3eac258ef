"""Hashed n-grams of characters and words in windows of texts, in whole-array operations.

A text is folded (lower case, digits to ``0``, white space to one space) and cut into windows. The
features of a window are the *set* of its character n-grams (2 to 5, inside words and with one
space at either end, scikit-learn's ``char_wb``) and of its word n-grams (1 to 3), hashed into two
tables. Hashing: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (ICML 2009).

An n-gram stands at its *last* character or word, all lengths side by side. What ends in a window is
then one slice, and the few that begin before it are always at the same places of that slice.

numpy is imported when a text is cut, not when this module is imported.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 256
STRIDE = 160
CHAR_GRAMS = (2, 3, 4, 5)
WORD_GRAMS = (1, 2, 3)
BITS = 19
SIZE = 2 << BITS
NONE = SIZE
"""What stands where there is no feature."""

_CHUNK = 1 << 16
_ROWS = 64
_MULTIPLIER = 0x9E3779B1
_WORD_MULTIPLIER = 0x100000001B3
_FINAL = (0x85EBCA6B, 0xC2B2AE35)
_LEAST_POWERS = 1 << 12
_FOLD_LIMIT = 0x3000
_MIN_WORDLIKE = 0xAA
_LENGTHS, _WORDS = len(CHAR_GRAMS), len(WORD_GRAMS)
# Places in a slice of n-grams that begin before it.
_CUT_CHARS = [
    _LENGTHS * q + i for q in range(max(CHAR_GRAMS)) for i, n in enumerate(CHAR_GRAMS) if q < n - 1
]
_CUT_WORDS = [
    _WORDS * q + i for q in range(max(WORD_GRAMS)) for i, n in enumerate(WORD_GRAMS) if q < n - 1
]


class Windows(NamedTuple):
    """Some windows: of which text, from where to where in it, and a row of features of each.

    A feature may be in its row several times, and :data:`NONE` is in every row at least once.
    """

    numbers: list[int]
    starts: list[int]
    ends: list[int]
    features: NDArray[np.int32]


def windows(texts: Sequence[str]) -> Iterator[tuple[int, int, int, NDArray[np.int32]]]:
    """Windows of ``texts``, in order: whose, start and end in it, features, each once."""
    import numpy as np

    for some in cut(texts):
        for number, start, end, row in zip(*some, strict=True):
            yield number, start, end, np.unique(row[row != NONE])


def cut(texts: Sequence[str]) -> Iterator[Windows]:
    """The same, many at once."""
    some: list[_Part] = []
    size = 0
    for part in _parts(texts):
        if some and size + len(part.text) > _CHUNK + WINDOW:
            yield from _windows(some)
            some, size = [], 0
        some.append(part)
        size += len(part.text)
    if some:
        yield from _windows(some)


class _Part(NamedTuple):
    """What of the text of a number begins at ``base``, no longer than is looked at in one go."""

    number: int
    base: int
    text: str


def _parts(texts: Sequence[str]) -> Iterator[_Part]:
    for number, text in enumerate(texts):
        for offset in range(0, len(text), _CHUNK):
            # Parts overlap by a window, so that nothing is cut in two.
            base = max(0, offset - WINDOW)
            yield _Part(number, base, text[base : offset + _CHUNK])


class _Folded(NamedTuple):
    """Texts that are folded one by one and looked at as one, and their windows.

    Each of them has a space at either end, and no feature goes over two.
    """

    codes: NDArray[np.uint32]
    places: NDArray[np.int64]
    numbers: list[int]
    starts: list[int]
    stops: list[int]


def _folded(parts: Sequence[_Part]) -> _Folded | None:
    import numpy as np

    every: list[NDArray[np.uint32]] = []
    where: list[NDArray[np.int64]] = []
    numbers: list[int] = []
    starts: list[int] = []
    stops: list[int] = []
    done = 0
    for number, base, text in parts:
        codes, places = fold(text)
        if not codes.size:
            continue
        every.append(codes)
        where.append(places + base if base else places)
        last = max(codes.size - WINDOW, 0)
        begins = [*range(0, last, STRIDE), last]
        numbers += [number] * len(begins)
        starts += [done + begin for begin in begins]
        stops += [done + min(begin + WINDOW, codes.size) for begin in begins]
        done += codes.size
    if not every:
        return None
    if len(every) == 1:
        return _Folded(every[0], where[0], numbers, starts, stops)
    return _Folded(np.concatenate(every), np.concatenate(where), numbers, starts, stops)


def _windows(parts: Sequence[_Part]) -> Iterator[Windows]:
    import numpy as np

    folded = _folded(parts)
    if folded is None:
        return
    codes, places, numbers, starts, stops = folded
    grams = _features(codes)
    first, end = places[starts].tolist(), (places[np.array(stops) - 1] + 1).tolist()
    if len(numbers) == 1:
        yield Windows(numbers, first, end, grams.every.reshape(1, -1))
        return
    low, high = grams.begins.searchsorted(starts), grams.ends.searchsorted(stops, "right")
    spans = list(zip(starts, stops, low.tolist(), high.tolist(), strict=True))
    for at in range(0, len(numbers), _ROWS):
        some = slice(at, at + _ROWS)
        yield Windows(numbers[some], first[some], end[some], _rows(grams, spans[some]))


def _rows(grams: _Features, spans: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
    """A row for each span, which begins and ends at a character and at a word."""
    import numpy as np

    chars, words = grams.chars, grams.words
    # So much that all places of cut n-grams are there.
    width = max(_LENGTHS * max(stop - start for start, stop, *_ in spans), _CUT_CHARS[-1] + 1)
    more = max(_WORDS * max(high - low for *_, low, high in spans), _CUT_WORDS[-1] + 1)
    rows = np.full((len(spans), width + more), NONE, np.int32)
    for row, (start, stop, low, high) in zip(rows, spans, strict=True):
        row[: _LENGTHS * (stop - start)] = chars[_LENGTHS * start : _LENGTHS * stop]
        row[width : width + _WORDS * (high - low)] = words[_WORDS * low : _WORDS * high]
    rows[:, _CUT_CHARS] = NONE
    rows[:, [width + place for place in _CUT_WORDS]] = NONE
    return rows


def fold(text: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points in lower case, digits as ``0``, runs of white space as one space between ends.

    Returns:
        The code points with one space before and after, and for each the place in ``text``.
    """
    import numpy as np

    if text.isascii():
        codes = _fold_table().take(np.frombuffer(text.encode("ascii"), np.uint8))
    else:
        raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        codes = np.where(raw < _FOLD_LIMIT, _fold_table().take(raw, mode="clip"), raw)
    if not codes.size:
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    space = codes == ord(" ")
    keep = np.empty(codes.size, np.bool_)
    keep[0] = not space[0]
    np.logical_and(space[1:], space[:-1], out=keep[1:])
    np.logical_not(keep[1:], out=keep[1:])
    kept = keep.nonzero()[0]
    if not kept.size:
        return np.empty(0, np.uint32), np.empty(0, np.int64)
    folded, places = np.empty(kept.size + 2, np.uint32), np.empty(kept.size + 2, np.int64)
    folded[0] = folded[-1] = ord(" ")
    codes.take(kept, out=folded[1:-1], mode="clip")
    places[1:-1] = kept
    places[0], places[-1] = kept[0], kept[-1]
    return folded, places


@functools.cache
def _fold_table() -> NDArray[np.uint32]:
    """What each code point below the CJK blocks folds to; one to one, so places stay."""
    import numpy as np

    table = np.arange(_FOLD_LIMIT, dtype=np.uint32)
    for code in range(_FOLD_LIMIT):
        char = chr(code)
        lower = char.lower()
        if char.isspace() or not char.isprintable():
            table[code] = ord(" ")
        elif char.isdigit():
            table[code] = ord("0")
        elif len(lower) == 1:
            table[code] = ord(lower)
    return table


class _Features(NamedTuple):
    """Features of a text at its characters and at its words, one behind the other in ``every``.

    ``begins`` and ``ends`` are of the words.
    """

    every: NDArray[np.int32]
    chars: NDArray[np.int32]
    words: NDArray[np.int32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


def _features(codes: NDArray[np.uint32]) -> _Features:
    import numpy as np

    characters, none = _char_grams(codes)
    wide, begins, ends = _word_grams(codes)
    size, count = codes.size, begins.size
    every = np.empty(_LENGTHS * size + _WORDS * count, np.uint32)
    every[: _LENGTHS * size].reshape(size, _LENGTHS)[...] = characters.T
    every[_LENGTHS * size :].reshape(count, _WORDS)[...] = wide.T
    # The upper bits after the finaliser of MurmurHash3.
    every ^= every >> np.uint32(16)
    every *= np.uint32(_FINAL[0])
    every ^= every >> np.uint32(13)
    every *= np.uint32(_FINAL[1])
    every >>= np.uint32(32 - BITS)
    features = every.view(np.int32)
    chars, words = features[: _LENGTHS * size], features[_LENGTHS * size :]
    np.copyto(chars.reshape(size, _LENGTHS), NONE, where=none.T)
    words += 1 << BITS
    words[[place for place in _CUT_WORDS if place < words.size]] = NONE
    return _Features(features, chars, words, begins, ends)


def _char_grams(codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Hashes of the grams that end at each character, by length, and where there is none.

    There is none with a space inside.
    """
    import numpy as np

    size = codes.size
    multiplier = np.uint32(_MULTIPLIER)
    hashed = np.zeros((_LENGTHS, size), np.uint32)
    none = np.ones((_LENGTHS, size), np.bool_)
    space = codes == ord(" ")
    # A gram is hashed as its length and then its characters, so that the hash of one is that of
    # the one before it in length and another character, and the lengths can be added last.
    before, inside = codes[:-1], space[:0]
    for n, of_length, nothing in zip(CHAR_GRAMS, hashed, none, strict=True):
        count = size - n + 1
        if count <= 0:
            break
        made = np.multiply(before, multiplier, out=of_length[n - 1 :])
        made += codes[n - 1 :]
        before = made[:-1]
        if n == min(CHAR_GRAMS):
            # It has no inside, but must not be two spaces.
            np.logical_and(space[:-1], space[1:], out=nothing[n - 1 :])
        else:
            within = space[1 : 1 + count]
            inside = within | inside[1:] if inside.size else within
            nothing[n - 1 :] = inside
    hashed += _of_lengths()
    return hashed, none


@functools.cache
def _of_lengths() -> NDArray[np.uint32]:
    """What a length adds to the hash of the characters that follow it."""
    import numpy as np

    return np.array([[n * _MULTIPLIER**n & 0xFFFFFFFF] for n in CHAR_GRAMS], np.uint32)


def _word_grams(
    codes: NDArray[np.uint32],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Hashes of the 1, 2 and 3 words that end with each word, and where it begins and ends."""
    import numpy as np

    letter = _letter_table().take(codes, mode="clip")
    # A folded text begins and ends with a space.
    edges = (letter[1:] != letter[:-1]).nonzero()[0] + 1
    begins, ends = edges[::2], edges[1::2]
    wide = np.zeros((_WORDS, begins.size), np.uint64)
    if begins.size:
        # A letter counts by its place in the text, and what the first of a word counts is taken off.
        powers, inverse = _powers(max(1 << (codes.size - 1).bit_length(), _LEAST_POWERS))
        letters = powers[: codes.size] * codes
        letters *= letter
        np.multiply(np.add.reduceat(letters, begins), inverse.take(begins), out=wide[0])
        for n in range(1, _WORDS):
            np.multiply(wide[n - 1, n - 1 : -1], np.uint64(_WORD_MULTIPLIER), out=wide[n, n:])
            wide[n, n:] += wide[0, n:]
    wide ^= wide >> np.uint64(32)
    return wide.astype(np.uint32) + _of_words(), begins, ends


@functools.cache
def _of_words() -> NDArray[np.uint32]:
    """What a number of words adds to their hash."""
    import numpy as np

    return np.array([[n - 1] for n in WORD_GRAMS], np.uint32)


@functools.cache
def _letter_table() -> NDArray[np.bool_]:
    """Whether a folded code point is of a word; the last entry is for all above."""
    import numpy as np

    table = np.zeros(_MIN_WORDLIKE + 1, np.bool_)
    table[ord("a") : ord("z") + 1] = table[ord("0")] = table[_MIN_WORDLIKE] = True
    return table


@functools.cache
def _powers(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of an odd number modulo 2**64 from the first on, and inverses from the zeroth on."""
    import numpy as np

    inverse = pow(_WORD_MULTIPLIER, -1, 1 << 64)
    up, down = np.full(size, _WORD_MULTIPLIER, np.uint64), np.full(size, inverse, np.uint64)
    down[0] = 1
    return np.cumprod(up, dtype=np.uint64), np.cumprod(down, dtype=np.uint64)
