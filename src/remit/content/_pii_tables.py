"""Identifiers in tables, where the name is in the head and the value rows below.

CSV (RFC 4180, simple cells), tab, semicolon and pipe separated, Markdown tables.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from remit.content import _checks as checks
from remit.content.base import View
from remit.content.patterns import Pattern

MAX_ROWS = 5000
_MAX_HEAD = 2000
HEAD = Pattern(
    id="table-head",
    regex=(
        r"(?im)(?:^|[,;\t|])[ \t]{0,200}\"?(?:mrn|medical[ _]?record[ _]?(?:number|no)|patient[ _]?(?:id|mrn)|npi"
        r"|(?:provider|prescriber)[ _]?npi|dea(?:[ _]?(?:number|no))?|ssn|dob|date[ _]of[ _]birth"
        r"|birth[ _]?date|member[ _]?id|subscriber[ _]?id|policy[ _]?(?:number|no)"
        r"|passport(?:[ _]?(?:number|no))?|icd(?:[ _-]?10)?(?:[ _]?code)?|(?:diagnosis|dx)(?:[ _]?code)?"
        r"|phone(?:[ _]?number)?|tel|mobile)\"?[ \t]{0,200}(?:[,;\t|]|$)"
    ),
)
"""The name of a column that counts."""


def _number(least: int) -> Callable[[str], bool]:
    return lambda v: (
        sum(c.isdigit() for c in v) >= least
        and re.fullmatch(r"[A-Za-z]{0,5}[ -]?[\d-]{2,16}[A-Za-z0-9-]{0,4}", v) is not None
    )


_COLUMNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (label, re.compile(rf"(?i)(?:{names})"), check)
    for label, names, check in (
        ("MRN", r"mrn|medical[ _]?record[ _]?(?:number|no)|patient[ _]?(?:id|mrn)", _number(4)),
        ("NPI", r"(?:(?:provider|prescriber)[ _]?)?npi", lambda v: re.fullmatch(r"\d{10}", v) is not None and checks.npi(v)),
        ("DEA", r"dea(?:[ _]?(?:number|no))?", lambda v: re.fullmatch(r"[A-Za-z][A-Za-z9]\d{7}", v) is not None and checks.dea(v)),
        ("US_SSN", r"ssn", lambda v: re.fullmatch(r"\d{3}-?\d\d-?\d{4}", v) is not None and checks.ssn(v.replace("-", ""))),
        ("DATE_TIME", r"dob|date[ _]of[ _]birth|birth[ _]?date", lambda v: re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|(?:19|20)\d{6}", v) is not None and checks.birth_date(v)),
        ("MEMBER_ID", r"member[ _]?id|subscriber[ _]?id|policy[ _]?(?:number|no)", _number(5)),
        ("US_PASSPORT", r"passport(?:[ _]?(?:number|no))?", lambda v: re.fullmatch(r"[A-Za-z]{0,2}\d{6,9}", v) is not None),
        ("ICD10", r"icd(?:[ _-]?10)?(?:[ _]?code)?|(?:diagnosis|dx)(?:[ _]?code)?", lambda v: re.fullmatch(r"[A-TV-Z]\d[0-9AB](?:\.?[0-9A-Z]{1,4})?", v) is not None),
        ("PHONE_NUMBER", r"phone(?:[ _]?number)?|tel|mobile", lambda v: re.fullmatch(r"\+?[\d ().-]{7,20}", v) is not None and sum(c.isdigit() for c in v) >= 7),
    )
)  # fmt: skip


class Cell(NamedTuple):
    """A cell with an identifier."""

    label: str
    start: int
    end: int


def cells(view: View, heads: Iterable[int]) -> Iterator[Cell]:
    """Identifiers in the columns of every table in a text; ``heads`` are where a ``HEAD`` ends."""
    text = view.text
    at = 0
    for head in heads:
        if head - 1 < at:
            continue
        start = text.rfind("\n", 0, head - 1) + 1
        end = text.find("\n", head - 1)
        end = len(text) if end < 0 else end
        at = end + 1
        if end - start > _MAX_HEAD:
            continue
        line = text[start:end]
        separator = max("\t|;,", key=line.count)
        columns = [
            (number, label, check)
            for number, name in enumerate(line.split(separator))
            for label, names, check in _COLUMNS
            if names.fullmatch(name.strip().strip('"'))
        ]
        width = line.count(separator)
        for _ in range(MAX_ROWS if columns and width else 0):
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
            row = text[at:stop]
            if row.count(separator) != width:
                break
            yield from _row(row, at, separator, columns)
            at = stop + 1


def _row(
    row: str, at: int, separator: str, columns: list[tuple[int, str, Callable[[str], bool]]]
) -> Iterator[Cell]:
    parts = row.split(separator)
    for number, label, check in columns:
        cell = parts[number]
        value = cell.strip().strip('"')
        if value and check(value):
            start = at + sum(len(p) + 1 for p in parts[:number]) + cell.index(value)
            yield Cell(label, start, start + len(value))
