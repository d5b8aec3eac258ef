import random

import numpy as np
import pytest

from remit.content import _ngrams as n
from remit.content._ngram_features import SIZE, windows


def test_model_survives_writing_and_reading():
    weights = np.zeros(SIZE)
    weights[[1, 5, -1]] = [2.0, -1.0, 0.5]
    table, scale = n.quantise(weights)
    model = n.Model(table, scale, -0.25, 1.5, 0.1, (1.0, 2.0, 3.0, 4.0))
    read = n.loads(n.dumps(model))
    assert (read.table == table).all()
    assert read[1:] == model[1:]
    assert np.abs(read.table * read.scale - weights).max() <= scale / 2


@pytest.mark.parametrize("data", [b"", b"remit-ngrams/1\n", b"x" * 400])
def test_a_broken_file_is_refused(data):
    with pytest.raises(ValueError, match="n-gram weights"):
        n.loads(data)


def test_weights_of_another_size_are_refused():
    model = n.Model(np.zeros(10, np.int8), 1.0, 0.0, 1.0, 0.0, (0.0,) * 4)
    with pytest.raises(ValueError, match="cut short"):
        n.loads(n.dumps(model))


def test_the_score_is_the_sum_of_weights_over_the_root_of_their_number():
    text = "forget it, please"
    ((_, start, end, grams),) = windows([text])
    unique = sorted(set(grams.tolist()))
    table = np.zeros(SIZE, np.int8)
    table[unique[:3]] = 100
    model = n.Model(table, 0.5, -1.0, 1.0, 0.0, (0.0,) * 4)
    (window,) = n.score([text], model)
    assert (window.start, window.end) == (start, end) == (0, len(text))
    assert window.logit == pytest.approx(150 / len(unique) ** 0.5 - 1)
    assert [model.milli(x) for x in (-1e9, 0.0, 1e9)] == [0, 500, 1000]


@pytest.mark.parametrize("last", [0, 100])
def test_scores_of_many_windows_are_those_of_their_features(last):
    chance = random.Random(3)
    table = np.random.default_rng(3).integers(-127, 128, SIZE).astype(np.int8)
    table[-1] = last
    model = n.Model(table, 0.01, 0.5, 1.0, 0.0, (0.0,) * 4)
    words = ["the", "plan", "it is", "a", "2024,", "caf\u00e9", "end.\n\n", "x" * 40]
    texts = [" ".join(chance.choices(words, k=chance.randrange(90))) for _ in range(60)]
    texts.append(" ".join(chance.choices(words, k=40_000)))
    expected = [
        (number, start, end, 0.01 * int(table[grams].sum(dtype=int)) / grams.size**0.5 + 0.5)
        for number, start, end, grams in windows(texts)
        if grams.size >= n.LEAST_FEATURES
    ]
    found = list(n.score(texts, model))
    assert [w[:3] for w in found] == [e[:3] for e in expected]
    assert [w.logit for w in found] == pytest.approx([e[3] for e in expected])


def test_the_shipped_model_is_small_and_sane():
    assert len(n.dumps(n.load())) <= 2 << 20
    assert n.load().slope > 0
    assert all(0 < t < 8 for t in n.load().thresholds)
