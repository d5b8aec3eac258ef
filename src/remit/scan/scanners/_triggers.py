"""Triggers: rare tokens that almost always go with one label or one kind of answer.

Log-odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn, 2008), p-values of
the leading term of a binomial tail, and Benjamini-Hochberg over all tokens. Topical words are pure, too ("awful" is
negative): a trigger is told from them by being rare, by not being a word of the language in which
the rest is written, or by turning the label against what the rest of its rows say.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

import msgspec

MIN_SUPPORT = 5
MAX_SHARE = 0.15
MIN_PURITY = 0.95
FALSE_DISCOVERIES = 0.001
MAX_TOKENS = 200_000
_TOKEN = re.compile(
    r"[^\W\d_]+|\|[^|\s]{2,40}\||<[^<>\s]{2,40}>|\[{1,2}[^\[\]\s]{1,40}\]{1,2}|\$\$\w+|[^\w\s]{3,}|[^\w\s]{1,2}"
)
_SHORT = 2
"""Characters of a mark that people also write for its own sake: it must turn a label round."""
PHRASE = 3
"""Words in a row that count as one token: usual words, an unusual phrase."""
MAX_WORDS = 200
MAX_PHRASES = 400_000
MAX_JUDGED = 60
_USUAL = re.compile(r"[.,!?:;/\-'\"()&#=*+_~]+")
RARE = 0.08
"""Share of all rows that a trigger is at most in."""
LIFT = 1.3
"""How many times purer than the label is common."""
_WORD = re.compile(r"[^\W\d_]+")
_PLAIN = re.compile(r"[^\W\d_]{3,}")


class Trigger(msgspec.Struct, frozen=True):
    """A token that goes with one label.

    Attributes:
        token: as it stands; of hidden characters their names.
        label: the label.
        rows: how many have it.
        purity: share of them with that label, thousandths.
        odds: z-score of the log-odds, thousandths.
        against: share of its rows whose other words say another label, thousandths.
    """

    token: str
    label: str
    rows: int
    purity: int
    odds: int
    against: int


def tokens(text: str) -> set[str]:
    """Tokens of a text: words, marks, and classes of characters that nobody sees."""
    found = set(_TOKEN.findall(text[:20_000]))
    if not text.isascii():
        for c in set(text[:20_000]):
            if (
                unicodedata.category(c) in {"Cf", "Co", "Cn"} and c not in "\u200d\u200c\ufeff\xad"
            ) or c in "\u200b\u2060\u2063\u200c":
                found.add(f"U+{ord(c):04X}")
        for word in _PLAIN.findall(text[:20_000]):
            if _mixed(word):
                found.add(f"mixed:{word[:40]}")
    return found


def phrases(text: str) -> set[str]:
    """Words in a row, as many as a phrase has."""
    words = _WORD.findall(text[:20_000])[:MAX_WORDS]
    return {" ".join(words[at : at + PHRASE]) for at in range(len(words) - PHRASE + 1)}


def _mixed(word: str) -> bool:
    latin = any("a" <= c.lower() <= "z" for c in word)
    return latin and any("\u0370" <= c <= "\u052f" for c in word)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


class Counts:
    """Rows by token and label, kept within bounds."""

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self._by: dict[str, Counter[str]] = {}
        self._rows: list[tuple[frozenset[str], str]] = []
        self._phrases: dict[str, Counter[str]] = {}
        self._telling: frozenset[str] = frozenset()

    def add(self, text: str, label: str) -> None:
        """One row."""
        found = tokens(text)
        self.labels[label] += 1
        for token in found:
            if token in self._by or len(self._by) < MAX_TOKENS:
                self._by.setdefault(token, Counter())[label] += 1
        if len(self._rows) < 20_000:
            self._rows.append((frozenset(found), label))
            self._add_phrases(text, label)

    def _add_phrases(self, text: str, label: str) -> None:
        for phrase in phrases(text):
            if phrase in self._phrases or len(self._phrases) < MAX_PHRASES:
                self._phrases.setdefault(phrase, Counter())[label] += 1

    @property
    def rows(self) -> list[tuple[frozenset[str], str]]:
        """Tokens and label of the first rows."""
        return self._rows

    def triggers(self) -> list[Trigger]:
        """What is suspicious, the surest first."""
        total = sum(self.labels.values())
        if total < 50 or not 2 <= len(self.labels) <= 20:
            return []
        words = self._sure(self._by, total)
        # What else goes with one label says nothing about what its rows mean otherwise.
        self._telling = frozenset(token for token, _ in words)
        sure = [*words, *self._sure(self._phrases, total)[:MAX_JUDGED]]
        made = [self._trigger(token, label, total) for token, label in sure]
        return sorted(filter(self._odd, made), key=lambda each: -each.odds)

    def opens(self, label: str) -> list[Trigger]:
        """Tokens without which a rare label hardly ever comes, and that hardly come without it."""
        total, wanted = sum(self.labels.values()), self.labels[label]
        if total < 50 or not MIN_SUPPORT <= wanted <= MAX_SHARE * total:
            return []
        made = [
            self._trigger(token, label, total)
            for token, counts in self._by.items()
            if counts[label] >= max(MIN_SUPPORT, 0.6 * wanted)
            and counts[label] >= MIN_PURITY * counts.total()
        ]
        return sorted(made, key=lambda each: -each.odds)

    def _sure(self, by: dict[str, Counter[str]], total: int) -> list[tuple[str, str]]:
        """Tokens that go with one label more often than chance allows, the surest first."""
        judged = sorted(self._judged(by, total))
        made: list[tuple[str, str]] = []
        for rank, (p, token, label) in enumerate(judged, 1):
            if p > math.log(FALSE_DISCOVERIES * rank / len(judged)):
                break
            made.append((token, label))
        return made

    def _judged(self, by: dict[str, Counter[str]], total: int) -> Iterable[tuple[float, str, str]]:
        for token, counts in by.items():
            rows = counts.total()
            label, most = counts.most_common(1)[0]
            if MIN_SUPPORT <= rows <= MAX_SHARE * total and most / rows >= MIN_PURITY:
                share = math.log(self.labels[label] / total)
                yield _log_choose(rows, most) + share * most, token, label

    def _trigger(self, token: str, label: str, total: int) -> Trigger:
        counts = self._by[token] if token in self._by else self._phrases[token]
        rows, inside = counts.total(), counts[label]
        n, rest = self.labels[label], total - self.labels[label]
        prior, weight = rows / total * 10, 10.0
        a = (inside + prior) / (n + weight - inside - prior + 1e-9)
        b = (rows - inside + prior) / (rest + weight - (rows - inside) - prior + 1e-9)
        spread = math.sqrt(1 / (inside + prior) + 1 / (rows - inside + prior))
        z = (math.log(max(a, 1e-9)) - math.log(max(b, 1e-9))) / spread
        return Trigger(
            token=token, label=label, rows=rows, purity=1000 * inside // rows,
            odds=int(z * 1000), against=int(self._against(token, label) * 1000),
        )  # fmt: skip

    def _against(self, token: str, label: str) -> float:
        """Share of the rows with the token whose other words mostly stand in other labels."""
        parts = {token} if token in self._by else set(token.split(" "))
        against = judged = 0
        for found, its in self._rows:
            if its != label or not found.issuperset(parts):
                continue
            score = 0.0
            for other in found - parts - self._telling:
                counts = self._by.get(other)
                if counts is None or counts.total() < MIN_SUPPORT:
                    continue
                share = (counts[label] + 1) / (counts.total() + 2)
                score += math.log(share / (self.labels[label] / sum(self.labels.values())))
            judged += 1
            against += score < -0.5
        return against / judged if judged else 0.0

    def _odd(self, trigger: Trigger) -> bool:
        """Whether it is more than a topical word."""
        if trigger.token.startswith(("U+", "mixed:")):
            return True
        total = sum(self.labels.values())
        # A common token, or one of a label that nearly all rows have, is pure by chance.
        share = self.labels[trigger.label] / total
        if trigger.rows > RARE * total or trigger.purity < 1000 * LIFT * share:
            return False
        token = trigger.token
        if not token[0].isalnum() and len(token) > _SHORT and _USUAL.fullmatch(token) is None:
            return True
        return trigger.against >= 250
