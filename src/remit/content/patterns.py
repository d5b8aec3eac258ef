"""Many patterns over one text: one source of rules, two engines, the same matches.

Keywords find candidates, RE2 finds spans. A keyword is a literal that every match of its pattern
holds; where one is seen, the pattern is run over the surrounding window only. The engines differ
only in who looks for the keywords: one alternation in RE2, or hyperscan when it is installed. All
that decides (windows, limits, spans) is common code, so both give the same matches. Patterns
without keywords are searched all at once first, and alone only where they match.

Patterns are written in what RE2 and hyperscan both accept: no look-around, no back-references.
RE2 needs linear time for any pattern and text. Hits of a keyword, windows and matches are bounded
too; a text beyond these bounds raises, so that nobody takes it for inspected.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import re2

from remit.content._keywords import Finder, Re2Finder, hyperscan, literal, too_dense
from remit.content._news import News, Span
from remit.content._re2 import Search, Spans, options, searcher
from remit.content.base import ContentError, View

Engine = Literal["auto", "re2", "hyperscan"]
_MATCHES = 4096
_SMALL = 1 << 16
_CHUNK = 1 << 15
_MAX_WHOLE = 24
_MAX_TOGETHER = 48
_BRIEF, _FEW = 2048, 8
_COMMON = 32
# How far what decides about a match lies from it, how far behind it its value may end, and how long
# a match without keyword can be.
_CONTEXT = 96
_BEYOND = 640
_REACH = 512


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    r"""One rule.

    Attributes:
        id: its name in findings.
        regex: RE2 syntax.
        keywords: one of them is in every match; in lower case ASCII they match any case, others
            only as written. After ``\b`` one counts only where a word begins. Without keywords the
            pattern is run over every text.
        group: the capture group of the value; ``None`` is the first that took part, or the match.
        before, after: how far a match can reach from the start and the end of a keyword, in bytes.
        together: whether to ask first, of all such patterns that may match, which of them do
            anywhere: for those that are simple and seldom do, though their keywords are common.
        begins: RE2 syntax. Of every match that counts, a match of this holds the beginning; it may
            say more of what follows than ``regex`` takes in, so that what does not count costs
            little.
    """

    id: str
    regex: str
    keywords: tuple[str, ...] = ()
    group: int | None = None
    before: int = 96
    after: int = 512
    together: bool = False
    begins: str = ""


class Match(NamedTuple):
    """A match in code points of the text.

    Attributes:
        pattern: the position of its pattern in the set.
        start, end: of the match.
        value_start, value_end: of the value in it.
        groups: the spans of all capture groups, -1 where one took no part.
    """

    pattern: int
    start: int
    end: int
    value_start: int
    value_end: int
    groups: tuple[tuple[int, int], ...]


Place = Callable[[Match, str], Span | None]
"""The span of the value of a match in a text, or ``None`` if it is none."""


class PatternSet:
    """Patterns that are searched together.

    Args:
        patterns: rules; they are compiled when they are first needed.
        engine: who looks for keywords; ``auto`` takes hyperscan if it can be imported.

    Attributes:
        patterns: the rules, in order.
        engine: the one in use.
    """

    def __init__(self, patterns: Iterable[Pattern], *, engine: Engine = "auto") -> None:
        self.patterns: Sequence[Pattern] = tuple(patterns)
        self._always = [i for i, p in enumerate(self.patterns) if not p.keywords]
        self._any_of = _AnyOf(self.patterns)
        self._together = frozenset(
            i for i, p in enumerate(self.patterns) if p.together and p.keywords
        )
        self._any_together = _AnyOf(self.patterns)
        # The automaton of a few patterns is soon made.
        self._brief = _BRIEF if len(self._together) <= _FEW else 0
        users: dict[bytes, list[int]] = {}
        for index, pattern in enumerate(self.patterns):
            for keyword in dict.fromkeys(pattern.keywords):
                users.setdefault(keyword.encode(), []).append(index)
        self._keywords = sorted(users, key=lambda k: (-len(literal(k)), k))
        self._users = [users[k] for k in self._keywords]
        # For each keyword its patterns, and how far they reach from the start of the keyword.
        sizes = [len(literal(k)) for k in self._keywords]
        self._reach = [
            [(i, self.patterns[i].before, size + self.patterns[i].after) for i in users[k]]
            for k, size in zip(self._keywords, sizes, strict=True)
        ]
        most = max(sizes, default=0)
        self._longest = [p.before + most + p.after + _BEYOND for p in self.patterns]
        self._finder: Finder | None = None
        if engine != "re2" and self._keywords:
            self._finder = hyperscan(self._keywords)
            if self._finder is None and engine == "hyperscan":
                raise ContentError("hyperscan is not installed", code="content.no_engine")
        self.engine: Engine = "re2" if self._finder is None else "hyperscan"
        if self._finder is None and self._keywords:
            self._finder = Re2Finder(self._keywords)

    def scan(self, text: str) -> list[Match]:
        """Every match, pattern by pattern; matches of one pattern do not overlap.

        Raises:
            ContentError: ``content.too_dense``, where the text holds more candidates than text of
                its size can reasonably have.
        """
        return self._scan(View("original", text))

    def _scan(self, view: View) -> list[Match]:
        data = view.utf8
        news = view.news_utf8
        found: list[tuple[int, Spans]] = []
        for index, windows in self._unprompted(data, news):
            self._run(index, data, windows, found)
        if self._finder is not None:
            for index, windows in self._windows(data, news).items():
                self._run(index, data, windows, found)
        if not found:
            return []
        # One byte a character: `replace` writes lone surrogates as `?`.
        where = None if len(data) == len(view.text) else _characters(data, found)
        return [self._match(index, spans, where) for index, spans in found]

    def places(self, views: Iterable[View], place: Place) -> Iterator[tuple[int, int, int]]:
        """Position of the pattern and span in the original of what ``place`` accepts."""
        for view in views:
            for match in self._scan(view):
                span = place(match, view.text)
                if span is not None and _is_new(view.news, match, span):
                    yield match.pattern, *view.origin(*span)

    def _unprompted(
        self, data: bytes, news: News | None
    ) -> Iterator[tuple[int, Iterable[Sequence[int]]]]:
        """Where to run which pattern without keywords."""
        if not self._always:
            return
        size = len(data)
        if news is not None or size <= _CHUNK:
            windows = _places(size, news, _REACH)
            for index in self._any_of.matching(self._always, _parts(data, news, _REACH)):
                yield index, windows
            return
        # They overlap by what a match can be long, so that it is seen in each that it touches.
        around: dict[int, list[Span]] = {}
        for at in range(0, size, _CHUNK):
            low, high = max(at - _REACH, 0), min(at + _CHUNK + _REACH, size)
            for index in self._any_of.matching(self._always, data[low:high]):
                around.setdefault(index, []).append((low, high))
        for index, spans in sorted(around.items()):
            yield index, _merged(spans)

    def _run(
        self,
        index: int,
        data: bytes,
        windows: Iterable[Sequence[int]],
        found: list[tuple[int, Spans]],
    ) -> None:
        search = _search(self.patterns[index])
        size = len(data)
        most = _MATCHES + size // 32
        for start, reach in windows:
            at, high = max(start, 0), min(reach, size)
            while at <= high:
                spans = search(data, at, high)
                begin, end = spans[0]
                if begin < 0:
                    break
                found.append((index, spans))
                if len(found) > most:
                    raise too_dense()
                at = end if end > begin else end + 1

    def _windows(self, data: bytes, news: News | None) -> dict[int, list[Span]]:
        """Where to run which pattern. What a common keyword points at is the whole text."""
        assert self._finder is not None
        size = len(data)
        common = _COMMON + size // 1024
        around: dict[int, list[Span]] = {}
        whole: set[int] = set()
        seen = self._finder.find(data, common, 4096 + size // 64)
        absent: set[int] = set()
        if size <= self._brief:
            absent = self._absent({i for k in seen for i in self._users[k]}, data, news)
        for keyword, starts in seen.items():
            if len(starts) > common:
                whole.update(self._users[keyword])
                continue
            near, known = starts, (-1, -1)
            for index, before, reach in self._reach[keyword]:
                if index in absent:
                    continue
                if news is not None and (before, reach) != known:
                    known = before, reach
                    low, high = before + _CONTEXT, reach + _BEYOND
                    near = [s for s in starts if news.touch(s - low, s + high)]
                if near:
                    around.setdefault(index, []).extend([(s - before, s + reach) for s in near])
        if len(whole) > _MAX_WHOLE and size > _SMALL:
            raise too_dense()
        windows = {i: _merged(s) for i, s in around.items() if i not in whole}
        whole -= self._absent(whole, data, news)
        windows |= {i: _places(size, news, self._longest[i]) for i in whole}
        return dict(sorted(windows.items()))

    def _absent(self, some: set[int], data: bytes, news: News | None) -> set[int]:
        """Those of ``some`` that are asked together and match nowhere."""
        asked = some & self._together
        if not asked:
            return set()
        parts = _parts(data, news, max(self._longest[i] for i in asked))
        return asked.difference(self._any_together.matching(sorted(asked), parts))

    def _match(self, index: int, spans: Spans, where: dict[int, int] | None) -> Match:
        if len(spans) == 1:
            start, end = spans[0]
            if where is not None:
                start, end = where[start], where[end]
            return Match(index, start, end, start, end, ())
        if where is not None:
            spans = [(where[a], where[b]) for a, b in spans]
        group = self.patterns[index].group
        if group is None:
            value = spans[1]
            if value[0] < 0:
                value = next((s for s in spans[2:] if s[0] >= 0), spans[0])
        else:
            value = spans[group] if spans[group][0] >= 0 else spans[0]
        return Match(index, *spans[0], *value, tuple(spans[1:]))


class _AnyOf:
    """Says in one pass which of some patterns match a text at all; most do not.

    It keeps those it was asked for before, so that it is seldom made anew.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._known: tuple[list[int], Any] = ([], None)

    def matching(self, some: Sequence[int], data: bytes) -> Sequence[int]:
        """Those of ``some``, in order, that match somewhere."""
        if not 1 < len(some) <= _MAX_TOGETHER:
            return some
        known, together = self._known
        if not set(some) <= set(known):
            known = sorted({*known, *some})
            if len(known) > _MAX_TOGETHER:
                known = list(some)
            together = re2.Set.SearchSet(options())
            for index in known:
                together.Add(self._patterns[index].regex)
            together.Compile()
            self._known = known, together
        found = {known[i] for i in together.Match(data) or ()}
        return [i for i in some if i in found]


@functools.lru_cache(maxsize=4096)
def _search(pattern: Pattern) -> Search:
    whole = _compiled(pattern.regex)
    if not pattern.begins:
        return searcher(whole)
    begins, within = searcher(_compiled(pattern.begins)), searcher(whole)

    def search(data: bytes, start: int, end: int) -> Spans:
        start = begins(data, start, end)[0][0]
        return within(data, start, end) if start >= 0 else ((-1, -1),)

    return search


def _compiled(regex: str) -> Any:
    try:
        return re2.compile(regex, options())
    except re2.error as error:
        raise ContentError(
            f"a pattern does not compile: {str(error.args[:1])[:200]}", code="content.bad_pattern"
        ) from None


def _characters(data: bytes, found: Iterable[tuple[int, Spans]]) -> dict[int, int]:
    """The code point at each byte offset of the spans, in one pass."""
    where = {-1: -1}
    last = count = 0
    for offset in sorted({o for _, spans in found for span in spans for o in span if o >= 0}):
        count += len(data[last:offset].decode("utf-8", "replace"))
        where[offset] = count
        last = offset
    return where


def _places(size: int, news: News | None, reach: int) -> list[Span]:
    return [(0, size)] if news is None else news.around(reach, size)


def _parts(data: bytes, news: News | None, reach: int) -> bytes:
    if news is None:
        return data
    return b"\n".join([data[low:high] for low, high in news.around(reach, len(data))])


def _merged(spans: list[Span]) -> list[Span]:
    spans.sort()
    merged: list[Span] = []
    low, high = spans[0]
    for start, end in spans:
        if start > high:
            merged.append((low, high))
            low, high = start, end
        elif end > high:
            high = end
    merged.append((low, high))
    return merged


def _is_new(news: News | None, match: Match, span: Span) -> bool:
    """Whether a match, its value or what is around them is not the same in an earlier reading."""
    return news is None or news.touch(
        min(match.start, span[0]) - _CONTEXT, max(match.end, span[1]) + _CONTEXT
    )
