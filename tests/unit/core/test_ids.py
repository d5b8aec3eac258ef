"""ULIDs and the pool that feeds them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.core.ids import ENTROPY_BYTES, EntropyPool, ulid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def decode(text):
    number = 0
    for letter in text:
        number = number * 32 + CROCKFORD.index(letter)
    return number


@given(st.integers(0, (1 << 48) * 1000 - 1), st.binary(min_size=10, max_size=10))
def test_layout(now_us, entropy):
    text = ulid(now_us, entropy)
    assert len(text) == 26
    assert decode(text) >> 80 == now_us // 1000
    assert decode(text) & ((1 << 80) - 1) == int.from_bytes(entropy, "big")


def test_the_published_example_of_a_time():
    assert ulid(1_469_918_176_385_000, bytes(10)).startswith("01ARYZ6S41")


@given(st.integers(0, 10**15), st.integers(1000, 10**12))
def test_later_sorts_later(now_us, more):
    assert ulid(now_us, b"\xff" * 10) < ulid(now_us + more, bytes(10))


@pytest.mark.parametrize("size", [0, 9, 11])
def test_entropy_has_its_size(size):
    with pytest.raises(ValueError, match="entropy"):
        ulid(0, bytes(size))


def counting():
    """A source that gives each byte position once, as 4-byte numbers."""
    numbers = itertools.count()

    def source(count):
        assert count % 4 == 0
        return b"".join(next(numbers).to_bytes(4, "big") for _ in range(count // 4))

    return source


@given(st.lists(st.sampled_from([4, 8, 12, 16, 32, 4096, 8192]), max_size=60))
def test_pool_never_gives_a_byte_twice(sizes):
    pool = EntropyPool(counting())
    seen = set()
    for size in sizes:
        data = pool(size)
        assert len(data) == size
        for at in range(0, size, 4):
            number = data[at : at + 4]
            assert number not in seen
            seen.add(number)


def test_pool_of_uneven_sizes_keeps_lengths_and_asks_rarely():
    asked = []

    def source(count):
        asked.append(count)
        return bytes(count)

    pool = EntropyPool(source)
    for _ in range(409 * 2):
        assert len(pool(ENTROPY_BYTES)) == ENTROPY_BYTES
    assert asked == [4096, 4096]
    assert len(pool(5000)) == 5000
    assert asked[-1] == 5000
