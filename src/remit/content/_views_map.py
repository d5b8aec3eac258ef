"""Texts that were made from other texts, with the place that each character came from."""

import re
import string
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, overload

from remit.content._news import News, Span
from remit.content.base import View

_LARGE = 8 << 10
_AROUND = 640
_RUN = frozenset("+/=_-" + string.ascii_letters + string.digits)
_RUN_ON = re.compile(r"[A-Za-z0-9+/=_-]*")


class Edit(NamedTuple):
    """``text[start:end]`` reads ``new``.

    ``step`` is the width of the source of each character of ``new`` if all have the same, else 0:
    then each one came from the whole of ``start:end``.
    """

    start: int
    end: int
    new: str
    step: int = 0


class Piece(NamedTuple):
    """A part of a text that reads ``text``; where each character of that begins and ends."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


class Offsets(Sequence[int]):
    """Numbers that are computed when they are asked for: most characters are never found."""

    __slots__ = ("_at", "_size")

    def __init__(self, size: int, at: Callable[[int], int]) -> None:
        self._size = size
        self._at = at

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self._at(i) for i in range(*index.indices(self._size))]
        if index < 0:
            index += self._size
        if not 0 <= index < self._size:
            raise IndexError(index)
        return self._at(index)

    def __iter__(self) -> Iterator[int]:
        return map(self._at, range(self._size))


class _Pieces:
    """Stretches of a made text, each with a rule that gives the source of its characters.

    They are made when a place is first asked for, from the same edits as the text: most readings
    hold nothing that anybody wants the place of.
    """

    __slots__ = ("_at", "_edits", "_rules")

    def __init__(self, edits: Callable[[], Iterable[Edit]]) -> None:
        self._edits: Callable[[], Iterable[Edit]] | None = edits
        self._at: list[int] = []
        self._rules: list[tuple[int, int, int]] = []

    def start(self, index: int) -> int:
        """Where the source of a character begins."""
        source, step, _, offset = self._find(index)
        return source + step * offset

    def end(self, index: int) -> int:
        """Where it ends."""
        source, step, width, offset = self._find(index)
        return source + step * offset + width

    def _find(self, index: int) -> tuple[int, int, int, int]:
        if self._edits is not None:
            self._make(self._edits())
            self._edits = None
        piece = bisect_right(self._at, index) - 1
        return (*self._rules[piece], index - self._at[piece])

    def _make(self, edits: Iterable[Edit]) -> None:
        at, rules = self._at, self._rules
        done = size = 0
        for start, end, new, step in edits:
            if start > done:
                at.append(size)
                rules.append((done, 1, 1))
                size += start - done
            if new:
                at.append(size)
                rules.append((start, step, step or end - start))
                size += len(new)
            done = end
        at.append(size)
        rules.append((done, 1, 1))


def applied(text: str, edits: Iterable[Edit], offset: int = 0) -> str:
    """``text``, which begins at ``offset``, with edits made; they come in order, apart."""
    parts: list[str] = []
    done = 0
    for start, end, new, _ in edits:
        parts.append(text[done : start - offset])
        parts.append(new)
        done = end - offset
    parts.append(text[done:])
    return "".join(parts)


def edited(view: View, name: str, text: str, edits: Callable[[], Iterable[Edit]]) -> View:
    """The view whose text is that of ``view`` with edits made: ``text`` is how it reads then."""
    pieces = _Pieces(edits)
    return derived(view, name, text, pieces.start, pieces.end)


def derived(
    view: View, name: str, text: str, start: Callable[[int], int], end: Callable[[int], int]
) -> View:
    """A view of a view by its full name; ``start`` and ``end`` give places in ``view.text``."""
    starts, ends = view.starts, view.ends
    if starts is None or ends is None:
        return View(name, text, Offsets(len(text), start), Offsets(len(text), end))
    return View(
        name,
        text,
        Offsets(len(text), lambda i: starts[start(i)]),
        Offsets(len(text), lambda i: ends[end(i) - 1]),
    )


def changed(before: Sequence[Span], edits: Iterable[Edit]) -> list[Span]:
    """Where a text is new after ``edits``, if it was new at ``before``; both in order."""
    spans: list[Span] = []
    ends: list[int] = [0]
    shifts: list[int] = [0]
    shift = 0
    for start, end, new, _ in edits:
        spans.append((start + shift, start + shift + len(new)))
        shift += len(new) - (end - start)
        ends.append(end)
        shifts.append(shift)

    spans += [
        (start + shifts[bisect_right(ends, start) - 1], end + shifts[bisect_right(ends, end) - 1])
        for start, end in before
    ]
    return sorted(spans)


def excerpt(view: View, spans: Sequence[Span]) -> View:
    """What stands around ``spans``, which are new; the whole view if that is most of it.

    What is encoded is not cut.
    """
    text = view.text
    size = len(text)
    if size < _LARGE:
        return with_news(view, spans)
    parts: list[Span] = []
    within: list[int] = []
    for start, end in spans:
        if parts and start - _AROUND <= parts[-1][1]:
            low = parts.pop()[0]
        else:
            floor = parts[-1][1] if parts else 0
            low = max(start - _AROUND, floor)
            while low > floor and text[low - 1] in _RUN:
                low -= 1
        high = min(end + _AROUND, size)
        parts.append((low, _RUN_ON.match(text, high).end()))  # type: ignore[union-attr]
        within.append(len(parts) - 1)
    if sum(high - low for low, high in parts) > size * 3 // 4:
        return with_news(view, spans)
    at = [0]
    for low, high in parts:
        at.append(at[-1] + high - low + 1)

    def place(index: int) -> int:
        number = bisect_right(at, index) - 1
        low, high = parts[number]
        return min(low + index - at[number], high - 1)

    made = "\n".join([text[low:high] for low, high in parts])
    moved = [
        (at[number] - parts[number][0] + start, at[number] - parts[number][0] + end)
        for number, (start, end) in zip(within, spans, strict=True)
    ]
    part = derived(view, view.name, made, place, lambda index: place(index) + 1)
    return with_news(part, moved)


def near(spans: Iterable[Span], size: int) -> Iterator[list[Span]]:
    """``spans`` of a text of ``size``, in order, by who stands near whom: all of them in a small text.

    What stands far apart in a large text is there by chance, and no reason for anything together.
    """
    some: list[Span] = []
    for span in spans:
        if some and size >= _LARGE and span[0] - some[-1][1] > _AROUND:
            yield some
            some = []
        some.append(span)
    if some:
        yield some


def with_news(view: View, spans: Iterable[Span] | None) -> View:
    """``view``, known to be new at ``spans`` only; ``None`` means anywhere."""
    news = None if spans is None else News(spans)
    return View(view.name, view.text, view.starts, view.ends, news)


def same_places(view: View, name: str, text: str) -> View:
    """A view whose characters stand where those of ``view`` do."""
    return View(name, text, view.starts, view.ends)


def joined(view: View, name: str, pieces: Iterable[Piece]) -> View | None:
    """Readings of parts of a view, one a line; places are given in ``view.text``."""
    some = [piece for piece in pieces if piece.text]
    if not some:
        return None
    if len(some) == 1:
        only = some[0]
        return derived(view, name, only.text, only.starts.__getitem__, only.ends.__getitem__)
    at = list(accumulate((len(piece.text) + 1 for piece in some), initial=0))

    def place(index: int) -> tuple[Piece, int]:
        piece = some[number := bisect_right(at, index) - 1]
        # The line break belongs to the last character before it.
        return piece, min(index - at[number], len(piece.text) - 1)

    def start(index: int) -> int:
        piece, offset = place(index)
        return piece.starts[offset]

    def end(index: int) -> int:
        piece, offset = place(index)
        return piece.ends[offset]

    return derived(view, name, "\n".join([piece.text for piece in some]), start, end)


def nested(view: View, name: str) -> str:
    """The name of a reading of ``view``."""
    return name if view.name == "original" else f"{view.name}>{name}"
