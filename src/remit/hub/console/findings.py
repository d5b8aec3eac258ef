"""What scanners said, put together for a page."""

from collections.abc import Sequence

import msgspec

from remit.hub.console.ports import Answers
from remit.scan.base import SEVERITIES, Finding, Report, Severity
from remit.scan.verdict import distinct

MAX_SHOWN = 300
MAX_FILES = 2000
MAX_ANSWERS = 30


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of one severity; ``left`` more are not shown."""

    severity: Severity
    findings: tuple[Finding, ...]
    left: int = 0


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a served model answered, and what was found in that, by severity."""

    answers: Answers
    groups: tuple[Group, ...] = ()


class ReadFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an artifact, and what scanners read of it.

    Attributes:
        path: in the artifact; ``!/`` leads into an archive.
        formats: what it was read as.
        executes: whether a reader of it may run what it holds.
        complete: names of scanners that read all of it.
        trouble: what was not read, and why.
        worst: the gravest finding in it; empty if there is none.
    """

    path: str
    formats: tuple[str, ...] = ()
    executes: bool = False
    complete: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    worst: str = ""


def groups(reports: Sequence[Report]) -> list[Group]:
    """Findings by severity, the gravest first."""
    found = distinct(reports)
    grouped = []
    for severity in SEVERITIES:
        those = [each for each in found if each.severity == severity]
        if those:
            left = max(0, len(those) - MAX_SHOWN)
            grouped.append(Group(severity=severity, findings=tuple(those[:MAX_SHOWN]), left=left))
    return grouped


def answered(those: Sequence[Answers]) -> list[Answered]:
    """The same with findings by severity, as many as a page shows."""
    return [
        Answered(answers=each, groups=tuple(groups(each.reports))) for each in those[:MAX_ANSWERS]
    ]


def counts_of(those: Sequence[Group]) -> dict[Severity, int]:
    """How many findings there are of each severity that there is one of."""
    return {each.severity: len(each.findings) + each.left for each in those}


def files_of(reports: Sequence[Report], digest: str) -> tuple[list[ReadFile], int]:
    """Every file that a scanner saw but the manifest, and how many there are in all."""
    seen: dict[str, dict[str, list[str]]] = {}
    executes: set[str] = set()
    worst: dict[str, int] = {}
    for report in reports:
        for each in report.coverage:
            slot = seen.setdefault(each.member, {"formats": [], "complete": [], "trouble": []})
            if each.format:
                slot["formats"].append(each.format)
            if each.status == "complete":
                slot["complete"].append(report.scanner)
            else:
                slot["trouble"].append(f"{report.scanner}: {each.reason or each.status}")
            if each.executes:
                executes.add(each.member)
        for finding in report.findings:
            rank = SEVERITIES.index(finding.severity)
            worst[finding.member] = min(worst.get(finding.member, rank), rank)
            seen.setdefault(finding.member, {"formats": [], "complete": [], "trouble": []})
    seen.pop(digest, None)
    rows = [
        ReadFile(
            path=path,
            formats=tuple(dict.fromkeys(slot["formats"])),
            executes=path in executes,
            complete=tuple(dict.fromkeys(slot["complete"])),
            trouble=tuple(slot["trouble"][:5]),
            worst=SEVERITIES[worst[path]] if path in worst else "",
        )
        for path, slot in sorted(seen.items())
    ]
    return rows[:MAX_FILES], len(rows)
