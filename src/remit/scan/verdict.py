"""What reports mean together. Nothing that is missing, malformed or unread is ever clean.

Rules, in order; the first that holds decides:

1. A scanner that should have looked and has no report, or one that failed: ``blocked``.
2. A member that can execute and that no scanner of its format read completely: ``blocked``.
3. A finding of critical or high severity that no suppression covers: ``blocked``.
4. A finding of medium severity: ``review``, somebody decides.
5. Else ``clean``.

Which severities block or ask is policy; these are the defaults (``artifact.promote`` in Cedar reads
the counts).
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from remit.scan.base import SEVERITIES, Finding, Report, Severity

Word = Literal["clean", "review", "blocked"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What all reports say together.

    Attributes:
        word: ``clean``, ``review`` or ``blocked``.
        reasons: sentences, the gravest first.
        counts: findings that count, by severity.
        unread: members that can execute and were not read completely.
        failed: scanners without a result.
    """

    word: Word
    reasons: tuple[str, ...]
    counts: dict[Severity, int]
    unread: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def judge(
    reports: Sequence[Report], expected: Collection[str], suppressed: Collection[str] = ()
) -> Verdict:
    """Judge an artifact.

    Args:
        reports: one of each scanner that answered.
        expected: names of the scanners that should have.
        suppressed: fingerprints of findings that somebody answered for.
    """
    answered = {report.scanner: report for report in reports}
    failed = sorted(name for name in expected if name not in answered or answered[name].failed)
    found = distinct(reports, suppressed)
    counts: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
    for finding in found:
        counts[finding.severity] += 1
    unread = _unread(reports)
    reasons = [
        f"the scanner `{name}` has no result:"
        f" {answered[name].failed if name in answered else 'it did not answer'}"
        for name in failed
    ]
    reasons += [f"`{member}` can execute and was not read: {why}" for member, why in unread]
    grave = [each for each in found if each.severity in {"critical", "high"}]
    reasons += [f"{each.severity}: {each.title} (`{each.member}`)" for each in grave]
    if reasons:
        return _verdict("blocked", reasons, counts, unread, failed)
    asked = [each for each in found if each.severity == "medium"]
    if asked:
        reasons = [f"medium: {each.title} (`{each.member}`)" for each in asked]
        return _verdict("review", reasons, counts, unread, failed)
    return _verdict("clean", [], counts, unread, failed)


def _verdict(
    word: Word,
    reasons: Sequence[str],
    counts: dict[Severity, int],
    unread: Sequence[tuple[str, str]],
    failed: Sequence[str],
) -> Verdict:
    return Verdict(
        word=word,
        reasons=tuple(reasons),
        counts=counts,
        unread=tuple(member for member, _ in unread),
        failed=tuple(failed),
    )


def distinct(reports: Sequence[Report], suppressed: Collection[str] = ()) -> list[Finding]:
    """Findings, the gravest first; of several about one rule and member the gravest alone."""
    best: dict[tuple[str, str], Finding] = {}
    for report in reports:
        for finding in report.findings:
            if finding.fingerprint in suppressed:
                continue
            key = (finding.rule, finding.member)
            known = best.get(key)
            if known is None or _rank(finding) < _rank(known):
                best[key] = finding
    return sorted(best.values(), key=lambda each: (_rank(each), each.rule, each.member))


def readings(reports: Sequence[Report]) -> tuple[int, int]:
    """How many members some scanner reads, and how many of them were read completely.

    A member is, if somebody read all of it and nobody left a format unread that can execute.
    """
    covered = [each for report in reports for each in report.coverage]
    complete = {each.member for each in covered if each.status == "complete"}
    unread = {member for member, _ in _unread(reports)}
    return len({each.member for each in covered}), len(complete - unread)


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _unread(reports: Sequence[Report]) -> list[tuple[str, str]]:
    """Members that can execute for somebody, of which nobody read all.

    A file may be two formats at once, so who read it as one of them does not answer for the other.
    """
    read = {
        (each.member, each.format)
        for report in reports
        for each in report.coverage
        if each.status == "complete"
    }
    found: dict[str, str] = {}
    for report in reports:
        for each in report.coverage:
            unread = each.status != "complete" and each.executes
            if unread and (each.member, each.format) not in read:
                found.setdefault(each.member, each.reason or each.status)
    return sorted(found.items())
