"""Train the models that judge definitions (listings of MCP servers) and prompts.

    python -m tools.train_definition_model listing --benign FILE.jsonl --write
    python -m tools.train_definition_model prompt --benign FILE.jsonl --write

Rows: ``tools/definitions/{listing,prompt}*.jsonl.gz``, our own texts (CC0-1.0): ``{"id", "author",
"label": "malicious"|"benign", "technique", "lang"}`` with ``listing`` or ``text``, and ``bad``: JSON
pointers of the malicious texts, or the malicious substrings. ``--benign``: rows of the same form that
were collected elsewhere (:mod:`tools.definitions.collect`) and are not part of this repository.
scikit-learn is needed here only (``pip install --group train``).

1. every text is cut into units and weighed as the scanners do it;
2. logistic regression; an attack counts by its best units, found in two rounds;
3. every author of many rows is left out in turn: what a model says of somebody else's texts is what
   limits are chosen by; once more with whole techniques left out, for the card;
4. the model that ships is fitted to all rows.
"""

import argparse
import gzip
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from remit.content.values import walk
from remit.scan.scanners import _definition_features as features
from remit.scan.scanners import _definition_model, _listing_parts
from remit.scan.scanners._definition_model import Name
from remit.scan.scanners._definition_units import Place, units
from remit.scan.scanners.prompts import about
from tools.definition_card import Report

HERE = Path(__file__).parent / "definitions"
WEIGHTS = Path(__file__).parent.parent / "src/remit/scan/scanners/data"
ROUNDS, FOLDS, LEAST = 2, 4, 2
MANY = 300
"""Rows of an author who is left out as a whole; those of others are spread."""
C = {"listing": 8.0, "prompt": 8.0}
# How much the three groups of features weigh: n-grams, signs, directions.
GROUPS = {"listing": (1.0, 2.0, 1.0), "prompt": (1.0, 0.7, 1.0)}
MARGIN = 0.5
SPREAD = {"listing": 0.0, "prompt": 0.8}
# Shares of our harmless rows, most of them hard, above the limits: calm, review, block.
SHARES = {"listing": (0.75, 0.29, 0.02), "prompt": (0.55, 0.22, 0.005)}
# And of collected ones, which are what people write, above the limit of review.
COLLECTED = {"listing": 0.20, "prompt": 0.20}
_TWIN = re.compile(r"(?<=\d)-?[a-z]*\Z")
LONGEST = 2_500
"""Characters of a collected prompt; some are books."""


class Data(NamedTuple):
    """Rows, and the units of their texts.

    ``bag`` is the text that a unit is of; ``hostile`` and ``row`` are of each text.
    """

    rows: Sequence[dict[str, Any]]
    matrix: sparse.csr_matrix
    bag: NDArray[np.int64]
    hostile: NDArray[np.bool_]
    row: NDArray[np.int64]


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
    parser.add_argument("--techniques", action="store_true", help="also leave each technique out")
    parser.add_argument("--scores", type=Path, help="where to put what is said of each row")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    name: Name = given.name
    own = list(load(sorted(HERE.glob(f"{name}*.jsonl.gz"))))
    collected, tests = list(load(given.benign)), list(load(given.test))
    data = cut([*own, *collected, *tests], name)
    train = np.arange(len(data.rows)) < len(own) + len(collected)
    scores = held_out(data, name, train, authors(data.rows))
    labels = np.array([row["label"] == "malicious" for row in data.rows])
    ours = np.arange(len(data.rows)) < len(own)
    limits = choose(scores[ours & ~labels], scores[train & ~ours], name)
    final = fitted(data, name, train)
    scores[~train] = row_scores(data, name, final)[~train]
    print("Authors left out:\n")
    print(Report(data.rows, scores, limits).text())
    if given.techniques:
        folds = spread(technique(row) for row in data.rows)
        unseen = np.where(train, held_out(data, name, train, folds), scores)
        print("Techniques left out:\n")
        print(Report(data.rows, unseen, limits).text())
    if given.scores:
        listed = {
            str(row["id"]): float(score) for row, score in zip(data.rows, scores, strict=True)
        }
        given.scores.write_text(json.dumps(listed), encoding="utf-8")
    if given.write:
        model = _definition_model.made(final.weights, final.bias, SPREAD[name], limits)
        (WEIGHTS / f"{name}.weights").write_bytes(_definition_model.dumps(model))


def load(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Rows of files, each text once."""
    seen = set()
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                key = json.dumps(row.get("listing", row.get("text")), sort_keys=True)
                if key not in seen:
                    seen.add(key)
                    yield row


def cut(rows: Sequence[dict[str, Any]], name: Name) -> Data:
    """Units of all texts of all rows, weighed."""
    places, values, ends, bag = [], [], [0], []
    hostile: list[bool] = []
    owner: list[int] = []
    for at, row in enumerate(rows):
        for bad, place, found in _texts(row, name):
            for unit in found:
                weighed = features.weigh(unit, place)
                places.append(weighed.places.astype(np.int32))
                values.append(weighed.values)
                ends.append(ends[-1] + weighed.places.size)
                bag.append(len(hostile))
            hostile.append(bad)
            owner.append(at)
    shape = (len(bag), features.SIZE)
    parts = (np.concatenate(values), np.concatenate(places), np.array(ends))
    matrix = sparse.csr_matrix(parts, shape=shape)
    return Data(rows, matrix, np.array(bag), np.array(hostile), np.array(owner))


def _texts(row: dict[str, Any], name: Name) -> Iterator[tuple[bool, Place, list[Any]]]:
    attack = row["label"] == "malicious"
    if name == "listing":
        pieces = walk(row["listing"]).pieces
        for piece, place in _listing_parts.places(
            list(_listing_parts.lists(row["listing"], "")), pieces
        ):
            bad = attack and piece.path in row.get("bad", [piece.path])
            yield bad, place, list(units(piece.text))
        return
    text = row["text"] if row.get("bad") else row["text"][:LONGEST]
    starts = [(text.find(each), len(each)) for each in row.get("bad", []) if each in text]
    spans = [(at, at + size) for at, size in starts] or ([(0, len(text))] if attack else [])
    place = Place("prompt", about(text))
    found = list(units(text))
    within = [any(u.start < end and at < u.end for at, end in spans) for u in found]
    for bad in (True, False):
        some = [unit for unit, inside in zip(found, within, strict=True) if inside is bad]
        if some:
            yield bad, place, some


def fitted(data: Data, name: Name, rows: NDArray[np.bool_]) -> Fit:
    """Logistic regression on the units of ``rows``; attacks by their best units."""
    chosen = rows[data.row[data.bag]]
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
        logits = matrix @ model.coef_[0]
        used = ~hostile | (logits >= _best(logits, bag, len(data.hostile))[bag] - MARGIN)
    weights = np.zeros(features.SIZE)
    weights[keep] = model.coef_[0]
    return Fit(weights * scale, float(model.intercept_[0]))


def row_scores(data: Data, name: Name, fit: Fit) -> NDArray[np.float64]:
    """The best unit of each row."""
    logits = data.matrix @ fit.weights + fit.bias
    owner = data.row[data.bag]
    count = np.clip(np.bincount(owner, minlength=len(data.rows)), 1, _definition_model.MOST_UNITS)
    return _best(logits, owner, len(data.rows)) - SPREAD[name] * np.log(count)


def _best(logits: NDArray[np.float64], owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.full(count, -20.0)
    np.maximum.at(best, owner, logits)
    return best


def held_out(
    data: Data, name: Name, train: NDArray[np.bool_], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What a model says of a row that has not seen any row of the same ``fold``."""
    scores = np.zeros(len(data.rows))
    for each in np.unique(fold[train]):
        out = train & (fold == each)
        scores[out] = row_scores(data, name, fitted(data, name, train & ~out))[out]
    return scores


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


def pair(row: dict[str, Any]) -> str:
    """An attack and its harmless twin have one."""
    return _TWIN.sub("", str(row["id"]))


def choose(
    ours: NDArray[np.float64], collected: NDArray[np.float64], name: Name
) -> tuple[float, float, float]:
    """Limits by the scores of harmless rows: calm, review, block."""
    calm, review, block = (float(np.quantile(ours, 1 - each)) for each in SHARES[name])
    return calm, min(review, float(np.quantile(collected, 1 - COLLECTED[name]))), block


if __name__ == "__main__":
    sys.exit(main())
