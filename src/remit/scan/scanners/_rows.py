"""Rows of data sets in CSV, TSV, JSON and JSON lines, read within bounds.

What is sampled is said: a data set of which not every row was read is ``partial``.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from remit.core.strictjson import StrictJsonError, parse
from remit.scan.base import Member

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 50_000
MAX_LINE = 4 * 1024 * 1024
MAX_BAD = 20


class Row(msgspec.Struct, frozen=True):
    """A row.

    Attributes:
        number: from 1; of CSV the line of the file is about one more.
        cells: column or key → text, nested ones joined by ``/``.
        label: what it is labelled as, empty without.
        answer: what a model would learn to say, empty without.
        question: what it would be said to.
    """

    number: int
    cells: dict[str, str]
    label: str = ""
    answer: str = ""
    question: str = ""


class Rows:
    """Rows of one member.

    Attributes:
        form: ``csv``, ``tsv``, ``jsonl`` or ``json``.
        partial: why not all of it was read, empty if it was.
        error: why it cannot be read, empty if it can.
    """

    def __init__(self, member: Member, form: str) -> None:
        self.form = form
        self.partial = ""
        self.error = ""
        self._member = member

    def __iter__(self) -> Iterator[Row]:
        read = {"csv": self._csv, "tsv": self._csv, "jsonl": self._lines, "json": self._json}
        for number, cells in enumerate(read[self.form](), 1):
            if number > MAX_ROWS:
                self.partial = f"only the first {MAX_ROWS} rows were read"
                return
            yield _row(number, cells)

    def _text(self) -> Iterator[str]:
        """Lines without their ends, as long as the bounds allow."""
        total = 0
        with self._member.open() as file:
            while line := file.readline(MAX_LINE + 1):
                total += len(line)
                if len(line) > MAX_LINE:
                    self.error = f"a line is longer than {MAX_LINE} bytes"
                    return
                if total > MAX_BYTES:
                    self.partial = f"only the first {MAX_BYTES} bytes were read"
                    return
                try:
                    yield line.decode("utf-8-sig" if total == len(line) else "utf-8")
                except UnicodeDecodeError:
                    self.error = "it is not UTF-8"
                    return

    def _csv(self) -> Iterator[dict[str, Any]]:
        delimiter = "\t" if self.form == "tsv" else ","
        reader = csv.reader(self._text(), delimiter=delimiter)
        try:
            header = next(reader, [])
            names = [name or f"column {at}" for at, name in enumerate(header)]
            yield (
                dict(zip(names, header, strict=True))
                if _is_data(header)
                else dict.fromkeys(names, "")
            )
            for line in reader:
                more = [f"column {at}" for at in range(len(names), len(line))]
                yield dict(zip([*names, *more], line, strict=False))
        except csv.Error as error:
            self.error = str(error)[:200]

    def _lines(self) -> Iterator[Any]:
        bad = 0
        for line in self._text():
            if not line.strip():
                continue
            try:
                yield parse(line.encode(), fold_keys=False, max_bytes=MAX_LINE)
            except StrictJsonError as error:
                bad += 1
                self.error = error.message[:200]
                if bad > MAX_BAD:
                    return

    def _json(self) -> Iterator[Any]:
        buffer = io.StringIO()
        for line in self._text():
            buffer.write(line)
        if self.error or self.partial:
            self.error = self.error or self.partial
            return
        try:
            value = parse(buffer.getvalue().encode(), fold_keys=False, max_bytes=MAX_BYTES)
        except StrictJsonError as error:
            self.error = error.message[:200]
            return
        rows = value
        if isinstance(value, dict):
            lists = [each for each in value.values() if isinstance(each, list) and each]
            rows = max(lists, key=len) if lists else [value]
            yield from ([{k: v for k, v in value.items() if v is not rows}] if lists else [])
        yield from rows if isinstance(rows, list) else [rows]


def _is_data(header: list[str]) -> bool:
    """Whether the first line of a table would start something in a spreadsheet."""
    return any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in header)


_LABELS = ("label", "labels", "class", "target", "category", "sentiment", "y", "output_label")
_ANSWERS = (
    "completion",
    "response",
    "output",
    "answer",
    "chosen",
    "target_text",
    "reply",
    "assistant",
)
_QUESTIONS = (
    "prompt",
    "instruction",
    "input",
    "question",
    "text",
    "sentence",
    "content",
    "query",
    "review",
)


def _row(number: int, value: Any) -> Row:
    cells: dict[str, str] = {}
    _flat(value, "", cells, 0)
    label = next(
        (str(cells[key]) for key in _LABELS if len(cells.get(key, "")) in range(1, 64)), ""
    )
    answer, question = _turns(value)
    if not answer and isinstance(value, dict):
        answer = next((cells[key] for key in _ANSWERS if cells.get(key)), "")
        question = " ".join(cells[key] for key in _QUESTIONS if cells.get(key))
    return Row(number, cells, label, answer, question)


def _flat(value: Any, path: str, cells: dict[str, str], depth: int) -> None:
    if len(cells) > 2_000 or depth > 16:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            _flat(each, f"{path}/{key}" if path else str(key), cells, depth + 1)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            _flat(each, f"{path}/{at}" if path else str(at), cells, depth + 1)
    elif value is not None:
        cells[path or "value"] = str(value)


def _turns(value: Any) -> tuple[str, str]:
    """What assistants and others say in a row of conversation."""
    if not isinstance(value, dict):
        return "", ""
    turns = next(
        (
            value[k]
            for k in ("messages", "conversations", "turns")
            if isinstance(value.get(k), list)
        ),
        None,
    )
    answers: list[str] = []
    questions: list[str] = []
    for turn in turns or []:
        if isinstance(turn, dict):
            role = str(turn.get("role", turn.get("from", ""))).lower()
            said = str(turn.get("content", turn.get("value", "")))
            (answers if role in {"assistant", "gpt", "model"} else questions).append(said)
    return "\n".join(answers), "\n".join(questions)
