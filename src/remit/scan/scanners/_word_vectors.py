"""Vectors of frequent words of sixteen languages, in one space: what is alike in meaning is near.

They carry a judgement from the words that a model was trained on to others that say the same, also in
another language. The vectors were made from a sentence encoder (see the card,
``docs/reference/definition-model.md``); a text's vector is the mean of its words', rare words
counting more, of length one.
"""

from __future__ import annotations

import functools
import re
import zlib
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

WIDTH = 64
"""Numbers of a vector."""
FILE = "words.vectors"
MAGIC = b"remit-words/1\n"
MAX_WORDS = 400
"""Of one text that count."""
LONGEST = 6
"""Characters of a word in a script without spaces."""
_LIMIT = 32 << 20
_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+|(?:(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f])[^\W\d_])+"
)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


class Vectors(NamedTuple):
    """Words and their vectors.

    Attributes:
        numbers: of each word, its row.
        table: vectors in 8 bits, each already scaled by how rare its word is.
    """

    numbers: Mapping[str, int]
    table: NDArray[np.int8]

    def mean(self, text: str) -> NDArray[np.float32]:
        """The vector of a text, of length one; zeros if no word is known."""
        import numpy as np

        rows = []
        for word in words(text, self.numbers):
            rows.append(self.numbers[word])
            if len(rows) >= MAX_WORDS:
                break
        if not rows:
            return np.zeros(WIDTH, np.float32)
        total: NDArray[np.float32] = self.table[rows].sum(axis=0, dtype=np.float32)
        length = float(np.linalg.norm(total))
        if length:
            total /= np.float32(length)
        return total


def words(text: str, known: Mapping[str, int]) -> Iterator[str]:
    """Known words of a text in order; in scripts without spaces the longest that fit."""
    for run in _RUN.finditer(text.lower()):
        found = run[0]
        if not _UNSPACED.match(found):
            if found in known:
                yield found
            continue
        at = 0
        while at < len(found):
            length = next(
                (
                    n
                    for n in range(min(LONGEST, len(found) - at), 1, -1)
                    if found[at : at + n] in known
                ),
                1,
            )
            if found[at : at + length] in known:
                yield found[at : at + length]
            at += length


@functools.cache
def load() -> Vectors:
    """The vectors that the package ships."""
    data = resources.files("remit.scan.scanners").joinpath("data", FILE).read_bytes()
    return loads(data)


def loads(data: bytes) -> Vectors:
    """Read what :func:`dumps` wrote.

    Raises:
        ValueError: it is something else, or cut short.
    """
    import numpy as np

    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("not a file of word vectors")
    try:
        raw = zlib.decompressobj().decompress(data[len(MAGIC) :], _LIMIT)
    except zlib.error as error:
        raise ValueError("word vectors are damaged") from error
    listed, _, body = raw.partition(b"\0")
    names = listed.decode("utf-8").split("\n")
    if len(body) != len(names) * WIDTH:
        raise ValueError("word vectors are cut short or too many")
    table = np.frombuffer(body, np.int8).reshape(WIDTH, len(names)).T
    return Vectors({name: at for at, name in enumerate(names)}, np.ascontiguousarray(table))


def dumps(names: list[str], table: NDArray[np.int8]) -> bytes:
    """The file: words, then vectors by column, which pack better."""
    import numpy as np

    body = "\n".join(names).encode() + b"\0" + np.ascontiguousarray(table.T).tobytes()
    return MAGIC + zlib.compress(body, 9)
