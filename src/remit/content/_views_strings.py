"""What strings say without the marks around them: pieces that are added up, values of JSON in JSON.

``"igno" + "re all"`` and ``"{\\"note\\": \\"ignore all\\"}"`` are read in place, too, but there the words
stand in quotation marks, and what is quoted is spoken about rather than spoken.
"""

import re
from collections.abc import Iterator

import re2

from remit.content._news import Span
from remit.content._re2 import Search, searcher
from remit.content._views_decoding import Decoding
from remit.content._views_map import Piece, joined, nested, with_news
from remit.content._views_signs import sign, stands
from remit.content.base import View

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_DOUBLE = rb'"(?:[^"\\\n]|\\.)*"'
_SINGLE = rb"'(?:[^'\\\n]|\\.)*'"
_PLUS = rb"\s{0,8}[+&]\s{0,40}"
_SUMS = searcher(
    re2.compile(
        rb"%b(?:%b%b){2,}|%b(?:%b%b){2,}" % (_DOUBLE, _PLUS, _DOUBLE, _SINGLE, _PLUS, _SINGLE),
        _OPTIONS,
    )
)
# A string, and that something is added to it.
ADDED = sign(rb"[\"']\s{0,8}[+&]", "codes")
_MARKS = re.compile(r"""["']\s{0,8}[+&]\s{0,40}["']""")
_CUT = re.compile(r"""(?<=[A-Za-z])["']\s{0,8}[+&]\s{0,40}["'](?=[a-z])""")
_LEAST_CUTS = 2
_MOST_ADDED = 64 << 10
_VALUES = searcher(re2.compile(rb'[:,\[]\s{0,8}"(?:[^"\\\n]|\\.)+"', _OPTIONS))
_NESTED = (rb"\":", rb"\" :")
_SPACES = 2
_MOST = 2000


def sums(view: View, decoding: Decoding) -> View | None:
    """Strings that are added up from pieces of words, one a line.

    Of a text with more than 64 KiB of them, the first: all are read in place, too.
    """
    if not stands(ADDED, view):
        return None
    return joined(view, nested(view, "concatenation"), _added(view, decoding))


def _added(view: View, decoding: Decoding) -> Iterator[Piece]:
    text = view.text
    left = _MOST_ADDED
    for start, high in _found(_SUMS, view.plain):
        end = min(high, start + left)
        left -= end - start
        if end == start:
            return
        if len(_CUT.findall(text, start, end)) < _LEAST_CUTS:
            continue
        parts: list[str] = []
        places: list[int] = []
        at = start + 1
        for mark in (*_MARKS.finditer(text, start + 1, end), None):
            stop = mark.start() if mark else end - 1
            parts.append(text[at:stop])
            places += range(at, stop)
            at = mark.end() if mark else end
        taken = decoding.take("".join(parts))
        if taken:
            yield Piece(taken, places[: len(taken)], [p + 1 for p in places[: len(taken)]])


def holds_json(view: View) -> bool:
    """Whether names of JSON are escaped in ``view``."""
    return any(sign in view.plain for sign in _NESTED)


def values(view: View) -> View | None:
    """Strings of three words and more, one a line; ``view`` says all of it, so nothing is new."""
    made = joined(view, nested(view, "values"), _strings(view))
    return None if made is None else with_news(made, ())


def _strings(view: View) -> Iterator[Piece]:
    text = view.text
    left = _MOST
    for start, end in _found(_VALUES, view.plain):
        begin = text.index('"', start) + 1
        value = text[begin : end - 1]
        if value.count(" ") >= _SPACES:
            yield Piece(value, range(begin, end - 1), range(begin + 1, end))
            left -= 1
            if not left:
                return


def _found(search: Search, data: bytes) -> Iterator[Span]:
    end, size = 0, len(data)
    while True:
        start, end = search(data, end, size)[0]
        if start < 0:
            return
        yield start, end
