r"""Links of which nothing is to be said, passed over at the speed of RE2.

Most links are a host of words and short segments, in no disguise, with nobody to follow them. One
anchored match takes as many of these as follow each other, with the text between them; it ends at
the first thing that may be anything else.

INVARIANT: what the pattern takes between links begins none, and leads to none: no two slashes, no
colon behind a letter that may end a scheme, no equals sign behind a letter that may end the name of
an attribute. So the URL of a link in it is what its own characters say, and its form is ``bare``
wherever it has a query.
"""

import re2

from remit.content._re2 import prefix, searcher

_BYTES = re2.Options()
_BYTES.encoding = re2.Options.Encoding.LATIN1
_BYTES.max_mem = 64 << 20
_BYTES.longest_match = True

# Text: `?` stands for anything outside ASCII.
_SCHEME_END = r"pPsS?"
_NAME_END = r"TFNRDAGECtfnrdagec?"
_SPACE = r"\s\x0b\x1c-\x1f"
_SIGNS = r"/\\:="
_TEXT = (
    rf"[^{_SIGNS}]|[/\\][^{_SIGNS}]|[/\\]:|[^{_SCHEME_END}{_SIGNS}]:+=?"
    rf"|[^tTwW{_SCHEME_END}{_SPACE}{_SIGNS}][pPsS]{{1,3}}:"
    rf"|[^{_NAME_END}{_SPACE}{_SIGNS}] ?=+"
)

# URLs: no value is long enough to be data, or a dot shows that it is none.
_VALUE = (
    r"(?:[A-Za-z0-9.-]{0,11}|[a-z0-9._-]{0,11}"
    r"|[A-Za-z0-9-]*(?:\.+[A-Za-z0-9-]+)+|[a-z0-9_-]*(?:\.+[a-z0-9_-]*[a-z0-9-])+)"
)
# No label below the registered ones has figures; none begins with `xn`, as one in punycode does.
_LABEL = r"(?:[A-WYZa-wyz0-9][A-Za-z0-9-]{0,62}|[xX](?:[A-MO-Za-mo-z0-9-][A-Za-z0-9-]{0,61})?)"
_HOST = rf"(?:(?:[A-Za-z]{{1,11}}\.){{0,3}}{_LABEL}\.)?[A-Za-z]{{2,11}}(?::[0-9]{{1,5}})?"
_URL = rf"https?://{_HOST}(?:/{_VALUE})*"
_FRAGMENT = rf"(?:#{_VALUE})?"
_PAIR = rf"{_VALUE}(?:={_VALUE})?"
_QUERY = rf"\?{_PAIR}(?:&{_PAIR})*"
_TRAILING = b".,;:!?*_|"
_BEHIND = 32
_END = r"[.,;:!*|]{0,3}[\x00-\x20\x7f\"'<>`)\]]"
_NO_QUOTE = r"[^A-Za-z0-9?\"'" + _SIGNS + "]"
# What stands before a link that is `bare`: words or a sign and a space, or a parenthesis.
_BEFORE_BARE = (
    rf"(?:[^({_SIGNS};<?{_SPACE}]|[^\]{_SCHEME_END}{_SIGNS}{_SPACE}]:)[ \t\r\n]{{1,8}}|[ \t\r\n]\("
)
_BEFORE_QUOTE = rf"(?:[,\[{{]|[^{_SCHEME_END}{_SIGNS}]:) ?"


def _row(*links: str) -> str:
    return rf"(?:(?:{_TEXT})*(?:{'|'.join(links)}))*"


_PLAIN = (
    rf"{_NO_QUOTE}(?:{_URL}{_FRAGMENT}{_END})+",
    rf"\"{_URL}{_FRAGMENT}\"",
    rf"'{_URL}{_FRAGMENT}'",
)
_WITH_QUERY = (
    rf"(?:{_BEFORE_BARE}){_URL}{_QUERY}{_FRAGMENT}{_END}",
    rf"{_BEFORE_QUOTE}\"{_URL}{_QUERY}{_FRAGMENT}\"",
)
_IN_ASCII = prefix(re2.compile(_row(*_PLAIN, *_WITH_QUERY).encode(), _BYTES))
_IN_ANY = prefix(re2.compile(_row(*_PLAIN).encode(), _BYTES))
_PLACE = searcher(re2.compile(rb"://(?i:[!-~]*(?:data|secret|token)_?here)", _BYTES))
"""A link with a place that is to be filled in."""


class Passing:
    """Passes over links of one text.

    Args:
        data: the text with ``?`` for what is not ASCII.
        is_ascii: whether nothing is: then a ``?`` begins a query.
    """

    __slots__ = ("_data", "_place", "_take")

    def __init__(self, data: bytes, *, is_ascii: bool) -> None:
        self._data = data
        self._take = _IN_ASCII if is_ascii else _IN_ANY
        self._place = -1

    def over(self, at: int, high: int) -> int:
        """The end of the last of the links that follow ``at``, before ``high``; else ``at``."""
        if self._place < at:
            found = _PLACE(self._data, at, len(self._data))[0][0]
            self._place = len(self._data) if found < 0 else found
        end = self._take(self._data, at, min(high, self._place))[0][1]
        if end <= at:
            return at
        # What stands behind the URL stays: it may lead to the next one.
        behind = self._data[max(end - _BEHIND, at) : end - 1]
        return end - 1 - len(behind) + len(behind.rstrip(_TRAILING))
