"""A small transformer that reads a window of a text beside what it is about.

A BERT (Devlin et al., NAACL 2019) of six layers, 384 wide, distilled as MiniLM (Wang et al., NeurIPS
2020) and trained on with our rows; see the card, ``docs/reference/definition-model.md``. It sees the
order of words, and so who does what to whom, which the linear model next to it does not. Weights are in
8 bits with a scale for each column; numpy does the sums, and is imported when a text is judged.
"""

from __future__ import annotations

import functools
import io
import math
import zipfile
import zlib
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from remit.scan.scanners._wordpiece import Pieces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from remit.scan.scanners._definition_model import Name

FILE = "encoder.npz"
HEADS: Mapping[Name, int] = {"listing": 0, "prompt": 1}
LONGEST = 128
"""Pieces of an input: topic, window and three marks."""
TOPIC = 28
"""Pieces of a topic that are read."""
SHARED = 16
"""Pieces that two parts of a window have in common."""
MOST_PIECES = 4
"""Of a character: a syllable of Hangul is decomposed into three."""
_BATCH = 1024
"""Pieces, padding among them, that are read at a time."""
_ATTENTION = 32
_EPSILON = 1e-12


class Asked(NamedTuple):
    """A window, and what it stands in."""

    topic: str
    text: str


class Encoder(NamedTuple):
    """Weights.

    Attributes:
        pieces: the vocabulary.
        arrays: by name, as :func:`loads` has them.
    """

    pieces: Pieces
    arrays: Mapping[str, NDArray[np.float32]]

    def logits(self, name: Name, asked: Sequence[Asked]) -> list[float]:
        """How much each window reads like an attack: the worst of its parts."""
        parts = [(at, each) for at, one in enumerate(asked) for each in self.inputs(one)]
        inputs = [each for _, each in parts]
        said = [0.0] * len(inputs)
        batch: list[int] = []
        for at in sorted(range(len(inputs)), key=lambda at: len(inputs[at][0])):
            if batch and (len(batch) + 1) * len(inputs[at][0]) > _BATCH:
                self._read(batch, inputs, HEADS[name], said)
                batch = []
            batch.append(at)
        if batch:
            self._read(batch, inputs, HEADS[name], said)
        found = [-math.inf] * len(asked)
        for (at, _), logit in zip(parts, said, strict=True):
            found[at] = max(found[at], logit)
        return found

    def inputs(self, asked: Asked) -> list[tuple[list[int], int]]:
        """Numbers of the pieces, and how many of them are of the topic.

        A window with more pieces than an input holds is read in parts, which share :data:`SHARED`.
        """
        cut = self.pieces
        topic = [cut.start, *cut.numbers(asked.topic, TOPIC), cut.end]
        text = cut.numbers(asked.text, len(asked.text) * MOST_PIECES)
        room = LONGEST - len(topic) - 1
        starts = range(0, max(len(text) - SHARED, 1), room - SHARED)
        return [([*topic, *text[at : at + room], cut.end], len(topic)) for at in starts]

    def _read(
        self,
        batch: Sequence[int],
        inputs: Sequence[tuple[list[int], int]],
        head: int,
        found: list[float],
    ) -> None:
        import numpy as np

        width = max(len(inputs[at][0]) for at in batch)
        numbers = np.zeros((len(batch), width), np.int64)
        kinds = np.zeros((len(batch), width), np.int64)
        read = np.zeros((len(batch), width), bool)
        for row, at in enumerate(batch):
            given, topic = inputs[at]
            numbers[row, : len(given)] = given
            kinds[row, topic : len(given)] = 1
            read[row, : len(given)] = True
        for at, logit in zip(batch, self._forward(numbers, kinds, read)[:, head], strict=True):
            found[at] = float(logit)

    def _forward(
        self, numbers: NDArray[np.int64], kinds: NDArray[np.int64], read: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Logits by input and head; shapes of the arguments are (inputs, pieces)."""
        import numpy as np

        w = self.arrays
        count, length = numbers.shape
        state = w["word"].take(numbers, 0) * w["word.scale"].take(numbers)[..., None]
        state = _normal(state + w["pos"][:length] + w["type"].take(kinds, 0), w, "eln")
        width = state.shape[-1]
        heads = width // _ATTENTION
        masked = np.where(read, np.float32(0), np.float32(-1e9))[:, None, None, :]

        def split(values: NDArray[np.float32]) -> NDArray[np.float32]:
            return values.reshape(count, length, heads, _ATTENTION).transpose(0, 2, 1, 3)

        for layer in range(_layers(w)):
            at = f"{layer}."
            query, key, value = (split(_dense(state, w, at + name)) for name in "qkv")
            weights = query @ key.transpose(0, 1, 3, 2) * np.float32(_ATTENTION**-0.5) + masked
            weights = np.exp(weights - weights.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = (weights @ value).transpose(0, 2, 1, 3).reshape(count, length, width)
            state = _normal(state + _dense(mixed, w, at + "o"), w, at + "ln1")
            inner = _dense(_gelu(_dense(state, w, at + "i")), w, at + "d")
            state = _normal(state + inner, w, at + "ln2")
        counted = read[..., None]
        mean = (state * counted).sum(1) / counted.sum(1)
        return _dense(np.concatenate([state[:, 0], mean.astype(np.float32)], -1), w, "head")


def _layers(arrays: Mapping[str, NDArray[np.float32]]) -> int:
    return sum(name.endswith(".q") for name in arrays)


def _dense(
    values: NDArray[np.float32], arrays: Mapping[str, NDArray[np.float32]], name: str
) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values @ arrays[name] + arrays[f"{name}.bias"]
    return found


def _normal(
    values: NDArray[np.float32], arrays: Mapping[str, NDArray[np.float32]], name: str
) -> NDArray[np.float32]:
    """Layer normalisation (Ba et al., arXiv 1607.06450)."""
    import numpy as np

    values = values - values.mean(-1, keepdims=True)
    spread = np.sqrt((values * values).mean(-1, keepdims=True) + np.float32(_EPSILON))
    found: NDArray[np.float32] = values / spread * arrays[name] + arrays[f"{name}.bias"]
    return found


def _gelu(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The Gaussian error linear unit by its tangent (Hendrycks and Gimpel, arXiv 1606.08415)."""
    import numpy as np

    inner = values * (1 + np.float32(0.044715) * values * values)
    tangent = np.tanh(np.float32(math.sqrt(2 / math.pi)) * inner)
    found: NDArray[np.float32] = np.float32(0.5) * values * (1 + tangent)
    return found


@functools.cache
def load() -> Encoder:
    """The encoder that the package ships.

    Raises:
        ValueError: the file is not what this code writes.
    """
    data = resources.files("remit.scan.scanners").joinpath("data", FILE).read_bytes()
    return loads(data)


def loads(data: bytes) -> Encoder:
    """Read what :func:`dumps` wrote.

    Raises:
        ValueError: it is something else, or cut short.
    """
    try:
        return _loads(data)
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"not a file of an encoder: {error}") from error


def _loads(data: bytes) -> Encoder:
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    words = stored.pop("vocabulary").tobytes().decode("utf-8").split("\n")
    arrays = {
        name: values if name == "word" or values.dtype == np.float32 else _floats(stored, name)
        for name, values in stored.items()
    }
    if len(words) != len(arrays["word"]) or _layers(arrays) == 0:
        raise ValueError("the vocabulary is not that of the weights")
    return Encoder(Pieces({word: number for number, word in enumerate(words)}), arrays)


def _floats(stored: Mapping[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    return stored[name] * stored[f"{name}.scale"]


def dumps(words: Sequence[str], arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The file of a vocabulary and of arrays, matrices in 8 bits.

    ``arrays``: ``word``, ``pos``, ``type`` (pieces, width); for each layer ``N.q``, ``.k``, ``.v``,
    ``.o``, ``.i``, ``.d`` (in, out); ``head`` (2 x width, heads); and norms ``eln``, ``N.ln1``, ``N.ln2``;
    of all but the first three also ``.bias``.
    """
    import numpy as np

    stored: dict[str, NDArray[np.generic]] = {
        "vocabulary": np.frombuffer("\n".join(words).encode(), np.uint8)
    }
    for name, values in arrays.items():
        if name == "word" or (values.ndim == 2 and name[0].isdigit()):
            axis = 1 if name == "word" else 0
            scale = np.abs(values).max(axis) / 127 + np.float32(1e-12)
            shape = scale[:, None] if name == "word" else scale
            stored[name] = np.rint(values / shape).astype(np.int8)
            stored[f"{name}.scale"] = scale.astype(np.float32)
        else:
            stored[name] = values.astype(np.float32)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **stored)
    return file.getvalue()
