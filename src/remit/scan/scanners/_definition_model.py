"""A linear model that says how much a unit of a definition, or of a prompt, reads like an attack.

Two models ship, one of listings and one of prompts: what is odd in a description is usual in a prompt.
Each is a weight for every feature of :mod:`._definition_features`, how much the encoder's word counts
beside it (:mod:`._encoder`), and three limits of what both say. Data, scores and known failures:
``docs/reference/definition-model.md``. numpy is imported when a text is judged.
"""

from __future__ import annotations

import functools
import math
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Literal, NamedTuple

from remit.scan.scanners import _definition_features as features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from remit.scan.scanners._definition_units import Place, Unit

Name = Literal["listing", "prompt"]
MAGIC = b"remit-definitions/2\n"
_NUMBERS = 7
MOST_UNITS = 16
"""More units than that in a file do not raise its limits any further."""


class Model(NamedTuple):
    """Weights and limits.

    Attributes:
        table: weights of hashed features, in 8 bits.
        scale: of the table.
        bias: of a logit.
        mix: the encoder's share of what both say, from 0 to 1.
        calm: below it, what a pattern found is worth less: the sentence reads like a description.
        spread: what a file's units, e times as many, take from its logits: of many harmless sentences
            one looks odd.
        review, block: from these on it is a finding, of medium and of high severity.
        dense: weights of the features that are not hashed.
    """

    table: NDArray[np.int8]
    scale: float
    bias: float
    mix: float
    spread: float
    calm: float
    review: float
    block: float
    dense: NDArray[np.float32]

    def logit(self, unit: Unit, place: Place) -> float:
        """How much a unit reads like an attack."""
        weighed = features.weigh(unit, place)
        cut = weighed.places.size - self.dense.size
        hashed = self.table.take(weighed.places[:cut]) @ weighed.values[:cut]
        return float(self.scale * hashed + self.dense @ weighed.values[cut:] + self.bias)

    def both(self, logit: float, encoder: float) -> float:
        """What a unit's logit and that of its window come to."""
        return (1 - self.mix) * logit + self.mix * encoder

    def among(self, logit: float, count: int) -> float:
        """The logit of a text in a file with ``count`` units, if ``logit`` is that of its worst."""
        return logit - self.spread * math.log(min(max(count, 1), MOST_UNITS))


@functools.cache
def load(name: Name) -> Model:
    """A model that the package ships.

    Raises:
        ValueError: the file is not what this code writes.
    """
    data = resources.files("remit.scan.scanners").joinpath("data", f"{name}.weights").read_bytes()
    return loads(data)


def loads(data: bytes) -> Model:
    """Read what :func:`dumps` wrote.

    Raises:
        ValueError: it is something else, or cut short.
    """
    import numpy as np

    body = len(MAGIC) + 8 * _NUMBERS
    if data[: len(MAGIC)] != MAGIC or len(data) < body:
        raise ValueError("not a file of weights of definitions")
    numbers: list[float] = np.frombuffer(data[len(MAGIC) : body], "<f8").tolist()
    scale, bias, mix, spread, calm, review, block = numbers
    width = features.SIZE - features.DENSE
    size = features.DENSE + 4 * width
    try:
        raw = zlib.decompressobj().decompress(data[body:], size + 1)
    except zlib.error as error:
        raise ValueError("weights of definitions are damaged") from error
    if len(raw) != size:
        raise ValueError("weights of definitions are cut short or too many")
    table = np.frombuffer(raw[: features.DENSE], np.int8)
    dense = np.frombuffer(raw[features.DENSE :], "<f4")
    return Model(table, scale, bias, mix, spread, calm, review, block, dense)


def made(
    weights: NDArray[np.float64],
    bias: float,
    mix: float,
    spread: float,
    limits: tuple[float, float, float],
) -> Model:
    """A model of weights as they were fitted, rounded to 8 bits."""
    import numpy as np

    hashed = weights[: features.DENSE]
    scale = float(np.abs(hashed).max() or 1.0) / 127
    table = np.rint(hashed / scale).astype(np.int8)
    dense = weights[features.DENSE :].astype(np.float32)
    return Model(table, scale, bias, mix, spread, *limits, dense)


def dumps(model: Model) -> bytes:
    """The file; what rounded to zero costs next to nothing."""
    import numpy as np

    limits = [model.calm, model.review, model.block]
    numbers = [model.scale, model.bias, model.mix, model.spread, *limits]
    raw = model.table.tobytes() + model.dense.astype("<f4").tobytes()
    return MAGIC + np.array(numbers, "<f8").tobytes() + zlib.compress(raw, 9)
