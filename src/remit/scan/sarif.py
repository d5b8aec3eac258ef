"""Reports as SARIF 2.1.0 (OASIS), for whoever reads findings of other tools, too.

Each scanner is a run. What was not read is a notification of its invocation, and a scanner that
failed is an invocation that was not successful: no reader takes it for clean.
"""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from remit.scan.base import Coverage, Finding, Report, Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, tuple[str, str]] = {
    "critical": ("error", "9.5"),
    "high": ("error", "8.0"),
    "medium": ("warning", "5.5"),
    "low": ("note", "3.0"),
    "info": ("note", "0.0"),
}


def sarif(
    reports: Sequence[Report], *, digest: str = "", suppressed: Collection[str] = ()
) -> bytes:
    """A log with a run for each report.

    Args:
        reports: of all scanners.
        digest: of the artifact's manifest, ``sha256:…``.
        suppressed: fingerprints of findings that somebody answered for.
    """
    runs = [_run(report, digest, suppressed) for report in reports]
    return msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": runs})


def _run(report: Report, digest: str, suppressed: Collection[str]) -> dict[str, Any]:
    members = sorted({f.member for f in report.findings} | {c.member for c in report.coverage})
    places = {member: number for number, member in enumerate(members)}
    rules: dict[str, Finding] = {}
    for finding in report.findings:
        rules.setdefault(finding.rule, finding)
    numbers = {rule: number for number, rule in enumerate(rules)}
    unread = [each for each in report.coverage if each.status != "complete"]
    return {
        "tool": {
            "driver": {
                "name": f"remit/{report.scanner}",
                "version": report.version or "0",
                "rules": [_rule(each) for each in rules.values()],
                "properties": {"ruleset-digest": report.rules},
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.failed
                and not any(each.status == "error" for each in unread),
                "toolExecutionNotifications": [
                    *([_failure(report.failed)] if report.failed else []),
                    *(_unread(each, places) for each in unread),
                ],
            }
        ],
        "artifacts": [{"location": {"uri": _uri(member)}} for member in members],
        "results": [_result(each, numbers, places, suppressed) for each in report.findings],
        "columnKind": "unicodeCodePoints",
        "properties": {"artifact": digest} if digest else {},
    }


def _uri(member: str) -> str:
    return quote(member, safe="/")


def _rule(finding: Finding) -> dict[str, Any]:
    level, number = _LEVELS[finding.severity]
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.title},
        "defaultConfiguration": {"level": level},
        "properties": {"security-severity": number, "tags": ["security"]},
    }


def _place(member: str, places: dict[str, int]) -> dict[str, Any]:
    return {"artifactLocation": {"uri": _uri(member), "index": places[member]}}


def _result(
    finding: Finding,
    rules: dict[str, int],
    places: dict[str, int],
    suppressed: Collection[str],
) -> dict[str, Any]:
    place = _place(finding.member, places)
    where = finding.region
    if where.line:
        place["region"] = {"startLine": where.line}
    elif where.start or where.length:
        place["region"] = {"byteOffset": where.start, "byteLength": where.length}
    location: dict[str, Any] = {"physicalLocation": place}
    if where.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": where.pointer}]
    text = f"{finding.title}: {finding.evidence}" if finding.evidence else finding.title
    found: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rules[finding.rule],
        "level": _LEVELS[finding.severity][0],
        "rank": finding.confidence / 10,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"remit/v1": finding.fingerprint},
        "properties": {"severity": finding.severity},
    }
    if finding.fingerprint in suppressed:
        found["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return found


def _failure(why: str) -> dict[str, Any]:
    return {"level": "error", "message": {"text": f"the scanner has no result: {why}"}}


def _unread(coverage: Coverage, places: dict[str, int]) -> dict[str, Any]:
    return {
        "level": "error" if coverage.executes else "warning",
        "message": {"text": f"{coverage.status}: {coverage.reason or 'not read'}"},
        "locations": [{"physicalLocation": _place(coverage.member, places)}],
        "properties": {"format": coverage.format, "executes": coverage.executes},
    }
