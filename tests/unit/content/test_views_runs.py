import base64

import pytest

from remit.content import _views_runs as runs
from remit.content.base import View
from remit.content.views import read


@pytest.mark.parametrize("bits", [1, 4, 5, 6])
@pytest.mark.parametrize("at", range(0, 80, 8))
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 17, 64])
def test_places_of_decoded_bytes(bits, at, count):
    stop = at + 8 * count
    expected = (
        [7 + i // bits for i in range(at, stop, 8)],
        [7 + (i - 1) // bits + 1 for i in range(at + 8, stop + 8, 8)],
    )
    assert tuple(map(list, runs._even(at, count, bits, 7))) == expected


def test_a_finding_in_an_encoded_run_stands_where_the_run_is():
    inner = "the secret is here and it is long"
    run = base64.b64encode(inner.encode()).decode()
    text = f"look: {run} end"
    (view,) = runs.runs(View("original", text), runs.Decoding())
    assert view.text == inner
    start, end = view.text.index("secret"), view.text.index("secret") + 6
    first, last = view.origin(start, end)
    at = text.index(run)
    assert (first - at, last - at) == (4 * 4 // 3, -(-10 * 4 // 3))


def test_more_encoded_words_than_anybody_writes_count_as_uninspected():
    def words(count):
        return " ".join(
            base64.b64encode(f"word number {n:06}".encode()).decode() for n in range(count)
        )

    assert read(words(2_000)).complete
    assert not read(words(12_000)).complete
