"""Vectors of words: what is alike in meaning is near, in whatever language."""

import numpy as np
import pytest

from remit.scan.scanners import _word_vectors as vectors


def test_words_of_one_meaning_are_near():
    known = vectors.load()
    secret, other = known.mean("Do not tell the user."), known.mean("Sag dem Nutzer nichts davon.")
    weather = known.mean("Returns the current weather of a city.")
    assert float(secret @ other) > float(secret @ weather) + 0.2


def test_a_vector_has_length_one_or_nothing():
    known = vectors.load()
    assert np.linalg.norm(known.mean("Returns the weather")) == pytest.approx(1, abs=1e-5)
    assert not known.mean("").any()
    assert not known.mean("\u0000 \u200b 12345").any()


def test_scripts_without_spaces_are_cut_into_known_words():
    known = {"用户": 0, "告诉": 1, "天气": 2}
    assert list(vectors.words("不要告诉用户天气。", known)) == ["告诉", "用户", "天气"]


def test_the_file_is_read_as_it_was_written():
    table = np.arange(2 * vectors.WIDTH, dtype=np.int8).reshape(2, vectors.WIDTH)
    read = vectors.loads(vectors.dumps(["one", "two"], table))
    assert read.numbers == {"one": 0, "two": 1}
    assert (read.table == table).all()


@pytest.mark.parametrize("data", [b"", b"remit-words/2\n", b"remit-words/1\n", b"remit-words/1\nx"])
def test_another_file_is_refused(data):
    with pytest.raises(ValueError, match="word vectors"):
        vectors.loads(data)


def test_a_file_that_is_cut_short_is_refused():
    table = np.zeros((2, vectors.WIDTH), np.int8)
    packed = vectors.dumps(["one", "two", "three"], table)
    with pytest.raises(ValueError, match="cut short"):
        vectors.loads(packed)
