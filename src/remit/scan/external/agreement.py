"""What Remit's own readings and those of external scanners mean for each other.

Some scanners call everything suspicious that is not on their list: half of the benign pickles of
numpy, torch and scikit-learn, and each SavedModel that saves its variables. Where Remit's own
scanner of that format has read every such member completely, by a list of what is good, and has
nothing to say against it, the doubt is recorded (``info``) and does not block. What a scanner
*knows* to be dangerous is never settled.

A scanner that guesses from words and shapes of code (``LONE``) is often wrong about skills that
talk to a service or quote an attack. What it calls high in a file that Remit's own find nothing
doubtful in asks a person (``medium``).

A format that only an external scanner has read is read by a list of what is bad. That is worth a
person's look and no more: ``coverage.second_hand``, of medium severity.
"""

from collections.abc import Collection, Sequence

import msgspec

from remit.scan.base import SEVERITIES, Coverage, Finding, Report, Severity

SETTLES: dict[str, tuple[str, str]] = {
    "pickle.unknown": ("pickles", "pickle"),
    "pickle.opcodes": ("pickles", "pickle"),
    "torch.code": ("containers", "torchscript"),
    "graph.saves": ("graphs", "tensorflow"),
}
"""Rules that say no more than a doubt: who settles them, and by which format."""
LONE = frozenset({"skill-scanner"})
"""Scanners whose ``high`` blocks only beside a doubt of Remit's own."""
SECOND_HAND = "coverage.second_hand"
_GRAVE: frozenset[Severity] = frozenset(SEVERITIES[:3])


def settled(reports: Sequence[Report], external: Collection[str]) -> list[Report]:
    """The same reports, with what they mean for each other.

    Args:
        reports: of one artifact.
        external: names of those scanners that are not Remit's own.
    """
    own = {report.scanner: report for report in reports if report.scanner not in external}
    read = {
        (each.member, each.format)
        for report in own.values()
        if not report.failed
        for each in report.coverage
        if each.status == "complete"
    }
    done: list[Report] = []
    for report in reports:
        if report.scanner in own:
            done.append(report)
            continue
        findings = (
            *(_settled(_alone(each, own), own) for each in report.findings),
            *(
                _second_hand(each, report.scanner)
                for each in report.coverage
                if each.executes
                and each.status == "complete"
                and (each.member, each.format) not in read
            ),
        )
        done.append(msgspec.structs.replace(report, findings=findings))
    return done


def _alone(finding: Finding, own: dict[str, Report]) -> Finding:
    """A finding that none of Remit's own scanners shares, as one for a person."""
    if finding.scanner not in LONE or finding.severity != "high":
        return finding
    shared = any(
        each.member == finding.member and each.severity in _GRAVE
        for report in own.values()
        for each in report.findings
    )
    return finding if shared else msgspec.structs.replace(finding, severity="medium")


def _second_hand(coverage: Coverage, scanner: str) -> Finding:
    return Finding(
        rule=SECOND_HAND,
        title=f"only `{scanner}` has read this format, by a list of what is bad",
        severity="medium",
        member=coverage.member,
        evidence=coverage.format,
        scanner=scanner,
    )


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
