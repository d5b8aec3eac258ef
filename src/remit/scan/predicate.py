"""A report as the predicate of a scan, and the document of findings that it commits to."""

import msgspec

from remit.attest.predicates.scan import MAX_NOT_SCANNED, Coverage, Scan
from remit.core.digest import sha256
from remit.scan.base import SEVERITIES, Report

_WORST: tuple[Coverage, ...] = ("error", "partial", "unsupported", "complete")


def document(report: Report) -> bytes:
    """The document of findings, the same bytes for the same report."""
    return msgspec.json.encode(report, order="deterministic")


def predicate(report: Report, *, started_us: int, finished_us: int, expires_us: int) -> Scan:
    """What is attested of a report; one that failed has the coverage ``error``.

    Args:
        report: of one scanner.
        started_us: when it began, microseconds since 1970.
        finished_us: when it ended.
        expires_us: when it ends to count.
    """
    counts = dict.fromkeys(SEVERITIES, 0)
    for finding in report.findings:
        counts[finding.severity] += 1
    unread = [each for each in report.coverage if each.status != "complete"]
    said: set[Coverage] = {each.status for each in unread} or {"complete"}
    coverage = "error" if report.failed else next(each for each in _WORST if each in said)
    return Scan(
        scanner=report.scanner,
        version=report.version or "0",
        rules_digest=report.rules,
        findings_digest=sha256(document(report)),
        counts={str(severity): count for severity, count in counts.items()},
        coverage=coverage,
        not_scanned=tuple(dict.fromkeys(each.member for each in unread))[:MAX_NOT_SCANNED],
        started_us=started_us,
        finished_us=finished_us,
        expires_us=expires_us,
    )
