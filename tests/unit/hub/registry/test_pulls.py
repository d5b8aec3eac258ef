"""Ranges and pages."""

import pytest

from remit.core.digest import Digest
from remit.hub.registry.errors import SizeInvalid
from remit.hub.registry.pulls import MAX_PAGE, RangeNotSatisfiable, _asked, _part, page_size
from tests.unit.hub.support import asked

D = Digest("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("header", "size", "part"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=5-7", 10, (5, 8)),
        ("bytes=5-99", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-99", 10, (0, 10)),
        (" bytes=0-1 ", 10, (0, 2)),
        (None, 10, None),
        ("", 10, None),
        ("bytes=-", 10, None),
        ("bytes=5-3", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=" + "9" * 20 + "-", 10, None),
    ],
)
def test_a_range(header, size, part):
    assert _part(header, size) == part


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0), ("bytes=9999999999-", 10)])  # fmt: skip
def test_a_range_outside(header, size):
    with pytest.raises(RangeNotSatisfiable) as refused:
        _part(header, size)
    assert refused.value.status == 416
    assert dict(refused.value.headers) == {"content-range": f"bytes */{size}"}


@pytest.mark.parametrize(
    ("method", "condition", "part"),
    [("GET", None, (0, 2)), ("HEAD", None, None), ("GET", f'"{D}"', (0, 2)), ("GET", '"x"', None), ("GET", f'W/"{D}"', None)],
)  # fmt: skip
def test_when_a_range_counts(method, condition, part):
    headers = [("range", "bytes=0-1"), *([("if-range", condition)] if condition else [])]
    assert _asked(asked(method, headers=headers), D, 10) == part


@pytest.mark.parametrize(("query", "count"), [("", MAX_PAGE), ("n=5", 5), ("n=0", 0), ("n=999999", MAX_PAGE), ("n=007", 7)])  # fmt: skip
def test_pages(query, count):
    assert page_size(asked(query=query)) == count


@pytest.mark.parametrize("n", ["x", "-1", "", "1e3", "9" * 10, "%D9%A3"])
def test_pages_of_no_number(n):
    with pytest.raises(SizeInvalid):
        page_size(asked(query=f"n={n}"))
