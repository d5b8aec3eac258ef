r"""Who looks for the keywords of patterns: one alternation in RE2, or hyperscan.

Both give the same places: where each keyword begins, in order, as far as these count. What is written
after ``\b`` counts only where a word begins; it begins with a letter, a figure or ``_``.
"""

import functools
import importlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import re2

from remit.content._re2 import Search, options, searcher
from remit.content.base import ContentError

_WASTED = 2000
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_BEGINS_WORD = b"\\b"


class Finder(Protocol):
    def find(self, data: bytes, common: int, most: int) -> Mapping[int, Sequence[int]]:
        """Where each keyword begins, in order; ``common + 1`` places of one that has more.

        Raises:
            ContentError: ``content.too_dense``, where there are more than ``most`` together;
                ``common`` of a keyword count.
        """
        ...


class Re2Finder:
    """Keywords by one alternation, longest first, searched again from each hit's next byte.

    INVARIANT: what the longest alternative matches at a place has every other keyword of that
    place as a prefix.
    """

    def __init__(self, keywords: Sequence[bytes]) -> None:
        self._keywords = keywords
        self._all = frozenset(range(len(keywords)))
        # By whether a word begins where the keyword does.
        self._known: tuple[dict[bytes, tuple[int, ...]], ...] = ({}, {})

    def find(self, data: bytes, common: int, most: int) -> Mapping[int, Sequence[int]]:
        found: dict[int, list[int]] = {}
        dropped: set[int] = set()
        wasted = 0
        search = _alternation(tuple(self._keywords))
        start, size = 0, len(data)
        known = self._known
        while True:
            a, b = search(data, start, size)[0]
            if a < 0:
                return found
            hit = data[a:b]
            begins = not a or data[a - 1] not in _WORD
            for keyword in known[begins].get(hit) or self._prefixes(hit, begins=begins):
                starts = found.setdefault(keyword, [])
                if len(starts) < common:
                    most -= 1
                    if most < 0:
                        raise too_dense()
                if len(starts) <= common:
                    starts.append(a)
                else:
                    dropped.add(keyword)
                    wasted += 1
            start = a + 1
            if wasted > _WASTED:
                wasted = 0
                left = self._all - dropped
                if not left:
                    return found
                search = _alternation(tuple(self._keywords[k] for k in sorted(left)))

    def _prefixes(self, hit: bytes, *, begins: bool) -> tuple[int, ...]:
        lower = hit.lower()
        held = tuple(
            i
            for i, k in enumerate(self._keywords)
            if (lower if _any_case(k) else hit).startswith(literal(k))
            and (begins or not k.startswith(_BEGINS_WORD))
        )
        known = self._known[begins]
        if len(known) < 8 * len(self._keywords):
            known[hit] = held
        return held


class HyperscanFinder:
    """Keywords by hyperscan: literals without SOM; the start is the end less the length.

    A text of one keyword a thousand times over is left to RE2, which can be told to drop it. Signs
    of one byte may be everywhere: they are counted and found without a call for each.
    """

    def __init__(self, module: Any, keywords: Sequence[bytes]) -> None:
        self._lengths = [len(literal(k)) for k in keywords]
        signs = {i: k for i, k in enumerate(keywords) if len(k) == 1 and not k.isalpha()}
        self._signs = signs if len(signs) < len(keywords) else {}
        self._stopped: type[Exception] = module.error
        self._other = Re2Finder(keywords)
        self._database = module.Database()
        # A database has one scratch space, and hyperscan refuses to share it.
        self._lock = threading.Lock()
        ids = [i for i in range(len(keywords)) if i not in self._signs]
        self._database.compile(
            expressions=[_quote(keywords[i]) for i in ids],
            ids=ids,
            elements=len(ids),
            flags=[module.HS_FLAG_CASELESS if _any_case(keywords[i]) else 0 for i in ids],
        )

    def find(self, data: bytes, common: int, most: int) -> Mapping[int, Sequence[int]]:
        lengths = self._lengths
        found: defaultdict[int, list[int]] = defaultdict(list)
        wasted = 0
        enough = _WASTED + len(data) // 64

        def seen(keyword: int, _from: int, end: int, _flags: int, _context: Any) -> bool | None:
            nonlocal wasted
            starts = found[keyword]
            if len(starts) <= common:
                starts.append(end - lengths[keyword])
                return None
            wasted += 1
            return wasted > enough or None

        try:
            with self._lock:
                self._database.scan(data, match_event_handler=seen)
        except self._stopped:
            return self._other.find(data, common, most)
        for keyword, sign in self._signs.items():
            if sign in data:
                found[keyword] = list(islice(_finds(data, sign), common + 1))
        if sum([min(len(starts), common) for starts in found.values()]) > most:
            raise too_dense()
        return found


def _finds(data: bytes, sign: bytes) -> Iterator[int]:
    at = data.find(sign)
    while at >= 0:
        yield at
        at = data.find(sign, at + 1)


def hyperscan(keywords: Sequence[bytes]) -> Finder | None:
    """Hyperscan over these keywords; ``None`` where it is not installed, or does not work."""
    try:
        module = importlib.import_module("hyperscan")
    except ImportError:
        return None
    try:
        return HyperscanFinder(module, keywords)
    except Exception:  # noqa: BLE001 - a broken build of an optional engine is as none
        return None


@functools.lru_cache(maxsize=64)
def _alternation(keywords: tuple[bytes, ...]) -> Search:
    chosen = options()
    # Bytes: no letter outside ASCII folds into a keyword, as in hyperscan.
    chosen.encoding = re2.Options.Encoding.LATIN1
    parts = (b"(?i:%s)" % _quote(k) if _any_case(k) else _quote(k) for k in keywords)
    return searcher(re2.compile(b"(?:%s)" % b"|".join(parts), chosen))


def literal(keyword: bytes) -> bytes:
    """What stands in the text."""
    return keyword.removeprefix(_BEGINS_WORD)


def _any_case(keyword: bytes) -> bool:
    return keyword.isascii() and keyword.lower() == keyword


def _quote(keyword: bytes) -> bytes:
    quoted = b"".join(
        b"%c" % c if c < 0x80 and chr(c).isalnum() else b"\\x%02x" % c for c in literal(keyword)
    )
    return _BEGINS_WORD + quoted if keyword.startswith(_BEGINS_WORD) else quoted


def too_dense() -> ContentError:
    """That a text is not inspected, for it holds too much that might be something."""
    return ContentError("more candidates than can be looked at", code="content.too_dense")
