"""A linear model over hashed n-grams of characters and words.

The features of a window of a text are those of :mod:`_ngram_features`. A window's logit is the sum of
its features' weights over the root of their number, plus a bias: the dot product with an L2-normalised
binary vector.

numpy is imported when a text is scored, not when this module is imported.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from remit.content._ngram_features import SIZE, cut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_FEATURES = 12
CHANNELS = ("user_prompt", "completion", "tool_args", "tool_result")
MAGIC = b"remit-ngrams/1\n"
FILE = "injection.weights"


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
    # Beyond the table its last weight is taken.
    none = int(table[-1])
    for numbers, starts, ends, features in cut(texts):
        features.sort(axis=1)
        first = np.ones(features.shape, np.int8)
        np.not_equal(features[:, 1:], features[:, :-1], out=first[:, 1:].view(np.bool_))
        weights = table.take(features, mode="clip")
        weights *= first
        counts = np.add.reduce(first, axis=1, dtype=np.int32).tolist()
        totals = np.add.reduce(weights, axis=1, dtype=np.int32).tolist()
        for number, start, end, some, total in zip(
            numbers, starts, ends, counts, totals, strict=True
        ):
            # One of them is that there is none.
            count = some - 1
            if count >= LEAST_FEATURES:
                yield Window(number, start, end, scale * (total - none) / count**0.5 + bias)
