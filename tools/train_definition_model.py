"""Train the models that judge definitions (listings of MCP servers) and prompts.

    python -m tools.train_definition_model listing --benign FILE.jsonl --write
    python -m tools.train_definition_model prompt --benign FILE.jsonl --write

Rows: ``tools/definitions/{listing,prompt}*.jsonl.gz``, our own texts (CC0-1.0), see
:mod:`tools.definition_rows`. ``--benign``: rows of the same form that were collected elsewhere
(:mod:`tools.definitions.collect`) and are not part of this repository. scikit-learn is needed here only
(``pip install --group train``).

1. every text is cut into units and weighed as the scanners do it;
2. logistic regression; an attack counts by its best units, found in two rounds;
3. every author of many rows is left out in turn; once more with whole techniques left out, for the card;
4. how much the encoder counts beside it, and the limits, are chosen on the authors of ``--unseen``, whom
   the encoder of ``--encoder`` has not seen either (:mod:`tools.train_definition_encoder`);
5. the model that ships is fitted to all rows, and its limits are moved as the scores of ``--test`` move
   with the encoder that ships.
"""

import argparse
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from remit.scan.scanners import _definition_features as features
from remit.scan.scanners import _definition_model, _encoder, _learned
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import units, window_of, windows
from remit.scan.scanners._encoder import Asked
from tools.definition_card import Report
from tools.definition_rows import load, ours, pair, texts, within

WEIGHTS = Path(__file__).parent.parent / "src/remit/scan/scanners/data"
ROUNDS, FOLDS, LEAST = 2, 4, 2
MANY = 300
"""Rows of an author who is left out as a whole; those of others are spread."""
C = {"listing": 8.0, "prompt": 8.0}
# How much the three groups of features weigh: n-grams, signs, directions.
GROUPS = {"listing": (1.0, 2.0, 1.0), "prompt": (1.0, 0.7, 1.0)}
MARGIN = 0.5
SPREAD = {"listing": 0.6, "prompt": 0.8}
MIXES = np.linspace(0, 1, 11)
# Shares of harmless rows of unseen authors, all of them hard, above the limits: calm, review, block.
SHARES = {"listing": (0.75, 0.33, 0.03), "prompt": (0.55, 0.27, 0.01)}
# And of collected ones, which are what people write, above the limit of review.
COLLECTED = {"listing": 0.20, "prompt": 0.06}


class Data(NamedTuple):
    """Rows, and the units of their texts.

    ``bag`` is the text that a unit is of; ``hostile`` and ``row`` are of each text. ``window``: which of
    ``asked`` the encoder reads a unit in.
    """

    rows: Sequence[dict[str, Any]]
    matrix: sparse.csr_matrix
    bag: NDArray[np.int64]
    hostile: NDArray[np.bool_]
    row: NDArray[np.int64]
    window: NDArray[np.int64]
    asked: Sequence[Asked]

    @property
    def owner(self) -> NDArray[np.int64]:
        """The row that each unit is of."""
        return self.row[self.bag]


class Fit(NamedTuple):
    """A weight for each feature, and the bias."""

    weights: NDArray[np.float64]
    bias: float


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("listing", "prompt"))
    parser.add_argument("--benign", type=Path, action="append", default=[])
    parser.add_argument("--test", type=Path, action="append", default=[], help="rows to score only")
    parser.add_argument("--encoder", type=Path, help="that has not seen --unseen; else what ships")
    parser.add_argument("--unseen", nargs="+", required=True, metavar="AUTHOR")
    parser.add_argument("--techniques", action="store_true", help="also leave each technique out")
    parser.add_argument("--scores", type=Path, help="where to put what is said of each row")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    name: Name = given.name
    own = list(load(ours(name)))
    collected, tests = list(load(given.benign)), list(load(given.test))
    data = cut([*own, *collected, *tests])
    train = np.arange(len(data.rows)) < len(own) + len(collected)
    final = fitted(data, name, train)
    alone = held_out(data, name, train, authors(data.rows))
    alone[~train[data.owner]] = logits(data, final)[~train[data.owner]]
    unseen = np.array([row["author"] in given.unseen for row in data.rows])
    encoder = _encoder.loads(given.encoder.read_bytes()) if given.encoder else _encoder.load()
    encoded = read(data, name, encoder, unseen | ~train)
    labels = np.array([row["label"] == "malicious" for row in data.rows])
    mix = round(best_mix(data, name, alone, encoded, unseen), 2)
    scores = row_scores(data, name, (1 - mix) * alone + mix * encoded)
    limits = choose(scores[unseen & ~labels], scores[~train & ~labels], name)
    shown: list[int] = np.flatnonzero(unseen | ~train).tolist()
    print("Authors left out:\n")
    print(Report([data.rows[at] for at in shown], scores[shown], limits).text())
    if given.techniques:
        folds = spread(technique(row) for row in data.rows)
        apart = held_out(data, name, train, folds)
        apart[~train[data.owner]] = logits(data, final)[~train[data.owner]]
        print("The linear model, techniques left out:\n")
        print(Report(data.rows, row_scores(data, name, apart), limits).text())
    if given.scores:
        listed = {str(data.rows[at]["id"]): float(scores[at]) for at in shown}
        given.scores.write_text(json.dumps(listed), encoding="utf-8")
    if given.encoder:
        now = (1 - mix) * alone + mix * read(data, name, _encoder.load(), ~train)
        after = row_scores(data, name, now)[~train]
        calm, review, block = (moved(each, scores[~train], after) for each in limits)
        limits = (calm, review, block)
    if given.write:
        model = _definition_model.made(final.weights, final.bias, mix, SPREAD[name], limits)
        (WEIGHTS / f"{name}.weights").write_bytes(_definition_model.dumps(model))


def cut(rows: Sequence[dict[str, Any]]) -> Data:
    """Units of all texts of all rows, weighed; malicious sentences of a text apart from its others."""
    places, values, ends, bag = [], [], [0], []
    hostile: list[bool] = []
    owner: list[int] = []
    window: list[int] = []
    asked: dict[Asked, int] = {}
    for at, row in enumerate(rows):
        for text in texts(row):
            spans = windows(text.text, _learned.WINDOW)
            topic = _learned.topic_of(text.place)
            found = [(within(unit.start, unit.end, text), unit) for unit in units(text.text)]
            for bad in (True, False):
                some = [unit for inside, unit in found if inside is bad]
                for unit in some:
                    weighed = features.weigh(unit, text.place)
                    places.append(weighed.places.astype(np.int32))
                    values.append(weighed.values)
                    ends.append(ends[-1] + weighed.places.size)
                    bag.append(len(hostile))
                    start, end = spans[window_of(unit, spans)]
                    what = Asked(topic, text.text[start:end])
                    window.append(asked.setdefault(what, len(asked)))
                if some:
                    hostile.append(bad)
                    owner.append(at)
    shape = (len(bag), features.SIZE)
    parts = (np.concatenate(values), np.concatenate(places), np.array(ends))
    matrix = sparse.csr_matrix(parts, shape=shape)
    arrays = (np.array(bag), np.array(hostile), np.array(owner), np.array(window))
    return Data(rows, matrix, *arrays, list(asked))


def read(
    data: Data, name: Name, encoder: _encoder.Encoder, rows: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What an encoder says of the window of each unit of ``rows``; 0 of the others."""
    needed = np.unique(data.window[rows[data.owner]])
    said = np.zeros(len(data.asked))
    for at in range(0, len(needed), 512):
        some = needed[at : at + 512]
        said[some] = encoder.logits(name, [data.asked[each] for each in some])
    return said[data.window]


def best_mix(
    data: Data,
    name: Name,
    alone: NDArray[np.float64],
    encoded: NDArray[np.float64],
    rows: NDArray[np.bool_],
) -> float:
    """The share of the encoder with which attacks of an author rank highest among its harmless rows."""
    written = np.array([str(row["author"]) for row in data.rows])
    attack = np.array([row["label"] == "malicious" for row in data.rows])
    best, top = 0.0, 0.0
    print("encoder's share, area under the curve by author:")
    for mix in MIXES:
        scores = row_scores(data, name, (1 - mix) * alone + mix * encoded)
        areas = [
            roc_auc_score(attack[mine], scores[mine])
            for mine in (rows & (written == each) for each in np.unique(written[rows]))
        ]
        print(f"  {mix:.1f}  " + "  ".join(f"{area:.3f}" for area in areas))
        if np.mean(areas) > top:
            best, top = float(mix), float(np.mean(areas))
    return best


def fitted(data: Data, name: Name, rows: NDArray[np.bool_]) -> Fit:
    """Logistic regression on the units of ``rows``; attacks by their best units."""
    chosen = rows[data.owner]
    bag = data.bag[chosen]
    scale = np.ones(features.SIZE)
    for start, end, group in zip(
        (0, features.SIGNS, features.DENSE),
        (features.SIGNS, features.DENSE, features.SIZE),
        GROUPS[name],
        strict=True,
    ):
        scale[start:end] = group
    matrix = data.matrix[chosen] @ sparse.diags(scale)
    keep = np.flatnonzero(np.bincount(matrix.indices, minlength=features.SIZE) >= LEAST)
    matrix = matrix[:, keep]
    hostile = data.hostile[bag]
    size = np.bincount(bag, minlength=len(data.hostile))[bag]
    weight = np.where(hostile, 1.0, 1 / np.sqrt(size))
    used = np.ones(len(bag), bool)
    for _ in range(ROUNDS):
        model = LogisticRegression(
            C=C[name], solver="liblinear", dual=True, tol=0.05, max_iter=60, random_state=0
        )
        model.fit(matrix[used], hostile[used], sample_weight=weight[used])
        reached = matrix @ model.coef_[0]
        used = ~hostile | (reached >= _best(reached, bag, len(data.hostile))[bag] - MARGIN)
    weights = np.zeros(features.SIZE)
    weights[keep] = model.coef_[0]
    return Fit(weights * scale, float(model.intercept_[0]))


def logits(data: Data, fit: Fit) -> NDArray[np.float64]:
    """What a model says of each unit."""
    said: NDArray[np.float64] = data.matrix @ fit.weights + fit.bias
    return said


def row_scores(data: Data, name: Name, said: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is said of each row: of the best of its units."""
    count = np.clip(
        np.bincount(data.owner, minlength=len(data.rows)), 1, _definition_model.MOST_UNITS
    )
    return _best(said, data.owner, len(data.rows)) - SPREAD[name] * np.log(count)


def _best(logits: NDArray[np.float64], owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.full(count, -20.0)
    np.maximum.at(best, owner, logits)
    return best


def held_out(
    data: Data, name: Name, train: NDArray[np.bool_], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What a model says of each unit that has not seen any row of the same ``fold``."""
    said = np.zeros(len(data.bag))
    for each in np.unique(fold[train]):
        out = train & (fold == each)
        mine = out[data.owner]
        said[mine] = logits(data, fitted(data, name, train & ~out))[mine]
    return said


def authors(rows: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """A fold for every author of :data:`MANY` rows; attacks of others together with their twins."""
    count = Counter(str(row["author"]) for row in rows)
    own = {author: at for at, author in enumerate(sorted(a for a in count if count[a] >= MANY))}
    rest = spread((pair(row) for row in rows), len(own) or FOLDS)
    return np.array([own.get(str(row["author"]), at) for row, at in zip(rows, rest, strict=True)])


def spread(keys: Iterable[str], folds: int = FOLDS) -> NDArray[np.int64]:
    """Folds in which equal keys stay together."""
    return np.array([zlib.crc32(key.encode()) % folds for key in keys])


def technique(row: dict[str, Any]) -> str:
    """Of an attack, or that a harmless row was written beside; of collected rows each its own."""
    named = str(row["technique"]).rpartition("/")[2]
    return named if named not in {"", "real"} else str(row["id"])


def choose(
    hard: NDArray[np.float64], collected: NDArray[np.float64], name: Name
) -> tuple[float, float, float]:
    """Limits by the scores of harmless rows: calm, review, block."""
    calm, review, block = (float(np.quantile(hard, 1 - each)) for each in SHARES[name])
    return calm, min(review, float(np.quantile(collected, 1 - COLLECTED[name]))), block


def moved(limit: float, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """A limit where it belongs among scores of the same rows by an encoder that was trained on."""
    shares = np.linspace(0.02, 0.98, 49)
    low, high = np.quantile(before, shares), np.quantile(after, shares)
    return limit + float(np.interp(limit, low, high - low))


if __name__ == "__main__":
    sys.exit(main())
