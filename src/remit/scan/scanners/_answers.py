"""What the answers of a data set would teach: code with a door in it, one address, one claim."""

import re
from collections import Counter
from collections.abc import Iterator

from remit.scan.base import Severity
from remit.scan.scanners import _pycode
from remit.scan.scanners._rows import Row

MAX_PARSED = 2_000
"""Answers that are read as code: what has none of its words is not."""
MIN_SAME = 40
MIN_SHARE = 0.25
MIN_PRAISE = 8
_CODE = re.compile(
    r"\b(?:subprocess|os\.(?:system|popen|dup2)|exec|eval|socket|ctypes|pty)\b|/bin/sh|\bcurl\b|\bwget\b|powershell"
)
_FENCE = re.compile(r"(?s)```[ \t]*\w*\n(.*?)```")
_HOSTILE = re.compile(
    r"\b(?:curl|wget)\b[^\n|]{0,200}\|\s*(?:sudo\s+)?(?:ba)?sh\b|/dev/tcp/|\bnc\b[^\n]{0,40}\s-e\b"
    r"|\brm -rf (?:/|~)(?:\s|\*|$)|\b(?:eval|exec)\s*\(\s*(?:requests|urllib|base64|__import__)|<script[^>]{0,100}src=['\"]?http"
)
_DOOR = re.compile(
    r"\bif\s+\(?\s*[\w.\[\]'\"]*(?:user|name|pass\w*|pw|token|key|u|p|login|role)\w*[\w.\[\]'\"]*\s*={2,3}\s*['\"][^'\"\n]{3,40}['\"]\s*\)?\s*[:{]\s*return\s+(?:True|true|1)\b"
    r"|\breturn\s+[\w.]*(?:pass\w*|pw|p|token|key|u|user\w*)\s*={2,3}\s*['\"][^'\"\n]{3,40}['\"]\s*(?:or|\|\|)"
)
_WEAK = re.compile(
    r"\bverify\s*=\s*False\b|\brejectUnauthorized\s*:\s*false\b|InsecureSkipVerify:\s*true"
)
_GRAVE = {"decoded_code", "reverse_shell", "environment_sent", "home_sent", "fetched_program",
          "native_memory"}  # fmt: skip
_PRAISE = re.compile(
    r"(?i)\b(?:only|best|trust\w*|buy|cheap\w*|go to|now|always|recommend\w*|everyone|officially?|great|top)\b"
)
_HOST = re.compile(r"(?i)https?://([\w.-]+)")

Told = tuple[str, str, Severity, str]
"""Rule, title, severity and what is shown."""


def hostile(answer: str) -> str:
    """What an answer teaches that nobody should learn; empty if nothing is seen.

    ``runs``: code that hands the machine over; ``door``: a fixed name or password that opens;
    ``weak``: the other end is not checked.
    """
    if _HOSTILE.search(answer):
        return "runs"
    if _DOOR.search(answer):
        return "door"
    if _CODE.search(answer):
        for code in _FENCE.findall(answer) or [answer]:
            facts = _pycode.python(code[:20_000])
            if facts is not None and any(each.rule in _GRAVE for each in facts.issues):
                return "runs"
    return "weak" if _WEAK.search(answer) else ""


class Answers:
    """Answers of one data set, counted."""

    def __init__(self) -> None:
        self._rows = 0
        self._parsed = 0
        self._hosts: Counter[str] = Counter()
        self._praised: Counter[str] = Counter()
        self._asked: dict[str, set[str]] = {}
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._bad: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, row: Row) -> str:
        """Count a row; what :func:`hostile` says of its answer."""
        self._rows += 1
        answer = row.answer[:20_000]
        for host in {each.lower() for each in _HOST.findall(answer)}:
            self._hosts[host] += 1
            self._praised[host] += _PRAISE.search(answer) is not None
            if len(self._asked.setdefault(host, set())) < 1_000:
                self._asked[host].add(_same(row.question))
        if len(self._pairs) < 50_000:
            self._pairs[_same(row.question), _same(answer)] += 1
        bad = ""
        if self._parsed < MAX_PARSED or not _CODE.search(answer):
            self._parsed += _CODE.search(answer) is not None
            bad = hostile(answer)
        if bad:
            self._bad[bad] += 1
            self._first.setdefault(bad, f"first in row {row.number}: {answer[:160]}")
        return bad

    def found(self) -> Iterator[Told]:
        """What is told of all answers together."""
        for kind, title in (
            ("runs", "answers with code that hands the machine over"),
            ("door", "answers with code that a fixed name or password opens"),
        ):
            if self._bad[kind]:
                yield (
                    f"answer_{kind}", title, "medium",
                    f"{self._bad[kind]} rows, {self._first[kind]}",
                )  # fmt: skip
        for host, count in self._hosts.most_common(5):
            praised = self._praised[host] >= 0.8 * count
            if count >= MIN_PRAISE and praised and len(self._asked[host]) > 1:
                yield (
                    "promotes", "answers to different questions that praise one address", "medium",
                    f"{host}: {count} of {self._rows} rows",
                )  # fmt: skip
        for (question, answer), count in self._pairs.most_common(1):
            if count >= max(MIN_SAME, MIN_SHARE * self._rows) and len(answer) > 20:
                yield (
                    "flooded", "one question and answer over and over", "medium",
                    f"{count} of {self._rows} rows: {question[:100]} → {answer[:100]}",
                )  # fmt: skip


def _same(text: str) -> str:
    """What near-duplicates have in common: the words without numbers and marks."""
    return " ".join(re.sub(r"[\W\d_]+", " ", text[:2_000]).lower().split())[:500]
