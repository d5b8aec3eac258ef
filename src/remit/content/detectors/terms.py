"""Watch lists: the words and phrases that a bundle names, as whole words, in any case and form.

Words are compared after NFKC and case folding, whatever punctuation stands between the words of a
phrase; a term with symbols of its own (``C++``) is compared with them. In scripts that are written
without spaces every character counts as a word. One pass over the text serves any number of terms:
an automaton over words (Aho and Corasick, "Efficient string matching", CACM 18(6), 1975).
"""

import functools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from remit.content.base import Finding, PatternDetector, Surroundings, View, Views
from remit.content.hold import run
from remit.core.text import normal

_CHARACTER = r"\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARK = r"\u0300-\u036f"
_LETTERS = rf"(?:(?![{_CHARACTER}])[^\W_][{_MARK}]*)+"
_WORD = re.compile(rf"{_LETTERS}|[{_CHARACTER}]")
_SYMBOL = re.compile(rf"{_LETTERS}|[^\s{_MARK}]")
_ASCII_WORD = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_WORD_LENGTH = 32
_MAX_TAIL = 1024


class _Automaton:
    """Phrases over words; ``feed`` gives for each word the phrases that end with it."""

    def __init__(self) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._fail: list[int] = [0]
        self.depth: list[int] = [0]
        self.ends: list[tuple[tuple[str, str, int], ...]] = [()]
        self.begins: frozenset[str] = frozenset()
        """First words: a text without any of them holds no phrase."""
        self.deepest = 0
        """Words of the longest phrase."""

    def add(self, words: list[str], label: str, rule: str) -> None:
        """One phrase; before :meth:`build`."""
        at = 0
        for word in words:
            if word not in self._next[at]:
                self._next[at][word] = len(self._next)
                self._next.append({})
                self._fail.append(0)
                self.depth.append(self.depth[at] + 1)
                self.ends.append(())
            at = self._next[at][word]
        self.ends[at] += ((label, rule, len(words)),)

    def build(self) -> None:
        """The failure links, level by level."""
        self.begins = frozenset(self._next[0])
        self.deepest = max(self.depth)
        queue = deque(self._next[0].values())
        while queue:
            at = queue.popleft()
            for word, below in self._next[at].items():
                queue.append(below)
                self._fail[below] = self.step(self._fail[at], word)
                self.ends[below] += self.ends[self._fail[below]]

    def step(self, at: int, word: str) -> int:
        """The state after one more word."""
        while True:
            below = self._next[at].get(word)
            if below is not None:
                return below
            if not at:
                return 0
            at = self._fail[at]


class _Lists:
    """The automata of one mapping of terms: with and without symbols."""

    def __init__(self, terms: Mapping[str, tuple[str, ...]]) -> None:
        self.terms = terms
        self.parts: list[tuple[re.Pattern[str], _Automaton]] = []
        for pattern in (_WORD, _SYMBOL):
            automaton = _Automaton()
            for label, texts in terms.items():
                for number, text in enumerate(texts):
                    folded = _fold(text)
                    if (pattern is _SYMBOL) is _has_symbols(folded):
                        automaton.add(pattern.findall(folded), label, f"{label}#{number}")
            if len(automaton.ends) > 1:
                automaton.build()
                self.parts.append((pattern, automaton))


class Terms(PatternDetector):
    """Detector ``terms``; the label of a finding is the name of the list.

    The terms of ``Surroundings`` must not be changed: what was built from them is kept.
    """

    name = "terms"
    version = "terms/1"
    kind = "term"

    def __init__(self) -> None:
        self._lists = _Lists({})

    def find(self, text: Views, around: Surroundings) -> Iterable[Finding]:
        """Every term in every view."""
        lists = self._built(around)
        for view in text.views:
            for pattern, automaton in lists.parts:
                yield from self._matches(view, pattern, automaton)

    def hold(self, text: str, around: Surroundings) -> int:
        """The last run, and the longest end of ``text`` that is the beginning of a term."""
        end = run(text)
        at = end
        for pattern, automaton in self._built(around).parts:
            state = 0
            starts: list[int] = []
            low = max(end - min(automaton.deepest * _WORD_LENGTH, _MAX_TAIL), 0)
            if automaton.begins.isdisjoint(map(_folded, set(pattern.findall(text, low, end)))):
                continue
            for match in pattern.finditer(text, low, end):
                state = automaton.step(state, _folded(match[0]))
                starts.append(match.start())
            if automaton.depth[state]:
                at = min(at, starts[-automaton.depth[state]])
        return min(at, run(text[:at])) if at < end else at

    def _built(self, around: Surroundings) -> _Lists:
        lists = self._lists
        if lists.terms is not around.terms:
            lists = self._lists = _Lists(around.terms)
        return lists

    def _matches(
        self, view: View, pattern: re.Pattern[str], automaton: _Automaton
    ) -> Iterator[Finding]:
        text = view.text
        if text.isascii():
            if automaton.begins.isdisjoint(_ASCII_WORD.findall(text.lower())):
                return
        elif automaton.begins.isdisjoint(map(_folded, set(pattern.findall(text)))):
            return
        state = 0
        starts: list[int] = []
        for match in pattern.finditer(text):
            word = match[0]
            state = automaton.step(state, _folded(word))
            starts.append(match.start())
            for label, rule, length in automaton.ends[state]:
                span = view.origin(starts[-length], match.end())
                yield self.finding(label, ("medium", 1000), span, rule)


def _fold(text: str) -> str:
    folded = normal("NFKC", text).casefold()
    return normal("NFKC", folded)


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    return _fold(word) if len(word) > _WORD_LENGTH else _fold_short(word)


@functools.lru_cache(maxsize=8192)
def _fold_short(word: str) -> str:
    return _fold(word)


def _has_symbols(folded: str) -> bool:
    """Whether symbols are what tells this term from its words: ``C++``, ``.env``, ``#launch``."""
    words = _WORD.findall(folded)
    bare = not words or len(words) == 1
    symbols = re.sub(rf"\s|{_WORD.pattern}", "", folded)
    return bool(symbols) and (bare or folded[0] == symbols[0] or folded[-1] == symbols[-1])


DETECTOR = Terms()
