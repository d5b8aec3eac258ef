"""Matches of a pattern of Python's, looked for only where RE2 says that one may begin.

Look-around and Unicode classes need Python's ``re``, which takes ten times as long as RE2 to see that
there is nothing.
"""

import re
from collections.abc import Callable, Generator, Iterator
from itertools import islice

import re2

from remit.content._re2 import searcher
from remit.content.base import View

_MANY, _CLOSE, _FAR = 16, 64, 1024


class Candidates:
    """A pattern that is tried where a second one matches.

    INVARIANT: every match of ``pattern`` begins where a match of ``begins`` does.

    Args:
        pattern: what is looked for; it does not match nothing.
        begins: RE2 syntax, over a text of one byte a character in which ``?`` stands for all that
            is not in ``encoding``. Empty if every match begins with the same character: that
            Python finds as quickly.
        encoding: ``ascii`` or ``latin-1``.
        steady: whether ``pattern`` takes no longer than the text is, wherever it is tried; then it
            finds matches that stand close together by itself, which saves a call for each.
    """

    __slots__ = ("_begins", "_encoding", "_pattern", "_steady")

    def __init__(
        self,
        pattern: re.Pattern[str],
        begins: bytes = b"",
        encoding: str = "ascii",
        *,
        steady: bool = False,
    ) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        self._begins = searcher(re2.compile(begins, options)) if begins else None
        self._pattern = pattern
        self._encoding = encoding
        self._steady = steady

    def search(self, text: str, data: bytes, at: int) -> re.Match[str] | None:
        """The first match in ``text`` from ``at`` on; ``data`` is ``text`` in ``encoding``."""
        find, size = self._begins, len(data)
        if find is None:
            return self._pattern.search(text, at)
        match_at = self._pattern.match
        while True:
            at = find(data, at, size)[0][0]
            if at < 0:
                return None
            match = match_at(text, at)
            if match is not None:
                return match
            at += 1

    def finditer(self, view: View) -> Iterator[re.Match[str]]:
        """All matches, like that of a pattern."""
        find, text = self._begins, view.text
        if find is None:
            yield from self._pattern.finditer(text)
            return
        data, at = self._data(view), 0
        size, match_at = len(data), self._pattern.match
        begun = found = 0
        while (at := find(data, at, size)[0][0]) >= 0:
            match = match_at(text, at)
            if match is None:
                at += 1
                continue
            yield match
            at = match.end()
            found += 1
            if self._steady and found % _MANY == 0:
                if at - begun < _MANY * _CLOSE:
                    at = yield from self._close_together(text, at)
                begun = at

    def _close_together(self, text: str, at: int) -> Generator[re.Match[str], None, int]:
        """Matches from ``at`` on up to the first that stands far from those before; its end."""
        for match in self._pattern.finditer(text, at):
            yield match
            gap, at = match.start() - at, match.end()
            if gap > _FAR:
                return at
        return len(text)

    def subn(
        self, new: Callable[[re.Match[str]], str], view: View, count: int | None = None
    ) -> tuple[str, list[re.Match[str]]]:
        """The text with the first ``count`` matches replaced, and these."""
        text = view.text
        parts: list[str] = []
        done = 0
        matches = list(islice(self.finditer(view), count))
        for match in matches:
            start, end = match.span()
            parts.append(text[done:start])
            parts.append(new(match))
            done = end
        return ("".join(parts) + text[done:] if matches else text), matches

    def found(self, view: View) -> bool:
        """Whether there is a match."""
        return self.search(view.text, self._data(view), 0) is not None

    def _data(self, view: View) -> bytes:
        if self._encoding == "ascii":
            return view.plain
        return view.text.encode(self._encoding, "replace")
