"""Doubts of external scanners that a complete reading by Remit's own settles.

Some scanners call everything suspicious that is not on their list: half of the benign pickles of
numpy, torch and scikit-learn, and each SavedModel that saves its variables. Where Remit's own
scanner of that format has read every such member completely, by a list of what is good, and has
nothing to say against it, the doubt is recorded (``info``) and does not block. What a scanner
*knows* to be dangerous is never settled.
"""

from collections.abc import Sequence

import msgspec

from remit.scan.base import SEVERITIES, Coverage, Finding, Report, Severity

SETTLES: dict[str, tuple[str, str]] = {
    "pickle.unknown": ("pickles", "pickle"),
    "graph.saves": ("graphs", "tensorflow"),
}
"""Rules that say no more than a doubt: who settles them, and by which format."""
_GRAVE: frozenset[Severity] = frozenset(SEVERITIES[:3])


def settled(reports: Sequence[Report]) -> list[Report]:
    """The same reports, with doubts that are settled as ``info``."""
    own = {report.scanner: report for report in reports}
    done: list[Report] = []
    for report in reports:
        external = report.scanner not in {judge for judge, _ in SETTLES.values()}
        findings = tuple(_settled(each, own) if external else each for each in report.findings)
        done.append(msgspec.structs.replace(report, findings=findings))
    return done


def _settled(finding: Finding, own: dict[str, Report]) -> Finding:
    judge, form = SETTLES.get(finding.rule, ("", ""))
    report = own.get(judge)
    if report is None or report.failed or not _at_ease(report, finding.member, form):
        return finding
    title = f"{finding.title}; `{judge}` has read all of it and allows it"
    return msgspec.structs.replace(finding, severity="info", title=title)


def _at_ease(report: Report, member: str, form: str) -> bool:
    """Whether all of a member, and of what is in it, was read, and nothing was found."""
    read = [each for each in report.coverage if each.format == form and _in(each, member)]
    found = any(_in(each, member) and each.severity in _GRAVE for each in report.findings)
    return bool(read) and all(each.status == "complete" for each in read) and not found


def _in(each: Coverage | Finding, member: str) -> bool:
    return each.member == member or each.member.startswith(member + "!/")
