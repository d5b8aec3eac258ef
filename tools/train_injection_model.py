"""Train the n-gram model of the injection detector.

    python -m tools.train_injection_model --data DIR [--data DIR …] \
        --weights src/remit/content/data/injection.weights --card docs/reference/injection-model.md

Each ``DIR`` holds ``*.jsonl`` or ``*.jsonl.gz`` files of rows ``{"text", "label", "kind",
"channel", "source", "licence"}``; files whose name does not hold ``injection`` are taken only if
their rows have a ``kind``. Rows under CC BY-SA and those of :data:`TEST_ONLY` are never trained on; they are a test. Our own
templates (``tools/benign``) are generated on the way. scikit-learn is needed here only
(``pip install --group train``).

1. every row is read as the detector reads it: all readings, windows, rules;
2. a random fifth, whole templates and two collected repositories are set aside;
3. logistic regression; an attack counts by its best window, found in two rounds;
4. thresholds per channel at fixed benign rates of what was set aside; Platt's scores;
5. the final fit on all rows, with those thresholds; then each large source is left out once.
"""

import argparse
import datetime as dt
import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from remit.content import _injection_rules as rules
from remit.content import _ngrams as ngrams
from remit.content._injection_views import pieces
from remit.content._ngram_features import SIZE
from remit.content._ngram_features import windows as windows_of
from remit.content.views import read
from tools import injection_card
from tools.benign import generate

C, MIN_ROWS, ROUNDS = 40.0, 2, 2
EACH = 40
ASIDE = 0.2
# Shares of benign rows above the threshold: of what was collected, and of our own hard negatives.
ORDINARY_RATE, HARD_RATE, LEAST_ROWS = 0.0125, 0.05, 200
SET_ASIDE_SOURCES = ("yizhongw/self-instruct", "NVIDIA/garak")
# Never trained on, nor were thresholds chosen on them; so are rows under CC BY-SA.
TEST_ONLY = ("lmarena/arena-hard-auto", "brexhq/prompt-engineering")
LEFT_OUT = ("S-Labs", "neuralchemy", "yanismiraoui", "garak-inthewild", "AgentDojo", "BIPIA-email",
            "own-template", "sec-docs")  # fmt: skip
# Jailbreaks that collections of role-play prompts hold without saying so.
_UNMARKED = re.compile(
    r"(?i)\bDAN\b|do anything now|越狱|jailbroken|ignore (?:all|any) (?:previous|prior)|"
    r"without (?:any )?(?:restrict|filter)|忽略(?:之前|以上|前面)"
)


class Data(NamedTuple):
    """Rows and their windows: ``owner`` is the row of each window, ``weights`` are points of rules and
    whether they are decisive.
    """

    rows: Sequence[dict[str, Any]]
    matrix: sparse.csr_matrix
    owner: NDArray[np.int64]
    weights: NDArray[np.float64]
    labels: NDArray[np.int64]


class Fit(NamedTuple):
    """A weight for each feature, and the bias."""

    weights: NDArray[np.float64]
    bias: float


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="without leaving sources out")
    parser.add_argument("--date", default=dt.datetime.now(dt.UTC).date().isoformat())
    arguments = parser.parse_args()

    data = windows([*load(arguments.data), *generate.rows(arguments.seed, EACH)])
    sources = np.array([group(row) for row in data.rows])
    share_alike = np.array(["CC-BY-SA" in row["licence"] for row in data.rows])
    never = share_alike | np.isin(sources, TEST_ONLY)
    aside = set_aside(data.rows, sources, arguments.seed) & ~never
    train = ~aside & ~never
    fit = fitted(data, train)
    scores = row_scores(data, fit)
    thresholds = choose(data, scores, aside)
    slope, offset = platt(scores[aside], data.labels[aside])

    report = injection_card.Report(data.rows, data.labels, sources, arguments.date)
    report.measure("set aside", scores, thresholds, aside)
    report.measure("CC BY-SA, never trained on", scores, thresholds, share_alike)
    report.measure("other sources, never trained on", scores, thresholds, never & ~share_alike)
    if arguments.weights:
        final = fitted(data, ~never)
        table, scale = ngrams.quantise(final.weights)
        limits = tuple(thresholds[c] for c in ngrams.CHANNELS)
        model = ngrams.Model(table, scale, final.bias, slope, offset, limits)
        arguments.weights.write_bytes(ngrams.dumps(model))

    for source in () if arguments.quick else LEFT_OUT:
        out = sources == source
        if source == "AgentDojo":
            out |= sources == "AgentDojo-env"
        left = row_scores(data, fitted(data, train & ~out))
        report.measure(f"without {source}", left, choose(data, left, aside & ~out), out)
    print(report.text())

    if arguments.card:
        head, mark, _ = arguments.card.read_text(encoding="utf-8").partition(injection_card.MARK)
        arguments.card.write_text(f"{head}{mark}\n\n{report.text()}", encoding="utf-8")


def load(directories: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Rows of the files of directories, without known mislabels."""
    for directory in directories:
        for path in sorted([*directory.glob("*.jsonl"), *directory.glob("*.jsonl.gz")]):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as file:
                for line in file:
                    row = json.loads(line)
                    if str(row.get("kind", "")).startswith("pi_") and not _unfit(row):
                        yield row


def _unfit(row: dict[str, Any]) -> bool:
    """Harmful requests are not injections; unmarked jailbreaks are not benign."""
    collected = row["label"] == 0 and row["kind"] == "pi_benign" and "/" in row["source"]
    return "HarmBench" in row["licence"] or (
        collected and _UNMARKED.search(row["text"]) is not None
    )


def group(row: dict[str, Any]) -> str:
    """The source as it is left out: security documents are one."""
    source: str = row["source"]
    return source.split(":", maxsplit=1)[0] if source.startswith("sec-docs") else source


def windows(rows: Sequence[dict[str, Any]]) -> Data:
    """Windows of all readings of all rows, as the detector cuts them."""
    indices, counts, owner, weights = [], [], [], []
    for at, row in enumerate(rows):
        before = len(owner)
        for piece in pieces(read(row["text"])):
            hits = rules.hits(piece.text)
            for _, start, end, grams in windows_of([piece.text]):
                if grams.size < ngrams.LEAST_FEATURES:
                    continue
                indices.append(grams)
                counts.append(grams.size)
                owner.append(at)
                weights.append((*rules.weigh(hits.within(start, end)), piece.prior))
        if len(owner) == before:
            indices.append(np.empty(0, np.int32))
            counts.append(0)
            owner.append(at)
            weights.append((*rules.weigh(()), 0.0))
    sizes = np.array(counts)
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    places = np.concatenate([[0], np.cumsum(sizes)])
    shape = (len(owner), SIZE)
    matrix = sparse.csr_matrix((values, np.concatenate(indices), places), shape=shape)
    labels = np.array([row["label"] for row in rows])
    return Data(rows, matrix, np.array(owner), np.array(weights), labels)


def set_aside(
    rows: Sequence[dict[str, Any]], sources: NDArray[np.str_], seed: int
) -> NDArray[np.bool_]:
    """A random fifth of the rows, of our own text whole templates, and two repositories."""
    fifth = np.random.default_rng(seed).random(len(rows)) < ASIDE
    own = np.array(["template" in row for row in rows])
    template = np.array([zlib.crc32(row.get("template", "").encode()) % 4 == 0 for row in rows])
    return np.where(own, template, fifth | np.isin(sources, SET_ASIDE_SOURCES))


def fitted(data: Data, rows: NDArray[np.bool_]) -> Fit:
    """Logistic regression on the windows of ``rows``; attacks by their best window."""
    chosen = rows[data.owner]
    matrix, owner = data.matrix[chosen], data.owner[chosen]
    labels = data.labels[owner]
    share = np.sqrt(np.bincount(owner, minlength=len(rows)))[owner]
    weight = np.where(labels == 1, 1.0, 1.0 / share)
    keep = np.flatnonzero(np.bincount(matrix.indices, minlength=SIZE) >= MIN_ROWS)
    matrix = matrix[:, keep]
    used = np.ones(len(owner), bool)
    for _ in range(ROUNDS):
        model = LogisticRegression(C=C, solver="liblinear", tol=1e-2, max_iter=200, random_state=0)
        model.fit(matrix[used], labels[used], sample_weight=weight[used])
        logits = matrix @ model.coef_[0]
        used = (labels == 0) | (logits >= _best(logits, owner, len(rows))[owner])
    weights = np.zeros(SIZE)
    weights[keep] = model.coef_[0]
    return Fit(weights, float(model.intercept_[0]))


def row_scores(data: Data, fit: Fit) -> NDArray[np.float64]:
    """The best window of each row, with the points of rules."""
    points, decisive, prior = data.weights.T
    logits = data.matrix @ fit.weights + fit.bias + prior
    logits = np.where(decisive > 0, np.maximum(logits, 0.0), logits) + points
    return _best(logits, data.owner, len(data.rows))


def _best(logits: NDArray[np.float64], owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    best = np.full(count, -1e9)
    np.maximum.at(best, owner, logits)
    return best


def choose(data: Data, scores: NDArray[np.float64], rows: NDArray[np.bool_]) -> dict[str, float]:
    """The threshold of each channel: at most the given shares of benign rows are above it."""
    benign = rows & (data.labels == 0)
    channel = np.array([row["channel"] for row in data.rows])
    own = np.array(["template" in row for row in data.rows])
    chosen = {}
    for name in ngrams.CHANNELS:
        limits = []
        for some, rate in ((benign & ~own, ORDINARY_RATE), (benign & own, HARD_RATE)):
            here = some & (channel == name)
            limits.append(np.quantile(scores[here if here.sum() >= LEAST_ROWS else some], 1 - rate))
        chosen[name] = float(max(limits))
    return chosen


def platt(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of scores, both labels weighing the same (Platt, 1999)."""
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(scores[:, None], labels)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


if __name__ == "__main__":
    sys.exit(main())
