"""The shortest edit of one sequence into another, within a bound of work.

Greedy algorithm of E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (Algorithmica,
1986). :mod:`difflib` takes cubic time on lines that repeat, which the author of a file chooses.
"""

from array import array
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

Operation = tuple[Literal["equal", "replace"], int, int, int, int]
"""``a[i:j]`` equals, or is replaced by, ``b[k:l]``, as ``(what, i, j, k, l)``."""

MAX_EDITS = 1500
"""Edits that are looked for; the memory is the square of it."""
MAX_STEPS = 4_000_000


def edits(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    *,
    max_edits: int = MAX_EDITS,
    max_steps: int = MAX_STEPS,
) -> Iterator[Operation]:
    """How ``a`` becomes ``b``: operations that cover both in order.

    Beyond the bounds, all between the common beginning and the common end is one ``replace``: true
    and not the shortest.
    """
    start, end_a, end_b = _middle(a, b)
    if start:
        yield "equal", 0, start, 0, start
    x, y = start, start
    for i, k, length in _matches(a[start:end_a], b[start:end_b], max_edits, max_steps):
        if start + i > x or start + k > y:
            yield "replace", x, start + i, y, start + k
        x, y = start + i + length, start + k + length
        yield "equal", start + i, x, start + k, y
    if x < end_a or y < end_b:
        yield "replace", x, end_a, y, end_b
    if end_a < len(a):
        yield "equal", end_a, len(a), end_b, len(b)


def _middle(a: Sequence[Hashable], b: Sequence[Hashable]) -> tuple[int, int, int]:
    """Where the common beginning ends, and where on each side the common end begins."""
    shorter = min(len(a), len(b))
    start = 0
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return start, len(a) - end, len(b) - end


def _matches(
    a: Sequence[Hashable], b: Sequence[Hashable], max_edits: int, max_steps: int
) -> list[tuple[int, int, int]]:
    """Runs that are equal, as place in ``a``, place in ``b``, length; none beyond the bounds."""
    if not a or not b:
        return []
    numbers: dict[Hashable, int] = {}
    left = [numbers.setdefault(each, len(numbers)) for each in a]
    right = [numbers.setdefault(each, len(numbers)) for each in b]
    n, m = len(left), len(right)
    bound = min(n + m, max_edits)
    # `furthest[k]` is the furthest place in `a` on diagonal k; negative k count from the end.
    furthest = array("l", bytes(array("l").itemsize * (2 * bound + 3)))
    trace: list[array[int]] = []
    steps = 0
    for d in range(bound + 1):
        trace.append(array("l", (furthest[k] for k in range(-d, d + 1))))
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and furthest[k - 1] < furthest[k + 1])
            x = (furthest[k + 1] if down else furthest[k - 1] + 1) if d else 0
            begin = x
            y = x - k
            while x < n and y < m and left[x] == right[y]:
                x += 1
                y += 1
            steps += x - begin + 1
            furthest[k] = x
            if x >= n and y >= m:
                return _back(trace, n, m)
        if steps > max_steps:
            break
    return []


def _back(trace: "list[array[int]]", n: int, m: int) -> list[tuple[int, int, int]]:
    """The way that led to the end, from its beginning."""
    found: list[tuple[int, int, int]] = []
    x, y = n, m
    for d in range(len(trace) - 1, -1, -1):
        furthest = trace[d]  # as it was before step d; its middle is diagonal 0
        k = x - y
        before_x = before_y = 0
        if d:
            down = k == -d or (k != d and furthest[d + k - 1] < furthest[d + k + 1])
            step = k + 1 if down else k - 1
            before_x = furthest[d + step]
            before_y = before_x - step
        run = min(x - before_x, y - before_y)
        if run > 0:
            if found and found[-1][0] == x and found[-1][1] == y:
                found[-1] = (x - run, y - run, run + found[-1][2])
            else:
                found.append((x - run, y - run, run))
        x, y = before_x, before_y
    found.reverse()
    return found
