"""Stack and memo of the pickle machine, and what it has to say."""

from collections.abc import Callable

import msgspec

from remit.scan.pickle.source import BrokenPickleError, LimitError, Source
from remit.scan.pickle.values import MAX_KEPT_ITEMS, Items, Value, is_constant

MAX_MEMO = 2_500_000
MAX_NOTES = 1000
"""Notes of one file: more say no more."""


class Note(msgspec.Struct, frozen=True):
    """Something that a pickle does.

    Attributes:
        rule: the part behind ``pickle.``.
        severity: how bad.
        title: one sentence.
        at: byte offset in the file.
        evidence: what it was.
    """

    rule: str
    severity: str
    title: str
    at: int
    evidence: str = ""


class Mark:
    """Where a list of arguments begins."""


MARK = Mark()


class Stack:
    """Values and marks, one on the other, and those that are remembered.

    Args:
        source: the file.

    Attributes:
        notes: what the pickles do that they should not, without repetition.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[tuple[str, str]] = set()
        self.notes: list[Note] = []
        self._stack: list[Value | Mark] = []
        self._memo: dict[int, Value] = {}
        self._at = 0

    def note(self, rule: str, severity: str, title: str, evidence: str = "") -> None:
        """Keep a note, once for each thing."""
        key = (rule, evidence[:200])
        if key not in self._seen and len(self.notes) < MAX_NOTES:
            self._seen.add(key)
            self.notes.append(Note(rule, severity, title, self._at, evidence[:300]))

    def _pop(self) -> Value:
        if not self._stack:
            raise BrokenPickleError("its stack is empty")
        value = self._stack.pop()
        if isinstance(value, Mark):
            raise BrokenPickleError("it takes a mark for a value")
        return value

    def _top(self) -> Value:
        if not self._stack or isinstance(self._stack[-1], Mark):
            raise BrokenPickleError("its stack is empty")
        return self._stack[-1]

    def _push(self, value: Value) -> None:
        self._stack.append(value)

    def _marked(self) -> list[Value]:
        """All values down to the last mark, which is removed."""
        found: list[Value] = []
        while self._stack:
            value = self._stack.pop()
            if isinstance(value, Mark):
                found.reverse()
                return found
            found.append(value)
        raise BrokenPickleError("it has no mark")

    def _tuple(self, size: int) -> None:
        items = [self._pop() for _ in range(size)]
        self._push(tuple_of(items[::-1]))

    def _pairs(self) -> list[Value]:
        items = self._marked()
        if len(items) % 2:
            raise BrokenPickleError("a dictionary has a key without a value")
        return items

    def _discard(self) -> None:
        if not self._stack:
            raise BrokenPickleError("its stack is empty")
        self._stack.pop()  # a mark, too

    def _put(self, index: int) -> None:
        if index not in self._memo and len(self._memo) >= MAX_MEMO:
            raise LimitError(f"its memo holds more than {MAX_MEMO} values")
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise BrokenPickleError(f"it asks for the memo {index}, which is not there")
        self._push(self._memo[index])

    def _put_line(self) -> None:
        index = int(number_of(int, self._source.line()))
        if index < 0:
            raise BrokenPickleError("a memo has a negative number")
        self._put(index)

    def _get_line(self) -> None:
        self._get(int(number_of(int, self._source.line())))


def tuple_of(items: "list[Value] | tuple[Value, ...]") -> Items:
    """A tuple of values."""
    return filled(Items(frozen=True), items)


def filled(target: Items, items: "list[Value] | tuple[Value, ...]") -> Items:
    """A container with more values in it; those past the first are counted and not kept."""
    target.count += len(items)
    if target.constant:
        target.constant = all(is_constant(each) for each in items)
    room = MAX_KEPT_ITEMS - len(target.items)
    if room > 0:
        target.items += tuple(items[:room])
    return target


def number_of(kind: Callable[[bytes], float], line: bytes) -> float:
    """A number in digits.

    Raises:
        BrokenPickleError: it is none.
    """
    try:
        return kind(line)
    except ValueError:
        raise BrokenPickleError("a number is none") from None


def ignore(_: object) -> None:
    """Values that are dropped."""
