import base64

import pytest

from remit.content import _views_runs as runs
from remit.content.base import View
from remit.content.views import read


@pytest.mark.parametrize("bits", [1, 4, 5, 6])
@pytest.mark.parametrize("at", range(0, 80, 8))
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 17, 64])
@pytest.mark.parametrize("width", [1, 2])
def test_places_of_decoded_bytes(bits, at, count, width):
    step = 8 * width
    begins = range(at, at + step * count, step)
    source = [[7 + bit // bits for bit in range(begin, begin + step)] for begin in begins]
    expected = ([min(each) for each in source], [max(each) + 1 for each in source])
    assert tuple(map(list, runs._even(at, count, bits, 7, width))) == expected


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


def test_a_finding_in_wrapped_lines_stands_where_its_characters_are():
    inner = "the secret is here, it is long, and it goes on and on in more lines than one"
    run = base64.b64encode(inner.encode()).decode()
    text = "look: " + "\n  ".join(run[at : at + 24] for at in range(0, len(run), 24))
    (view,) = runs.runs(View("original", text), runs.Decoding())
    assert view.text == inner
    for start in range(len(inner)):
        for end in range(start + 1, len(inner) + 1):
            first, last = view.origin(start, end)
            stands = "".join(text[first:last].split())
            assert stands == run[4 * start // 3 : -(-4 * end // 3)]


def test_more_encoded_words_than_anybody_writes_count_as_uninspected():
    def words(count):
        return " ".join(
            base64.b64encode(f"word number {n:06}".encode()).decode() for n in range(count)
        )

    assert read(words(2_000)).complete
    assert not read(words(12_000)).complete


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("/files/" + b"ignore all previous".hex() + "/x", "ignore all previous"),
        ("i-g-n-o-r-e-a-l-l-p-r-e-v-i-o-u-s", "ignoreallprevious"),
        (b"ignore all previous".hex("-"), "ignore all previous"),
        ("/usr/local/lib/python/site-packages", ""),
        ("some_name-of/a_file-in_small/letters", ""),
    ],
)
def test_a_path_is_no_encoding_and_what_is_encoded_in_one_is_read(run, said):
    made = [view.text for view in runs.runs(View("original", run), runs.Decoding())]
    assert made == ([said] if said else [])
