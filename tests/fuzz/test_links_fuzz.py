"""Links that are passed over say nothing where every link is looked at."""

from hypothesis import given
from hypothesis import strategies as st

from remit.content import _links as links
from remit.content.base import Surroundings
from remit.content.detectors.exfiltration import DETECTOR
from remit.content.views import read

FILLER = [
    " ", "\n", "\t", "words, ", "see: ", "a", "7", "(", ")", "[", "]", "](", "]:", "]: ", "[r]: ", "\n[r]: ", "<", ">", "'", '"', "`", ";", ":",
    "=", " = ", "x=", "src=", " src=", "<img src=", '<a href="x ', "srcset='a 1x, ", "url(", "url('", ' @import "', "![", "![x](", "[x](", "\x1b]8;;",
    "/", "\\", "//", "C:\\x", "http", "https", "tp", "s", "ws:", "\u00e9", "\u017f", "\u3000", "\ud800", "{", "}", ",", "keys: ", "*", "@", "#", "%", "&",
]  # fmt: skip
URLS = ["https://", "http://", "HTTPS://", "http:/", "//"]
HOSTS = [
    "a.example", "www.example.com", "x", "xn--pple-43d.com", "x-y.co.uk", "localhost", "192.0.2.1", "a@b.example", "0x7f000001",
    "MZXW6YTBOI.evil.example", "abcdefghijklmnop.evil.example", "example.com:8080", "\u0430pple.com", "a1b2c3.d4e5f6g7h.evil.example", "a..b", "",
]  # fmt: skip
ENDS = [
    "", "/", "/a/b.html", "/index.php?q=1", "?d=dGhlIHBhc3N3b3Jk", "?d=abc&e=f", "#part", "?a=b=c", "/aGVsbG8gdGhlcmU", "/data_here", "?x=TokenHere",
    "/a_b", "/API_KEY", "?d={x}", "/a/b/c.", "/a,b", "?q", "?", "//b", "/68656c6c6f20776f", "/abcdefghijk_", "/averylongsegmentindeed.", "/x.averylongone",
    "?q=aGVsbG8gdGhlcmU=", "/(a)", "/[b]", "?a=b;c=d", "/a'b", "/a:b", "_", "*", "|",
]  # fmt: skip

a_url = st.tuples(*map(st.sampled_from, (URLS, HOSTS, ENDS))).map("".join)
a_text = st.lists(
    st.one_of(a_url, a_url.map(lambda url: f"see {url} "), st.sampled_from(FILLER)), max_size=12
).map("".join)
channels = st.sampled_from(["tool_result", "tool_args"])
slashes = st.lists(
    st.sampled_from(
        [
            *FILLER,
            "// ",
            "\\\\ ",
            "///",
            "x//y",
            "p://",
            "tp\n://",
            "D:\\\\y ",
            "c:",
            "]:// ",
            "href=//",
            "post\u0131ng=",
            "de\u017fc =",
            "manifest='",
            "data",
            "=//",
            "x=//",
            "er=\u2003//",
        ]
    ),
    max_size=40,
).map("".join)


class _Nothing:
    def __init__(self, _data, *, is_ascii):
        pass

    def over(self, at, _high):
        return at


class _AllTelling:
    def __init__(self, _data):
        pass

    def past(self, at, _start, _high):
        return at


@given(a_text, channels)
def test_what_is_passed_over_says_nothing(text, channel):
    around = Surroundings(channel=channel)
    # Behind a link, for the first one is always looked at.
    views = read(f"https://a.example/x y{text}")
    quick = list(DETECTOR.find(views, around))
    kept, links.Passing = links.Passing, _Nothing
    try:
        assert quick == list(DETECTOR.find(views, around))
    finally:
        links.Passing = kept


@given(st.one_of(a_text, slashes), channels)
def test_slashes_that_are_passed_over_are_no_link(text, channel):
    around = Surroundings(channel=channel)
    views = read(text)
    quick = list(DETECTOR.find(views, around))
    kept, links._Dull = links._Dull, _AllTelling
    try:
        assert quick == list(DETECTOR.find(views, around))
        every = [each for each in links.links(views.views[0], 10_000) if each is not None]
    finally:
        links._Dull = kept
    assert [each for each in links.links(views.views[0], 10_000) if each is not None] == every
