"""Labels that their texts do not bear out: an indicator, never a proof.

Naive Bayes over hashed words, cross-validated. What is merely hard to tell is right more often the
surer the model is; where labels were changed, it stays wrong at the same rate however sure it is.

LIMIT: changes that go along with a text (one class only, one topic only) look like a hard task.
"""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

FOLDS = 5
MAX_ROWS = 5_000
MIN_ROWS = 200
LEAST = 0.15
"""Share of labels that must be in doubt; data sets that people label have a few in a hundred."""

Labelled = tuple[frozenset[str], str]


class Noise(msgspec.Struct, frozen=True):
    """What cross-validation says.

    Attributes:
        rows: that were looked at.
        share: of the labels that the surest predictions contradict, thousandths.
        next_share: of those that the next surest do, thousandths.
    """

    rows: int
    share: int
    next_share: int


def noise(rows: Sequence[Labelled]) -> Noise | None:
    """Labels in doubt; None if there are few, or nothing can be said."""
    rows = rows[:MAX_ROWS]
    classes = Counter(label for _, label in rows)
    if len(rows) < MIN_ROWS or not 2 <= len(classes) <= 20:
        return None
    judged = sorted(_judged(rows), reverse=True)
    fifth = len(judged) // 5
    surest = _wrong(judged[:fifth])
    following = _wrong(judged[fifth : 2 * fifth])
    most = 1 - max(classes.values()) / len(rows)
    learnt = surest < most - 2 * math.sqrt(most * (1 - most) / fifth)
    even = abs(following - surest) < max(0.12, 3 * math.sqrt(surest * (1 - surest) / fifth))
    if not learnt or not even or surest < LEAST:
        return None
    return Noise(len(rows), int(1000 * surest), int(1000 * following))


def _wrong(judged: Sequence[tuple[float, bool]]) -> float:
    return sum(not right for _, right in judged) / max(1, len(judged))


def _judged(rows: Sequence[Labelled]) -> list[tuple[float, bool]]:
    """Of each row how sure the model is that was made without it, and whether it is right."""
    made: list[tuple[float, bool]] = []
    for fold in range(FOLDS):
        classes: Counter[str] = Counter()
        words: dict[str, Counter[str]] = {}
        for at, (found, label) in enumerate(rows):
            if at % FOLDS != fold:
                classes[label] += 1
                for word in found:
                    words.setdefault(word, Counter())[label] += 1
        for at, (found, label) in enumerate(rows):
            if at % FOLDS == fold:
                made.append(_predicted(found, label, classes, words))
    return made


def _predicted(
    found: frozenset[str], label: str, classes: Counter[str], words: dict[str, Counter[str]]
) -> tuple[float, bool]:
    scores = {name: math.log(count) for name, count in classes.items()}
    for word in found:
        counts = words.get(word)
        if counts is not None:
            for name, count in classes.items():
                scores[name] += math.log((counts[name] + 0.5) / (count + 1))
    first, *rest = sorted(scores.items(), key=lambda each: -each[1])
    margin = first[1] - rest[0][1] if rest else 0.0
    return margin, first[0] == label
