"""A linear model over hashed n-grams of characters and words, in whole-array operations.

A text is folded (lower case, digits to ``0``, white space to one space) and cut into windows. The
features of a window are the *set* of its character n-grams (2 to 5, inside words and with one
space at either end, scikit-learn's ``char_wb``) and of its word n-grams (1 to 3), hashed into two
tables. A window's logit is the sum of its features' weights over the root of their number, plus a
bias: the dot product with an L2-normalised binary vector. Hashing: Weinberger et al., "Feature
Hashing for Large Scale Multitask Learning" (ICML 2009).

numpy is imported when a text is scored, not when this module is imported.
"""

from __future__ import annotations

import functools
import math
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 256
STRIDE = 160
CHAR_GRAMS = (2, 3, 4, 5)
BITS = 19
LEAST_FEATURES = 12
SIZE = 2 << BITS
CHANNELS = ("user_prompt", "completion", "tool_args", "tool_result")
MAGIC = b"remit-ngrams/1\n"
FILE = "injection.weights"

_CHUNK = 1 << 16
_MULTIPLIER = 0x9E3779B1
_WORD_MULTIPLIER = 0x100000001B3
_FINAL = (0x85EBCA6B, 0xC2B2AE35)
_LEAST_POWERS = 1 << 12
_FOLD_LIMIT = 0x3000
_MIN_WORDLIKE = 0xAA
_ALPHABET = 26


class Window(NamedTuple):
    """A scored piece of a text: ``logit`` of ``texts[number][start:end]``."""

    number: int
    start: int
    end: int
    logit: float


class Model(NamedTuple):
    """Weights and what was chosen with them.

    Attributes:
        table: a feature's weight is ``scale * table[feature]``; characters first, then words.
        scale, bias: of a logit.
        slope, offset: a score is ``sigmoid(slope * logit + offset)``, fitted after Platt.
        thresholds: the least logit of a finding, in the order of ``CHANNELS``.
    """

    table: NDArray[np.int8]
    scale: float
    bias: float
    slope: float
    offset: float
    thresholds: tuple[float, ...]

    def milli(self, logit: float) -> int:
        """The score of a logit, 0 to 1000."""
        steep = min(max(self.slope * logit + self.offset, -30.0), 30.0)
        return round(1000 / (1 + math.exp(-steep)))


@functools.cache
def load() -> Model:
    """The model that the package ships.

    Raises:
        ValueError: the file is not what this code writes.
    """
    data = resources.files("remit.content").joinpath("data", FILE).read_bytes()
    return loads(data)


def loads(data: bytes) -> Model:
    """Read what :func:`dumps` wrote."""
    import numpy as np

    count = 4 + len(CHANNELS)
    body = len(MAGIC) + 8 * count
    if data[: len(MAGIC)] != MAGIC or len(data) < body:
        raise ValueError("not a file of n-gram weights")
    numbers = np.frombuffer(data[len(MAGIC) : body], "<f8").tolist()
    raw = zlib.decompressobj().decompress(data[body:], SIZE + 1)
    if len(raw) != SIZE:
        raise ValueError("weights are cut short or too many")
    table = np.frombuffer(raw, np.int8)
    scale, bias, slope, offset = numbers[:4]
    return Model(table, scale, bias, slope, offset, tuple(numbers[4:]))


def quantise(weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], float]:
    """Weights in 8 bits and their scale."""
    import numpy as np

    scale = float(np.abs(weights).max() or 1.0) / 127
    return np.rint(weights / scale).astype(np.int8), scale


def dumps(model: Model) -> bytes:
    """The file; what rounded to zero costs next to nothing."""
    import numpy as np

    numbers = [model.scale, model.bias, model.slope, model.offset, *model.thresholds]
    return MAGIC + np.array(numbers, "<f8").tobytes() + zlib.compress(model.table.tobytes(), 9)


def score(texts: Sequence[str], model: Model) -> Iterator[Window]:
    """Every window of ``texts`` with its logit, in order, but those of a few letters."""
    import numpy as np

    table, scale, bias = model.table, model.scale, model.bias
    scratch, numbers = _scratch(table.size), _order()
    for number, start, end, grams in windows(texts):
        # As in `unique`, without the array of what is left.
        order = numbers[: grams.size]
        scratch[grams] = order
        first = scratch.take(grams) == order
        count = np.count_nonzero(first)
        if count >= LEAST_FEATURES:
            total = int(np.add.reduce(table.take(grams) * first, dtype=np.int64))
            yield Window(number, start, end, scale * total / float(count) ** 0.5 + bias)


def _scratch(size: int) -> NDArray[np.int16]:
    """Room for :func:`unique`, kept for each thread: its pages cost more than a short text."""
    import numpy as np

    room: NDArray[np.int16] | None = getattr(_kept, "room", None)
    if room is None or room.size != size:
        room = _kept.room = np.empty(size, np.int16)
    return room


_kept = threading.local()


def windows(texts: Sequence[str]) -> Iterator[tuple[int, int, int, NDArray[np.int64]]]:
    """Windows of ``texts``, in order: whose, start and end in it, features with repetitions."""
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


class _Cut(NamedTuple):
    """Texts that are folded one by one and looked at as one, and their windows.

    Each of them has a space at either end, and no feature goes over two.
    """

    codes: NDArray[np.uint32]
    places: NDArray[np.int64]
    numbers: list[int]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


def _cut(parts: Sequence[_Part]) -> _Cut | None:
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
        where.append(places + base)
        last = max(codes.size - WINDOW, 0)
        begins = [*range(0, last, STRIDE), last]
        numbers += [number] * len(begins)
        starts += [done + begin for begin in begins]
        stops += [done + min(begin + WINDOW, codes.size) for begin in begins]
        done += codes.size
    if not every:
        return None
    joined, places = np.concatenate(every), np.concatenate(where)
    return _Cut(joined, places, numbers, np.array(starts), np.array(stops))


def _windows(parts: Sequence[_Part]) -> Iterator[tuple[int, int, int, NDArray[np.int64]]]:
    import numpy as np

    cut = _cut(parts)
    if cut is None:
        return
    codes, places, numbers, starts, stops = cut
    characters, words = _char_grams(codes), _words(codes)
    grams = _buckets([*(some for some, _ in characters), *words.grams], len(CHAR_GRAMS))
    first, end = places[starts].tolist(), (places[stops - 1] + 1).tolist()
    if len(numbers) == 1:
        yield numbers[0], first[0], end[0], grams
        return
    # Where the grams of each window begin and end among those of their kind.
    bounds: list[Iterable[tuple[int, int]]] = []
    base = 0
    for n, (some, at) in zip(CHAR_GRAMS, characters, strict=True):
        low, high = at.searchsorted(starts), at.searchsorted(stops - n, "right")
        bounds.append(_bounds(base + low, base + high))
        base += some.size
    low, high = words.begins.searchsorted(starts), words.ends.searchsorted(stops, "right")
    for n, some in enumerate(words.grams):
        bounds.append(_bounds(base + low, base + np.maximum(low, high - n)))
        base += some.size
    for number, start, stop, *inside in zip(numbers, first, end, *bounds, strict=True):
        yield number, start, stop, np.concatenate([grams[a:b] for a, b in inside])


def _bounds(low: NDArray[np.int64], high: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    return zip(low.tolist(), high.tolist(), strict=True)


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


def _char_grams(
    codes: NDArray[np.uint32],
) -> list[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
    """For each length hashes of the grams without a space inside, and their places."""
    import numpy as np

    size = codes.size
    space = codes == ord(" ")
    multiplier = np.uint32(_MULTIPLIER)
    grams: list[tuple[NDArray[np.uint32], NDArray[np.int64]]] = []
    # A gram is hashed as its length and then its characters, so that the hash of one is that of
    # the one before it in length and another character, and the lengths can be added last.
    hashed, spaced = codes, space[:0]
    for n in CHAR_GRAMS:
        count = size - n + 1
        if count <= 0:
            grams.append((np.empty(0, np.uint32), np.empty(0, np.int64)))
            continue
        hashed = hashed[:count] * multiplier
        hashed += codes[n - 1 :]
        if n == min(CHAR_GRAMS):
            # It has no inside, but must not be two spaces.
            free = ~(space[:-1] & space[1:])
        else:
            inside = space[n - 2 : n - 2 + count]
            spaced = spaced[:count] | inside if spaced.size else inside
            free = ~spaced
        places = free.nonzero()[0]
        grams.append((hashed.take(places) + _of_length(n), places))
    return grams


@functools.cache
def _of_length(n: int) -> np.uint32:
    """What the length ``n`` adds to the hash of the ``n`` characters that follow it."""
    import numpy as np

    return np.uint32(n * _MULTIPLIER**n & 0xFFFFFFFF)


class _Words(NamedTuple):
    """Hashes of 1, 2 and 3 words on end, and where each word begins and ends."""

    grams: list[NDArray[np.uint32]]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


def _words(codes: NDArray[np.uint32]) -> _Words:
    import numpy as np

    letter = codes - np.uint32(ord("a")) < _ALPHABET
    letter |= (codes == ord("0")) | (codes >= _MIN_WORDLIKE)
    # A folded text begins and ends with a space.
    edges = (letter[1:] != letter[:-1]).nonzero()[0] + 1
    begins, ends = edges[::2], edges[1::2]
    if not begins.size:
        return _Words([np.empty(0, np.uint32)], begins, ends)
    # A letter counts by its place in the text, and what the first of a word counts is taken off.
    powers, inverse = _powers(max(1 << (codes.size - 1).bit_length(), _LEAST_POWERS))
    summed = np.add.reduceat((codes * letter) * powers[: codes.size], begins)
    one = summed * inverse.take(begins)
    two = one[:-1] * np.uint64(_WORD_MULTIPLIER) + one[1:]
    three = two[:-1] * np.uint64(_WORD_MULTIPLIER) + one[2:]
    grams = [
        (wide ^ (wide >> np.uint64(32))).astype(np.uint32) + np.uint32(n)
        for n, wide in enumerate((one, two, three))
    ]
    return _Words(grams, begins, ends)


def _buckets(hashed: Sequence[NDArray[np.uint32]], characters: int) -> NDArray[np.int64]:
    """Features of hashes, the first few arrays of which are of characters, the others of words.

    The upper bits after the finaliser of MurmurHash3.
    """
    import numpy as np

    every = np.concatenate(hashed)
    every ^= every >> np.uint32(16)
    every *= np.uint32(_FINAL[0])
    every ^= every >> np.uint32(13)
    every *= np.uint32(_FINAL[1])
    every >>= np.uint32(32 - BITS)
    buckets = every.astype(np.int64)
    buckets[sum(some.size for some in hashed[:characters]) :] += 1 << BITS
    return buckets


@functools.cache
def _powers(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of an odd number modulo 2**64 from the first on, and inverses from the zeroth on."""
    import numpy as np

    inverse = pow(_WORD_MULTIPLIER, -1, 1 << 64)
    up, down = np.full(size, _WORD_MULTIPLIER, np.uint64), np.full(size, inverse, np.uint64)
    down[0] = 1
    return np.cumprod(up, dtype=np.uint64), np.cumprod(down, dtype=np.uint64)


def unique(
    grams: NDArray[np.int64], scratch: NDArray[np.int16] | NDArray[np.int32]
) -> NDArray[np.int64]:
    """Each feature once: of equal ones the last written to ``scratch`` stays. No sort.

    ``scratch`` holds numbers up to the number of ``grams``; a window has less than 2,000.
    """
    order = _order()[: grams.size]
    scratch[grams] = order
    return grams.compress(scratch.take(grams) == order)


@functools.cache
def _order() -> NDArray[np.int16]:
    import numpy as np

    return np.arange(8 * WINDOW, dtype=np.int16)
