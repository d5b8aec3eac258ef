"""Which scanners of a scan run at a time."""

import threading
import time

import pytest

from remit.scan.run import _Gate


def order(jobs, budget, places):
    """Costs in the order in which they got their places, behind one that held all of them."""
    gate, got, threads = _Gate(jobs, budget), [], []

    def take(size, cost):
        with gate.place(size, cost):
            got.append(cost)
            time.sleep(0.02)

    with gate.place(budget, 99.0):
        for size, cost in places:
            threads.append(threading.Thread(target=take, args=(size, cost)))
            threads[-1].start()
        time.sleep(0.1)
        assert got == []
    for each in threads:
        each.join(10)
        assert not each.is_alive()
    return got


def test_the_dearest_begins_first_whoever_came_first():
    assert order(1, 10, [(1, 1.0), (1, 3.0), (1, 2.0), (1, 5.0)]) == [5.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_equal_costs_and_sizes_beyond_the_budget_all_get_their_turn(jobs):
    places = [(50, 4.0), (1, 4.0), (20, 1.0), (1, 0.5), (1, 0.5)]
    assert sorted(order(jobs, 10, places)) == [0.5, 0.5, 1.0, 4.0, 4.0]


def test_one_that_raises_gives_its_place_back():
    gate = _Gate(1, 10)
    with pytest.raises(ValueError, match="no"), gate.place(10, 1.0):
        raise ValueError("no")
    with gate.place(10, 0.0):
        pass
