"""Helpers of pages: times, and text that could deceive."""

import pytest

from remit.web.errors import PageError
from remit.web.pages import asset, iso, plain, safe, span

MINUTE = 60 * 1_000_000


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (-1, "less than a minute"),
        (MINUTE - 1, "less than a minute"),
        (MINUTE, "1 minute"),
        (59 * MINUTE, "59 minutes"),
        (60 * MINUTE, "1 hour"),
        (3 * 24 * 60 * MINUTE, "3 days"),
    ],
)
def test_spans(us, text):
    assert span(us) == text


def test_times():
    assert iso(1_000_000_999_999) == "1970-01-12T13:46:40Z"


def test_text_that_could_deceive_is_shown():
    assert plain("a\u202eb\nc\td") == "a\\u{202e}b\\nc\\td"
    assert plain("x" * 600).endswith("(100 more characters)")
    assert safe("a\nb\x1b[1m") == "a\nb\\u{1b}[1m"


def test_assets():
    known = frozenset({"base.css", "icon.svg", "../pages.py"})
    assert b"--ink" in asset("remit.web", "base.css", known).body
    assert asset("remit.web", "icon.svg", known).kind == "image/svg+xml"
    for name in ("", "../pages.py", "base.css/", "visits.py"):
        with pytest.raises(PageError):
            asset("remit.web", name, known)
