import random
import time

from remit.artifacts.diff.sequence import edits


def applied(a, b, operations):
    x = y = cost = 0
    for what, i, j, k, m in operations:
        assert (i, k) == (x, y)
        x, y = j, m
        if what == "equal":
            assert list(a[i:j]) == list(b[k:m])
        else:
            cost += j - i + m - k
    assert (x, y) == (len(a), len(b))
    return cost


def longest_common(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for at, y in enumerate(b):
            last, row[at + 1] = row[at + 1], last + 1 if x == y else max(row[at + 1], row[at])
    return row[-1]


def test_edits_are_the_shortest_and_cover_both_sides():
    pick = random.Random(7)
    for _ in range(2000):
        a = [pick.randrange(4) for _ in range(pick.randrange(14))]
        b = [pick.randrange(4) for _ in range(pick.randrange(14))]
        assert applied(a, b, list(edits(a, b))) == len(a) + len(b) - 2 * longest_common(a, b)


def test_equal_and_empty_sequences():
    assert list(edits("", "")) == []
    assert list(edits("ab", "ab")) == [("equal", 0, 2, 0, 2)]
    assert list(edits("", "ab")) == [("replace", 0, 0, 0, 2)]
    assert list(edits("ab", "")) == [("replace", 0, 2, 0, 0)]


def test_sequences_made_to_take_long_end_soon_and_stay_true():
    """Lines that repeat take cubic time with difflib's algorithm."""
    start = time.monotonic()
    for a, b in (
        (range(30_000), range(50_000, 90_000)),
        ([0, 1] * 20_000, [1, 0, 0] * 15_000),
        ([0] * 40_000 + [1], [0] * 50_000 + [2]),
    ):
        applied(a, b, list(edits(a, b)))
    assert time.monotonic() - start < 30
